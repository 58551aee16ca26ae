//! Query.

use async_graphql::{
    Name, Value,
    dynamic::{Field, FieldFuture, FieldValue, InputValue, Object, ResolverContext, TypeRef},
    indexmap::IndexMap,
};
use chassis::{auth::Caller, error::Error};
use kernel::Code as _;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value as Wire};

use super::{
    access,
    edge::Node,
    fetch,
    name::{self, NODES},
    report,
    table::{QUERIES, Query, Shape},
    types::{Types, list},
    value::{self, Reader},
};
use crate::contract;

/// Page size unless `first` says another.
pub const FIRST: i32 = 20;
/// Largest page, and most nodes at once.
pub const FIRST_MAX: i64 = 100;

pub fn build(types: &mut Types) -> Object {
    types.add("PageInfo", page_info());
    types.add("Viewer", viewer_type());
    let mut query = Object::new("Query")
        .description("查询 What can be asked; every answer holds only what the caller may see.")
        .field(viewer())
        .field(node())
        .field(nodes())
        .field(access::field(types));
    for row in &QUERIES {
        query = query.field(field(types, row));
    }
    query
}

fn field(types: &mut Types, row: &'static Query) -> Field {
    let method = contract::method(row.rpc);
    let shown = |types: &mut Types, name: &str| {
        let field = method
            .output()
            .get_field_by_name(name)
            .expect("the table fits the contract");
        match field.kind() {
            prost_reflect::Kind::Message(message) => types.object(&message),
            _ => panic!("{} shows no message", row.name),
        }
    };
    let (type_ref, arguments) = match row.shape {
        Shape::ById { items } => {
            let id = InputValue::new("id", TypeRef::named_nn(TypeRef::ID));
            (TypeRef::named(shown(types, items)), vec![id])
        }
        Shape::Page { items } => {
            let item = shown(types, items);
            let connection = connection(types, &item, method.output());
            let mut arguments = types.inputs(&method.input(), &["page", "with_total"]);
            arguments.push(first());
            arguments.push(InputValue::new("after", TypeRef::named(TypeRef::STRING)));
            (TypeRef::named(connection), arguments)
        }
        Shape::Alerts => {
            let item = shown(types, "alerts");
            let connection = connection(types, &item, method.output());
            let mut arguments = types.inputs(&method.input(), &["page_size"]);
            arguments.push(first());
            (TypeRef::named(connection), arguments)
        }
        Shape::List { items } => {
            let arguments = types.inputs(&method.input(), &[]);
            (TypeRef::named_nn_list(shown(types, items)), arguments)
        }
        Shape::One { field } => {
            let arguments = types.inputs(&method.input(), &[]);
            (TypeRef::named(shown(types, field)), arguments)
        }
    };
    let resolved = method.clone();
    let mut field = Field::new(row.name, type_ref, move |ctx| {
        let method = resolved.clone();
        FieldFuture::new(async move { resolve(&ctx, row, &method).await })
    })
    .description(contract::comment(&method.parent_file(), method.path()));
    for argument in arguments {
        field = field.argument(argument);
    }
    field
}

pub fn first() -> InputValue {
    InputValue::new("first", TypeRef::named(TypeRef::INT))
        .description("每页条数 1 to 100.")
        .default_value(FIRST)
}

/// A page: its nodes, where it ends, and how many there are in all.
pub struct Page {
    pub nodes: Vec<Node>,
    pub end_cursor: String,
    pub has_next: bool,
    pub total_count: Option<i64>,
}

pub fn connection(
    types: &mut Types,
    item: &str,
    output: prost_reflect::MessageDescriptor,
) -> String {
    let name = format!("{item}Connection");
    let mut object = Object::new(&name)
        .description(format!("一页 {item} A page of {item}."))
        .field(Field::new(
            "nodes",
            TypeRef::named_nn_list_nn(item),
            |ctx| {
                let page = ctx.parent_value.try_downcast_ref::<Page>();
                FieldFuture::Value(page.ok().map(|page| list(page.nodes.clone())))
            },
        ))
        .field(Field::new(
            "pageInfo",
            TypeRef::named_nn("PageInfo"),
            |ctx| {
                let page = ctx.parent_value.try_downcast_ref::<Page>().ok();
                let info = page.map(|page| (page.end_cursor.clone(), page.has_next));
                FieldFuture::Value(info.map(FieldValue::owned_any))
            },
        ));
    if output.get_field_by_name("total_count").is_some() {
        let total = Field::new("totalCount", TypeRef::named("Long"), |ctx| {
            let page = ctx.parent_value.try_downcast_ref::<Page>();
            let total = page.ok().and_then(|page| page.total_count);
            FieldFuture::Value(total.map(FieldValue::value))
        });
        object = object.field(total.description("总数 How many there are; costs a count."));
    }
    types.add(&name, object);
    name
}

fn page_info() -> Object {
    type Info = (String, bool);
    Object::new("PageInfo")
        .description("分页 Where a page ends.")
        .field(Field::new(
            "hasNextPage",
            TypeRef::named_nn(TypeRef::BOOLEAN),
            |ctx| {
                let info = ctx.parent_value.try_downcast_ref::<Info>();
                FieldFuture::Value(info.ok().map(|(_, has_next)| FieldValue::value(*has_next)))
            },
        ))
        .field(Field::new(
            "endCursor",
            TypeRef::named(TypeRef::STRING),
            |ctx| {
                let info = ctx.parent_value.try_downcast_ref::<Info>().ok();
                let cursor = info
                    .map(|(cursor, _)| cursor.clone())
                    .filter(|cursor| !cursor.is_empty());
                FieldFuture::Value(cursor.map(FieldValue::value))
            },
        ))
}

/// The arguments that a field was given.
fn arguments(ctx: &ResolverContext<'_>) -> Value {
    let given = ctx.args.iter();
    let given = given.map(|(name, value)| (name.clone(), value.as_value().clone()));
    Value::Object(given.collect::<IndexMap<Name, Value>>())
}

async fn resolve<'a>(
    ctx: &ResolverContext<'a>,
    row: &Query,
    method: &MethodDescriptor,
) -> async_graphql::Result<Option<FieldValue<'a>>> {
    match ask(ctx, row, method).await {
        Ok(found) => Ok(found),
        // What is not there, or not the caller's to see, is null.
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => {
            report(ctx.ctx, &error);
            Ok(None)
        }
    }
}

async fn ask<'a>(
    ctx: &ResolverContext<'a>,
    row: &Query,
    method: &MethodDescriptor,
) -> Result<Option<FieldValue<'a>>, Error> {
    let fetch = fetch(ctx.ctx).map_err(|_| Error::Unauthenticated)?;
    let (input, look) = (arguments(ctx), ctx.ctx.look_ahead());
    let request = request(ctx, row, method, &input)?;
    let mut answer = fetch.peers.call(&fetch.caller, method, request).await?;
    match row.shape {
        Shape::ById { items } => {
            let found = fetch
                .complete(value::take_messages(&mut answer, items), look)
                .await;
            Ok(found.into_iter().next().map(FieldValue::owned_any))
        }
        Shape::Page { items } => {
            let nodes = fetch
                .complete(
                    value::take_messages(&mut answer, items),
                    look.field("nodes"),
                )
                .await;
            let end_cursor = value::text(&answer, "next_page_token");
            let total = answer.get_field_by_name("total_count");
            let total = total
                .and_then(|total| total.as_i64())
                .filter(|total| *total >= 0);
            Ok(Some(FieldValue::owned_any(Page {
                nodes,
                has_next: !end_cursor.is_empty(),
                end_cursor,
                total_count: total,
            })))
        }
        Shape::Alerts => {
            let alerts = value::take_messages(&mut answer, "alerts");
            let end_cursor = alerts.last().map(|alert| value::text(alert, "cursor"));
            let nodes = fetch.complete(alerts, look.field("nodes")).await;
            let has_more = answer.get_field_by_name("has_more");
            Ok(Some(FieldValue::owned_any(Page {
                nodes,
                has_next: has_more.and_then(|has| has.as_bool()).unwrap_or(false),
                end_cursor: end_cursor.unwrap_or_default(),
                total_count: None,
            })))
        }
        Shape::List { items } => Ok(Some(list(
            fetch
                .complete(value::take_messages(&mut answer, items), look)
                .await,
        ))),
        Shape::One { field } => {
            let found = fetch
                .complete(value::take_messages(&mut answer, field), look)
                .await;
            Ok(found.into_iter().next().map(FieldValue::owned_any))
        }
    }
}

/// The message that a field's arguments make.
fn request(
    ctx: &ResolverContext<'_>,
    row: &Query,
    method: &MethodDescriptor,
    input: &Value,
) -> Result<DynamicMessage, Error> {
    let mut reader = Reader::default();
    let mut request = DynamicMessage::new(method.input());
    let argument = |name: &str| match input {
        Value::Object(given) => given.get(name).cloned(),
        _ => None,
    };
    match row.shape {
        Shape::ById { items } => {
            let id = argument("id")
                .and_then(|id| id.as_str_id())
                .unwrap_or_default();
            let found = name::read_global_id(&id);
            let expected = method.output().get_field_by_name(items);
            let expected = expected.and_then(|field| match field.kind() {
                prost_reflect::Kind::Message(message) => Some(message.name().to_owned()),
                _ => None,
            });
            // The id of another kind of thing is the id of nothing here.
            let (_, id) = found
                .filter(|(node, _)| Some(*node) == expected.as_deref())
                .ok_or(Error::NotFound { what: "thing" })?;
            request.set_field_by_name("ids", Wire::List(vec![Wire::String(id)]));
        }
        _ => reader.fill(&mut request, input, ""),
    }
    let first = argument("first").and_then(|first| match first {
        Value::Number(number) => number.as_i64(),
        _ => None,
    });
    if let Some(first) = first
        && !(1..=FIRST_MAX).contains(&first)
    {
        return Err(Error::invalid("first", "PAGE_SIZE", "1 to 100"));
    }
    let size = Wire::I32(
        first
            .and_then(|first| i32::try_from(first).ok())
            .unwrap_or(FIRST),
    );
    match row.shape {
        Shape::Page { .. } => {
            let page = method.input().get_field_by_name("page");
            if let Some(prost_reflect::Kind::Message(descriptor)) = page.map(|page| page.kind()) {
                let mut page = value::with(&descriptor, "page_size", size);
                let after = argument("after").and_then(|after| after.as_str_id());
                page.set_field_by_name("page_token", Wire::String(after.unwrap_or_default()));
                request.set_field_by_name("page", Wire::Message(page));
            }
            if method.input().get_field_by_name("with_total").is_some() {
                let wanted = ctx.ctx.look_ahead().field("totalCount").exists();
                request.set_field_by_name("with_total", Wire::Bool(wanted));
            }
        }
        Shape::Alerts => request.set_field_by_name("page_size", size),
        Shape::ById { .. } | Shape::List { .. } | Shape::One { .. } => {}
    }
    reader.finish()?;
    Ok(request)
}

/// The text of a value.
trait Text {
    fn as_str_id(&self) -> Option<String>;
}

impl Text for Value {
    fn as_str_id(&self) -> Option<String> {
        match self {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    }
}

fn node() -> Field {
    Field::new("node", TypeRef::named("Node"), |ctx| {
        FieldFuture::new(async move {
            let id = ctx.args.try_get("id")?.string()?.to_owned();
            let found = by_ids(&ctx, &[id]).await;
            let found = found.map_err(|error| report(ctx.ctx, &error));
            Ok(found.ok().and_then(|found| found.into_iter().next()?))
        })
    })
    .description(
        "按全局编号查询 The thing with a global id; null when it is not the caller's to see.",
    )
    .argument(InputValue::new("id", TypeRef::named_nn(TypeRef::ID)))
}

fn nodes() -> Field {
    Field::new("nodes", TypeRef::named_list("Node"), |ctx| {
        FieldFuture::new(async move {
            let given = ctx.args.try_get("ids")?;
            let given = given.list()?;
            if i64::try_from(given.len()).unwrap_or(i64::MAX) > FIRST_MAX {
                report(ctx.ctx, &Error::invalid("ids", "TOO_MANY", "at most 100"));
                return Ok(None);
            }
            let ids: Result<Vec<String>, _> = given
                .iter()
                .map(|id| id.string().map(str::to_owned))
                .collect();
            let found = by_ids(&ctx, &ids?).await;
            let found = found.map_err(|error| report(ctx.ctx, &error));
            Ok(found.ok().map(|found| {
                let nodes = found.into_iter();
                FieldValue::list(nodes.map(|node| node.unwrap_or(FieldValue::NULL)))
            }))
        })
    })
    .description("按全局编号批量查询 The things with global ids, in their order, at most 100.")
    .argument(InputValue::new(
        "ids",
        TypeRef::named_nn_list_nn(TypeRef::ID),
    ))
}

/// One call for each kind of thing.
async fn by_ids<'a>(
    ctx: &ResolverContext<'a>,
    ids: &[String],
) -> Result<Vec<Option<FieldValue<'a>>>, Error> {
    let fetch = fetch(ctx.ctx).map_err(|_| Error::Unauthenticated)?;
    let mut found: Vec<Option<FieldValue<'a>>> = ids.iter().map(|_| None).collect();
    for (node, rpc) in NODES {
        let places = ids.iter().enumerate().filter_map(|(at, id)| {
            let (kind, id) = name::read_global_id(id)?;
            (kind == node).then_some((at, id))
        });
        let places: Vec<(usize, String)> = places.collect();
        if places.is_empty() {
            continue;
        }
        let method = contract::method(rpc);
        let wanted = places
            .iter()
            .map(|(_, id)| Wire::String(id.clone()))
            .collect();
        let request = value::with(&method.input(), "ids", Wire::List(wanted));
        let mut answer = fetch.peers.call(&fetch.caller, &method, request).await?;
        let items = method
            .output()
            .fields()
            .next()
            .map(|field| field.name().to_owned());
        let messages = value::take_messages(&mut answer, &items.unwrap_or_default());
        for fetched in fetch.complete(messages, ctx.ctx.look_ahead()).await {
            let own = value::text(&fetched.0.message, "id");
            for (at, _) in places.iter().filter(|(_, id)| *id == own) {
                found[*at] = Some(FieldValue::owned_any(fetched.clone()).with_type(node));
            }
        }
    }
    Ok(found)
}

fn viewer() -> Field {
    Field::new("viewer", TypeRef::named_nn("Viewer"), |ctx| {
        FieldFuture::new(async move {
            Ok(Some(FieldValue::owned_any(
                ctx.ctx.data::<Caller>()?.clone(),
            )))
        })
    })
    .description("当前用户 Who asks, and what the caller may see.")
}

fn viewer_type() -> Object {
    type Read = fn(&Caller) -> Option<String>;
    let field = |name: &str, description: &str, read: Read| {
        Field::new(name, TypeRef::named(TypeRef::STRING), move |ctx| {
            let caller = ctx.parent_value.try_downcast_ref::<Caller>();
            FieldFuture::Value(caller.ok().and_then(read).map(FieldValue::value))
        })
        .description(description)
    };
    Object::new("Viewer")
        .description("当前用户 The caller, as the token says.")
        .field(field("subject", "账号 The account.", |c| {
            Some(c.principal.subject.clone())
        }))
        .field(field("role", "角色 The role.", |c| {
            Some(c.principal.role.as_str().to_owned())
        }))
        .field(field(
            "divisionCode",
            "管辖范围 The division whose inside is visible.",
            |c| Some(c.principal.scope.division.to_string()),
        ))
        .field(field(
            "department",
            "部门 Set for a department's liaison.",
            |c| {
                c.principal
                    .scope
                    .department
                    .as_ref()
                    .map(ToString::to_string)
            },
        ))
}
