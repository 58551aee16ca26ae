//! Mutation: one input, one payload. What the procedure refuses and what is wrong with fields is part
//! of the payload; everything else is an error.

use async_graphql::{
    Value,
    dynamic::{
        Field, FieldFuture, FieldValue, InputObject, InputValue, Object, ResolverContext, TypeRef,
    },
};
use chassis::error::{Error, FieldViolation, refusal_to_proto};
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, Kind as ProtoKind, MethodDescriptor, ReflectMessage, Value as Wire,
};

use super::{
    edge::{Fetch, Node},
    fetch, locale, name, report,
    table::{MUTATIONS, Mutation},
    types::{Types, list},
    value::{self, Reader},
};
use crate::{contract, messages};

/// Most bytes of a file's content in an input; larger files go to `PUT /files`.
const CONTENT_BYTES_MAX: usize = 60 * 1024;

pub fn build(types: &mut Types) -> Object {
    types.add("FieldViolation", violation());
    let mut mutation = Object::new("Mutation").description(
        "办理 What can be done. The same requestId gets the same answer and has its effect once.",
    );
    for row in &MUTATIONS {
        mutation = mutation.field(field(types, row));
    }
    mutation
}

fn field(types: &mut Types, row: &'static Mutation) -> Field {
    let method = contract::method(row.rpc);
    let input = input(types, row, &method);
    let payload = payload(types, row, &method);
    let resolved = method.clone();
    let comment = match flattened(&method, row.flattened) {
        Some((message, _)) if !row.streams => {
            contract::comment(&message.parent_file(), message.path())
        }
        _ => String::new(),
    };
    let comment = match comment.is_empty() {
        true => contract::comment(&method.parent_file(), method.path()),
        false => comment,
    };
    Field::new(row.name, TypeRef::named(payload), move |ctx| {
        let method = resolved.clone();
        FieldFuture::new(async move { resolve(&ctx, row, &method).await })
    })
    .description(comment)
    .argument(InputValue::new("input", TypeRef::named_nn(input)))
}

/// The message at a path of the request, and the fields on the way to it.
fn flattened(
    method: &MethodDescriptor,
    path: &str,
) -> Option<(
    prost_reflect::MessageDescriptor,
    Vec<prost_reflect::FieldDescriptor>,
)> {
    let (mut message, mut way) = (method.input(), Vec::new());
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let field = message.get_field_by_name(name)?;
        let ProtoKind::Message(next) = field.kind() else {
            return None;
        };
        way.push(field);
        message = next;
    }
    (!way.is_empty()).then_some((message, way))
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn input(types: &mut Types, row: &Mutation, method: &MethodDescriptor) -> String {
    let name = format!("{}Input", capitalised(row.name));
    let mut input = InputObject::new(&name)
        .description(format!("{} 的内容 What {} takes.", row.name, row.name))
        .field(
            InputValue::new("requestId", TypeRef::named_nn("UUID"))
                .description("幂等键 Names this request."),
        );
    let mut values = Vec::new();
    let top = row.flattened.split('.').next().unwrap_or_default();
    if !row.streams {
        // Of a choice only the flattened one can be taken.
        let choices: Vec<String> = method
            .input()
            .fields()
            .filter(|field| field.containing_oneof().is_some())
            .map(|field| field.name().to_owned())
            .collect();
        let mut left_out: Vec<&str> = choices.iter().map(String::as_str).collect();
        left_out.extend(["request_id", top]);
        values.extend(types.inputs(&method.input(), &left_out));
    }
    if let Some((message, _)) = flattened(method, row.flattened) {
        values.extend(types.inputs(&message, &["request_id"]));
    }
    for value in values {
        input = input.field(value);
    }
    if row.streams {
        input = input.field(
            InputValue::new("content", TypeRef::named_nn(TypeRef::STRING))
                .description("文件内容 The file's text, at most 60 KB; larger files: PUT /files."),
        );
    }
    types.add(&name, input);
    name
}

/// What came of a mutation.
enum Payload {
    Done(Vec<(String, Vec<Node>)>, DynamicMessage),
    Refused(Node),
    Invalid(Vec<FieldViolation>),
}

fn payload(types: &mut Types, row: &'static Mutation, method: &MethodDescriptor) -> String {
    let name = format!("{}Payload", capitalised(row.name));
    let mut payload =
        Object::new(&name).description(format!("{} 的结果 What came of {}.", row.name, row.name));
    for field in method.output().fields() {
        payload = payload.field(result(types, &field));
    }
    let refusal = method.parent_pool();
    let refusal = refusal
        .get_message_by_name("backstop.type.v1.Refusal")
        .expect("in the contract");
    let refusal = types.object(&refusal);
    payload = payload
        .field(
            Field::new("refusal", TypeRef::named(refusal), |ctx| {
                let payload = ctx.parent_value.try_downcast_ref::<Payload>();
                FieldFuture::Value(match payload {
                    Ok(Payload::Refused(refusal)) => Some(FieldValue::owned_any(refusal.clone())),
                    _ => None,
                })
            })
            .description("不予办理的原因 Every requirement that is not met; nothing was changed."),
        )
        .field(
            Field::new(
                "violations",
                TypeRef::named_nn_list_nn("FieldViolation"),
                |ctx| {
                    let payload = ctx.parent_value.try_downcast_ref::<Payload>();
                    let violations = match payload {
                        Ok(Payload::Invalid(violations)) => violations.clone(),
                        _ => Vec::new(),
                    };
                    let violations = violations.into_iter().map(FieldValue::owned_any);
                    FieldFuture::Value(Some(FieldValue::list(violations)))
                },
            )
            .description("填写有误的字段 Every field that is wrong; nothing was changed."),
        );
    types.add(&name, payload);
    name
}

/// A field of the response, absent when nothing was done.
fn result(types: &mut Types, field: &prost_reflect::FieldDescriptor) -> Field {
    let own = name::field(field.name());
    let description = contract::comment(&field.parent_file(), field.path());
    let descriptor = field.clone();
    match field.kind() {
        ProtoKind::Message(message) => {
            let type_name = types.object(&message);
            let type_ref = match field.is_list() {
                true => TypeRef::named_nn_list(type_name),
                false => TypeRef::named(type_name),
            };
            Field::new(own, type_ref, move |ctx| {
                let payload = ctx.parent_value.try_downcast_ref::<Payload>();
                let Ok(Payload::Done(nodes, _)) = payload else {
                    return FieldFuture::Value(None);
                };
                let found = nodes.iter().find(|(name, _)| name == descriptor.name());
                let found = found.map(|(_, nodes)| nodes.clone()).unwrap_or_default();
                FieldFuture::Value(match descriptor.is_list() {
                    true => Some(list(found)),
                    false => found.into_iter().next().map(FieldValue::owned_any),
                })
            })
            .description(description)
        }
        _ => {
            let kind = name::Kind::of(field);
            let type_ref = match field.is_list() {
                true => TypeRef::named_nn_list(kind.type_name(false)),
                false => TypeRef::named(kind.type_name(false)),
            };
            Field::new(own, type_ref, move |ctx| {
                let payload = ctx.parent_value.try_downcast_ref::<Payload>();
                let Ok(Payload::Done(_, answer)) = payload else {
                    return FieldFuture::Value(None);
                };
                let shown = |wire: &Wire| value::output(&kind, wire);
                let value = match &*answer.get_field(&descriptor) {
                    Wire::List(wires) => Value::List(wires.iter().map(shown).collect()),
                    wire => shown(wire),
                };
                FieldFuture::Value(Some(FieldValue::value(value)))
            })
            .description(description)
        }
    }
}

fn violation() -> Object {
    type Read = fn(&FieldViolation) -> &String;
    let field = |name: &str, description: &str, read: Read| {
        Field::new(name, TypeRef::named_nn(TypeRef::STRING), move |ctx| {
            let violation = ctx.parent_value.try_downcast_ref::<FieldViolation>();
            FieldFuture::Value(violation.ok().map(|v| FieldValue::value(read(v).clone())))
        })
        .description(description)
    };
    Object::new("FieldViolation")
        .description("填写有误的字段 A field that is wrong.")
        .field(field("field", "字段路径 Path in the input.", |v| {
            &v.field
        }))
        .field(field("code", "代码 Stable name of the fault.", |v| {
            &v.code
        }))
        .field(field("expected", "应填内容 What was expected.", |v| {
            &v.expected
        }))
        .field(
            Field::new("message", TypeRef::named_nn(TypeRef::STRING), |ctx| {
                let violation = ctx.parent_value.try_downcast_ref::<FieldViolation>().ok();
                let message =
                    violation.map(|v| messages::violation(locale(ctx.ctx), &v.code, &v.expected));
                FieldFuture::Value(message.map(FieldValue::value))
            })
            .description("一句话说明 One sentence in the caller's language."),
        )
}

async fn resolve<'a>(
    ctx: &ResolverContext<'a>,
    row: &Mutation,
    method: &MethodDescriptor,
) -> async_graphql::Result<Option<FieldValue<'a>>> {
    let fetch = fetch(ctx.ctx)?;
    let input = ctx.args.try_get("input")?.as_value().clone();
    let payload = match act(ctx, &fetch, row, method, &input).await {
        Ok(payload) => payload,
        Err(Error::Refused(refusal)) => {
            let pool = method.parent_pool();
            let descriptor = pool.get_message_by_name("backstop.type.v1.Refusal");
            let bytes = refusal_to_proto(&refusal).encode_to_vec();
            let refusal = descriptor.and_then(|d| DynamicMessage::decode(d, &bytes[..]).ok());
            let refusal = refusal.expect("the contract has refusals");
            Payload::Refused(Node::leaf(refusal))
        }
        Err(error) => match in_own_words(error, row.flattened) {
            Error::Invalid(violations) => Payload::Invalid(violations),
            error => {
                report(ctx.ctx, &error);
                return Ok(None);
            }
        },
    };
    Ok(Some(FieldValue::owned_any(payload)))
}

/// An error with the names that fields have here.
pub fn in_own_words(error: Error, flattened: &str) -> Error {
    let Error::Invalid(violations) = error else {
        return error;
    };
    let own = |violation: FieldViolation| FieldViolation {
        field: name::path(&violation.field, flattened),
        ..violation
    };
    Error::Invalid(violations.into_iter().map(own).collect())
}

async fn act(
    ctx: &ResolverContext<'_>,
    fetch: &Fetch,
    row: &Mutation,
    method: &MethodDescriptor,
    input: &Value,
) -> Result<Payload, Error> {
    let text = |name: &str| match input {
        Value::Object(input) => match input.get(name) {
            Some(Value::String(text)) => text.clone(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let mut reader = Reader::default();
    let mut answer = if row.streams {
        let header = file_header(method, input, &mut reader, &text("requestId"));
        reader.finish()?;
        let content = text("content").into_bytes();
        if content.len() > CONTENT_BYTES_MAX {
            let expected = "at most 60 KB; larger files: PUT /files";
            return Err(Error::invalid("content", "TOO_LONG", expected));
        }
        let chunk = value::with(&method.input(), "chunk", Wire::Bytes(content.into()));
        let messages = futures::stream::iter([Ok(header), Ok(chunk)]);
        fetch.peers.upload(&fetch.caller, method, messages).await?
    } else {
        let request = request(method, row, input, &mut reader, &text("requestId"));
        reader.finish()?;
        fetch.peers.call(&fetch.caller, method, request).await?
    };
    let look = ctx.ctx.look_ahead();
    let mut nodes = Vec::new();
    for field in answer.descriptor().fields() {
        if matches!(field.kind(), ProtoKind::Message(_)) {
            let below = look.field(&name::field(field.name()));
            let found = value::take_messages(&mut answer, field.name());
            let found = match below.exists() {
                true => fetch.complete(found, below).await,
                false => Vec::new(),
            };
            nodes.push((field.name().to_owned(), found));
        }
    }
    Ok(Payload::Done(nodes, answer))
}

/// The message that an input makes.
fn request(
    method: &MethodDescriptor,
    row: &Mutation,
    input: &Value,
    reader: &mut Reader,
    request_id: &str,
) -> DynamicMessage {
    let mut request = DynamicMessage::new(method.input());
    reader.fill(&mut request, input, "");
    if let Some((message, way)) = flattened(method, row.flattened) {
        let mut inner = DynamicMessage::new(message);
        // What stands in both, such as the case's id, has been read already.
        let known = reader.violations.len();
        reader.fill(&mut inner, input, "");
        let first: Vec<String> = reader.violations[..known]
            .iter()
            .map(|v| v.field.clone())
            .collect();
        let mut at = 0;
        reader.violations.retain(|violation| {
            at += 1;
            at <= known || !first.contains(&violation.field)
        });
        for field in way.iter().rev() {
            let mut outer = DynamicMessage::new(field.parent_message().clone());
            outer.set_field(field, Wire::Message(inner));
            inner = outer;
        }
        // The way begins in the request itself.
        if let Some(top) = way.first() {
            let value = inner.get_field(top).into_owned();
            request.set_field(top, value);
        }
    }
    if method.input().get_field_by_name("request_id").is_some() {
        request.set_field_by_name("request_id", Wire::String(request_id.to_owned()));
    }
    request
}

/// The first message of a stream of a file.
pub fn file_header(
    method: &MethodDescriptor,
    input: &Value,
    reader: &mut Reader,
    request_id: &str,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(method.input());
    if let Some(ProtoKind::Message(descriptor)) = method
        .input()
        .get_field_by_name("header")
        .map(|field| field.kind())
    {
        let mut header = DynamicMessage::new(descriptor);
        reader.fill(&mut header, input, "");
        header.set_field_by_name("request_id", Wire::String(request_id.to_owned()));
        message.set_field_by_name("header", Wire::Message(header));
    }
    message
}
