//! Values between the contracts and GraphQL.

use async_graphql::{Name, Value};
use chassis::error::{Error, FieldViolation};
use chrono::DateTime;
use kernel::Money;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage, Value as Wire,
};

use super::name::{self, Kind};

/// A scalar or code of a message as GraphQL has it. An empty text and an unspecified code are null.
pub fn output(kind: &Kind, wire: &Wire) -> Value {
    match (kind, wire) {
        (Kind::Id(Some(node)), Wire::String(id)) if !id.is_empty() => {
            Value::String(name::global_id(node, id))
        }
        (Kind::Money, Wire::I64(fen)) => Value::String(Money::from_fen(*fen).to_string()),
        (Kind::DateTime(_), Wire::Message(at)) => instant(at),
        (Kind::Code(code), Wire::EnumNumber(number)) if *number != 0 => {
            let value = code.get_value(*number);
            value.map_or(Value::Null, |value| {
                Value::Enum(Name::new(name::value(&value)))
            })
        }
        (_, Wire::String(text)) if !text.is_empty() => Value::String(text.clone()),
        (_, Wire::I64(number)) => Value::from(*number),
        (_, Wire::I32(number)) => Value::from(*number),
        (_, Wire::Bool(is)) => Value::Boolean(*is),
        _ => Value::Null,
    }
}

fn instant(at: &DynamicMessage) -> Value {
    let number = |field: &str| match at.get_field_by_name(field).as_deref() {
        Some(Wire::I64(number)) => *number,
        Some(Wire::I32(number)) => i64::from(*number),
        _ => 0,
    };
    let nanos = u32::try_from(number("nanos")).unwrap_or(0);
    DateTime::from_timestamp(number("seconds"), nanos)
        .map_or(Value::Null, |at| Value::String(at.to_rfc3339()))
}

/// Reads inputs into messages and notes what is wrong with them, by their path in GraphQL.
#[derive(Debug, Default)]
pub struct Reader {
    pub violations: Vec<FieldViolation>,
}

impl Reader {
    fn wrong(&mut self, path: &str, code: &str, expected: &str) {
        self.violations.push(FieldViolation {
            field: path.to_owned(),
            code: code.to_owned(),
            expected: expected.to_owned(),
        });
    }

    /// Whether everything could be read.
    pub fn finish(self) -> Result<(), Error> {
        if self.violations.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.violations))
        }
    }

    /// Sets the fields of `message` that `input` has.
    pub fn fill(&mut self, message: &mut DynamicMessage, input: &Value, path: &str) {
        let Value::Object(input) = input else { return };
        for field in message.descriptor().fields().collect::<Vec<_>>() {
            let own = name::field(field.name());
            if let Some(value) = input.get(&*own).filter(|value| **value != Value::Null) {
                let path = if path.is_empty() {
                    own
                } else {
                    format!("{path}.{own}")
                };
                if let Some(wire) = self.field(&field, value, &path) {
                    message.set_field(&field, wire);
                }
            }
        }
    }

    fn field(&mut self, field: &FieldDescriptor, value: &Value, path: &str) -> Option<Wire> {
        let kind = Kind::of(field);
        if !field.is_list() {
            return self.one(&kind, value, path);
        }
        let one = [value.clone()];
        let values = match value {
            Value::List(values) => &values[..],
            _ => &one[..],
        };
        let wires = values.iter().enumerate();
        let wires: Vec<Option<Wire>> = wires
            .map(|(at, value)| self.one(&kind, value, &format!("{path}[{at}]")))
            .collect();
        wires
            .into_iter()
            .collect::<Option<Vec<Wire>>>()
            .map(Wire::List)
    }

    fn one(&mut self, kind: &Kind, value: &Value, path: &str) -> Option<Wire> {
        let text = match value {
            Value::String(text) => text.as_str(),
            Value::Enum(code) => code.as_str(),
            _ => "",
        };
        match kind {
            Kind::Message(descriptor) => {
                let mut message = DynamicMessage::new(descriptor.clone());
                self.fill(&mut message, value, path);
                Some(Wire::Message(message))
            }
            Kind::Id(Some(node)) => match name::read_global_id(text) {
                Some((found, id)) if found == *node => Some(Wire::String(id)),
                Some(_) => {
                    self.wrong(path, "NODE_ID", &format!("the id of a {node}"));
                    None
                }
                None => {
                    self.wrong(path, "MALFORMED", &format!("the id of a {node}"));
                    None
                }
            },
            Kind::Money => {
                let amount = text.parse::<Money>();
                if amount.is_err() {
                    self.wrong(path, "AMOUNT", "an amount in yuan such as \"3000.00\"");
                }
                amount.ok().map(|amount| Wire::I64(amount.fen()))
            }
            Kind::Code(code) => {
                let full = format!("{}{text}", name::prefix(code));
                let found = code.get_value_by_name(&full);
                if found.is_none() {
                    self.wrong(path, "UNKNOWN_CODE", &format!("a {}", code.name()));
                }
                found.map(|value| Wire::EnumNumber(value.number()))
            }
            Kind::Long | Kind::Int => {
                let number = match value {
                    Value::Number(number) => number.as_i64(),
                    _ => None,
                };
                let wire = number.and_then(|number| match kind {
                    Kind::Long => Some(Wire::I64(number)),
                    _ => i32::try_from(number).ok().map(Wire::I32),
                });
                if wire.is_none() {
                    self.wrong(path, "MALFORMED", "a whole number");
                }
                wire
            }
            Kind::Flag => Some(Wire::Bool(*value == Value::Boolean(true))),
            Kind::Text | Kind::Id(None) | Kind::Date | Kind::DivisionCode => {
                Some(Wire::String(text.to_owned()))
            }
            Kind::DateTime(descriptor) => {
                let instant = DateTime::parse_from_rfc3339(text);
                if instant.is_err() {
                    let expected = "an instant such as 2026-08-31T09:30:00+08:00";
                    self.wrong(path, "INSTANT", expected);
                }
                let instant = instant.ok()?;
                let mut message = DynamicMessage::new(descriptor.clone());
                message.set_field_by_name("seconds", Wire::I64(instant.timestamp()));
                let nanos = instant.timestamp_subsec_nanos().cast_signed();
                message.set_field_by_name("nanos", Wire::I32(nanos));
                Some(Wire::Message(message))
            }
        }
    }
}

/// A message with everything in it, as GraphQL names it.
pub fn tree(message: &DynamicMessage) -> Value {
    let fields = message.descriptor().fields().collect::<Vec<_>>();
    let values = fields.iter().map(|field| {
        let kind = Kind::of(field);
        let one = |wire: &Wire| match (&kind, wire) {
            (Kind::Message(_), Wire::Message(inner)) => tree(inner),
            _ => output(&kind, wire),
        };
        let value = match &*message.get_field(field) {
            Wire::List(many) => Value::List(many.iter().map(one).collect()),
            wire => one(wire),
        };
        (Name::new(name::field(field.name())), value)
    });
    Value::Object(values.collect())
}

/// A message with one field set, e.g. `ids`.
pub fn with(descriptor: &MessageDescriptor, field: &str, value: Wire) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    message.set_field_by_name(field, value);
    message
}

/// The text of a field.
pub fn text(message: &DynamicMessage, field: &str) -> String {
    match message.get_field_by_name(field).as_deref() {
        Some(Wire::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// The messages of a field, one or many, taken out of it: a page of them is not copied.
pub fn take_messages(message: &mut DynamicMessage, field: &str) -> Vec<DynamicMessage> {
    let one = |wire| match wire {
        Wire::Message(message) => Some(message),
        _ => None,
    };
    match message.take_field_by_name(field) {
        Some(Wire::List(many)) => many.into_iter().filter_map(one).collect(),
        Some(wire) => one(wire).into_iter().collect(),
        None => Vec::new(),
    }
}
