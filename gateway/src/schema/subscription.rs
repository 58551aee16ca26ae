//! Subscription: what comes while one watches.

use async_graphql::dynamic::{
    FieldValue, Subscription, SubscriptionField, SubscriptionFieldFuture, TypeRef,
};
use chassis::error::Error;
use futures::StreamExt as _;
use prost_reflect::DynamicMessage;

use super::{
    fetch, locale, problem as shown, request as request_id,
    types::Types,
    value::{self, Reader},
};
use crate::{contract, problem};

const ALERTS: &str = "comparison.SubscribeAlerts";

pub fn build(types: &mut Types) -> Subscription {
    let method = contract::method(ALERTS);
    let alert = contract::method("comparison.ListAlerts")
        .output()
        .get_field_by_name("alerts");
    let alert = match alert.map(|field| field.kind()) {
        Some(prost_reflect::Kind::Message(alert)) => types.object(&alert),
        _ => panic!("alerts are messages"),
    };
    let mut field = SubscriptionField::new("alerts", TypeRef::named_nn(alert), |ctx| {
        SubscriptionFieldFuture::new(async move {
            let method = contract::method(ALERTS);
            let (fetch, mut reader) = (fetch(ctx.ctx)?, Reader::default());
            let mut request = DynamicMessage::new(method.input());
            let given = ctx.args.iter();
            let given = given.map(|(name, value)| (name.clone(), value.as_value().clone()));
            reader.fill(
                &mut request,
                &async_graphql::Value::Object(given.collect()),
                "",
            );
            reader.finish().map_err(|error| shown(ctx.ctx, &error))?;
            let alerts = fetch.peers.subscribe(&fetch.caller, &method, request).await;
            let alerts = alerts.map_err(|error| shown(ctx.ctx, &error))?;
            let (locale, id) = (locale(ctx.ctx), request_id(ctx.ctx));
            Ok(alerts.filter_map(move |sent| {
                let (fetch, id, ctx) = (fetch.clone(), id.clone(), ctx.ctx);
                async move {
                    let mut sent = match sent {
                        Ok(sent) => sent,
                        Err(status) => {
                            let error = Error::from_status(&status);
                            return Some(Err(problem::graphql(locale, &id, &error)));
                        }
                    };
                    // A heartbeat keeps the connection; it is no alert.
                    let alert = value::take_messages(&mut sent, "alert");
                    let alert = fetch.complete(alert, ctx.look_ahead()).await;
                    alert.into_iter().next().map(FieldValue::owned_any).map(Ok)
                }
            }))
        })
    })
    .description(contract::comment(&method.parent_file(), method.path()));
    for argument in types.inputs(&method.input(), &[]) {
        field = field.argument(argument);
    }
    Subscription::new("Subscription")
        .description("订阅 What comes while one watches.")
        .field(field)
}
