//! Who saw and did what to a household (SEC-2): the records of the four services as one list.

use std::cmp::Reverse;

use async_graphql::dynamic::{
    Field, FieldFuture, FieldValue, InputValue, ResolverContext, TypeRef,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::error::Error;
use futures::future::join_all;
use prost_reflect::{DynamicMessage, Kind, MethodDescriptor, Value as Wire};

use super::{
    edge::Node,
    fetch, name,
    query::{self, FIRST, FIRST_MAX, Page},
    report,
    types::Types,
    value,
};
use crate::{contract, peers::SERVICES};

/// An instant, a service and an id have fewer characters.
const CURSOR_CHARS_MAX: usize = 200;

pub fn field(types: &mut Types) -> Field {
    let method = contract::method("access.ListAccess");
    let entries = method.output().get_field_by_name("entries");
    let item = match entries.map(|entries| entries.kind()) {
        Some(Kind::Message(entry)) => types.object(&entry),
        _ => panic!("the contract lists entries"),
    };
    let connection = query::connection(types, &item, method.output());
    let comment = contract::comment(&method.parent_file(), method.path());
    Field::new("accessLog", TypeRef::named(connection), move |ctx| {
        let method = method.clone();
        FieldFuture::new(async move {
            match ask(&ctx, &method).await {
                Ok(page) => Ok(Some(FieldValue::owned_any(page))),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(error) => {
                    report(ctx.ctx, &error);
                    Ok(None)
                }
            }
        })
    })
    .description(comment)
    .argument(InputValue::new(
        "householdId",
        TypeRef::named_nn(TypeRef::ID),
    ))
    .argument(query::first())
    .argument(InputValue::new("after", TypeRef::named(TypeRef::STRING)))
}

async fn ask(ctx: &ResolverContext<'_>, method: &MethodDescriptor) -> Result<Page, Error> {
    let fetch = fetch(ctx.ctx).map_err(|_| Error::Unauthenticated)?;
    let text = |name: &str| {
        let value = ctx.args.get(name);
        value.and_then(|value| value.string().ok().map(str::to_owned))
    };
    let household = name::read_global_id(&text("householdId").unwrap_or_default());
    let household = household.filter(|(node, _)| *node == "Household");
    let (_, household) = household.ok_or(Error::NotFound { what: "household" })?;
    let first = ctx.args.get("first").and_then(|first| first.i64().ok());
    let first = first.unwrap_or(FIRST.into());
    if !(1..=FIRST_MAX).contains(&first) {
        return Err(Error::invalid("first", "PAGE_SIZE", "1 to 100"));
    }
    let mut request = value::with(&method.input(), "household_id", Wire::String(household));
    // One more than the page tells whether there is another.
    let size = i32::try_from(first + 1).unwrap_or(FIRST);
    request.set_field_by_name("page_size", Wire::I32(size));
    if let Some(after) = text("after") {
        let before = read_cursor(method, &after).ok_or(Error::CursorInvalid)?;
        request.set_field_by_name("before", Wire::Message(before));
    }
    let asks = SERVICES.map(|service| {
        let peers = &fetch.peers;
        peers.call_at(service, &fetch.caller, method, request.clone())
    });
    // Half of a record would be none: whoever does not answer makes the whole list fail.
    let answers: Result<Vec<DynamicMessage>, Error> = join_all(asks).await.into_iter().collect();
    let mut answers = answers?;
    let entries = answers
        .iter_mut()
        .flat_map(|answer| value::take_messages(answer, "entries"));
    let mut entries: Vec<DynamicMessage> = entries.collect();
    entries.sort_by_cached_key(|entry| Reverse(place(entry)));
    let size = usize::try_from(first).unwrap_or_default();
    let has_next = entries.len() > size;
    entries.truncate(size);
    let end_cursor = entries.last().map(|last| {
        let (at, service, id) = place(last);
        URL_SAFE_NO_PAD.encode(format!("{at} {service} {id}"))
    });
    Ok(Page {
        nodes: entries.into_iter().map(Node::leaf).collect(),
        end_cursor: end_cursor.filter(|_| has_next).unwrap_or_default(),
        has_next,
        total_count: None,
    })
}

/// Where an entry stands: later, and of a later service, is greater.
fn place(entry: &DynamicMessage) -> (i64, String, String) {
    let place = entry.get_field_by_name("place");
    let place = place.as_ref().and_then(|place| place.as_message());
    let at = place.and_then(|place| {
        let at = place.get_field_by_name("at_us")?;
        at.as_i64()
    });
    let text = |field| place.map(|place| value::text(place, field));
    (
        at.unwrap_or_default(),
        text("service").unwrap_or_default(),
        text("id").unwrap_or_default(),
    )
}

/// The place that a cursor names. It is not signed: it opens nothing that the caller may not see.
fn read_cursor(method: &MethodDescriptor, cursor: &str) -> Option<DynamicMessage> {
    if cursor.len() > CURSOR_CHARS_MAX {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split(' ');
    let at: i64 = parts.next()?.parse().ok()?;
    let service = parts.next().filter(|service| SERVICES.contains(service))?;
    let id: uuid::Uuid = parts.next()?.parse().ok()?;
    let Kind::Message(place) = method.input().get_field_by_name("before")?.kind() else {
        return None;
    };
    let mut place = value::with(&place, "at_us", Wire::I64(at));
    place.set_field_by_name("service", Wire::String(service.to_owned()));
    place.set_field_by_name("id", Wire::String(id.to_string()));
    Some(place)
}
