//! Types of messages and codes, each once however many fields have it.

use std::collections::BTreeMap;

use async_graphql::{
    Value,
    dynamic::{
        Enum, EnumItem, Field, FieldFuture, FieldValue, InputObject, InputValue, Interface,
        InterfaceField, Object, Scalar, Type, TypeRef,
    },
};
use prost_reflect::{EnumDescriptor, FieldDescriptor, MessageDescriptor, Value as Wire};

use super::{
    edge::{EDGES, Edge, Node},
    locale,
    name::{self, Kind, NODES},
    report,
    table::{UNSEEN, UNSET},
    value,
};
use crate::{contract, messages};

/// Types on their way into the schema. A name that is there is being built or was built.
#[derive(Default)]
pub struct Types {
    built: BTreeMap<String, Option<Type>>,
}

impl Types {
    /// Every type that was needed.
    pub fn finish(mut self) -> Vec<Type> {
        for (scalar, description) in [
            (
                "Date",
                "日期 A day of the county's calendar: \"2026-08-31\".",
            ),
            ("DateTime", "时刻 An instant (RFC 3339)."),
            (
                "DivisionCode",
                "12 位行政区划代码 A 12-digit division code.",
            ),
            (
                "Money",
                "金额(元) An amount in yuan with two decimals: \"3000.00\".",
            ),
            ("Long", "整数 A whole number of up to 64 bits."),
            (
                "UUID",
                "幂等键 A UUID that names this request; the same one gets the same answer.",
            ),
        ] {
            self.add(scalar, Scalar::new(scalar).description(description));
        }
        let node = Interface::new("Node")
            .description("有全局编号的对象 A thing with a global id.")
            .field(InterfaceField::new("id", TypeRef::named_nn(TypeRef::ID)));
        self.add("Node", node);
        self.built.into_values().flatten().collect()
    }

    /// Adds a type that is not of the contracts.
    pub fn add(&mut self, name: &str, built: impl Into<Type>) {
        self.built.insert(name.to_owned(), Some(built.into()));
    }

    /// Whether a type has to be built; marks it as being built.
    fn begin(&mut self, name: &str) -> bool {
        let new = !self.built.contains_key(name);
        if new {
            self.built.insert(name.to_owned(), None);
        }
        new
    }

    /// The type of a field in answers.
    pub fn output(&mut self, field: &FieldDescriptor) -> TypeRef {
        let kind = Kind::of(field);
        let name = self.output_name(&kind);
        match kind {
            _ if field.is_list() => TypeRef::named_nn_list_nn(name),
            Kind::Id(Some(_)) | Kind::Id(None) if field.name() == "id" => TypeRef::named_nn(name),
            Kind::Flag | Kind::Int | Kind::Long | Kind::Money => TypeRef::named_nn(name),
            _ => TypeRef::named(name),
        }
    }

    fn output_name(&mut self, kind: &Kind) -> String {
        match kind {
            Kind::Code(code) => self.code(code),
            Kind::Message(message) => self.object(message),
            scalar => scalar.type_name(false),
        }
    }

    /// The object type of a message.
    pub fn object(&mut self, message: &MessageDescriptor) -> String {
        let name = message.name().to_owned();
        if !self.begin(&name) {
            return name;
        }
        let mut object = Object::new(&name).described(comment_of(message));
        let unseen = |field: &FieldDescriptor| {
            UNSEEN
                .iter()
                .any(|(of, hidden)| *of == name && *hidden == field.name())
        };
        for field in message.fields().filter(|field| !unseen(field)) {
            object = object.field(self.field(&field));
        }
        for edge in EDGES.iter().filter(|edge| edge.of == name) {
            object = object.field(self.edge(edge));
        }
        if NODES.iter().any(|(node, _)| *node == name) {
            object = object.implement("Node");
        }
        if name == "Requirement" {
            object = object.field(requirement_message());
        }
        self.add(&name, object);
        name
    }

    /// A field of a message.
    pub fn field(&mut self, field: &FieldDescriptor) -> Field {
        let (type_ref, kind) = (self.output(field), Kind::of(field));
        let (descriptor, name) = (field.clone(), name::field(field.name()));
        Field::new(name, type_ref, move |ctx| {
            let node = ctx.parent_value.try_downcast_ref::<Node>().ok();
            FieldFuture::Value(node.and_then(|node| show(&descriptor, &kind, node)))
        })
        .described(contract::comment(&field.parent_file(), field.path()))
    }

    fn edge(&mut self, edge: &'static Edge) -> Field {
        let output = edge.method().output();
        let found = output
            .get_field_by_name(edge.response)
            .expect("the edge fits the contract");
        let name = self.output_name(&Kind::of(&found));
        let type_ref = match edge.many {
            true => TypeRef::named_nn_list(name),
            false => TypeRef::named(name),
        };
        Field::new(edge.name, type_ref, move |ctx| {
            let node = ctx.parent_value.try_downcast_ref::<Node>();
            let found = node.ok().and_then(|node| node.follow(edge.name));
            match found {
                Some(Ok(nodes)) if edge.many => FieldFuture::Value(Some(list(nodes.clone()))),
                Some(Ok(nodes)) => {
                    FieldFuture::Value(nodes.first().cloned().map(FieldValue::owned_any))
                }
                Some(Err(error)) => {
                    report(ctx.ctx, error);
                    FieldFuture::Value(None)
                }
                None => FieldFuture::Value(None),
            }
        })
        .described(contract::comment(
            &edge.method().parent_file(),
            edge.method().path(),
        ))
    }

    /// The enum type of a code list.
    fn code(&mut self, code: &EnumDescriptor) -> String {
        let name = code.name().to_owned();
        if self.begin(&name) {
            let file = code.parent_file();
            let mut list = Enum::new(&name).described(contract::comment(&file, code.path()));
            for value in code.values().filter(|value| value.number() != 0) {
                let own = name::value(&value);
                let comment = contract::comment(&file, value.path());
                list = list.item(EnumItem::new(own).described(comment));
            }
            self.add(&name, list);
        }
        name
    }

    /// The fields of a message as fields of an input; `left_out` are set otherwise.
    pub fn inputs(&mut self, message: &MessageDescriptor, left_out: &[&str]) -> Vec<InputValue> {
        let unset = UNSET.iter().find(|(of, _)| *of == message.name());
        let unset = unset.map_or(&[][..], |(_, unset)| unset);
        let fields = message.fields();
        let given = fields.filter(|f| !left_out.contains(&f.name()) && !unset.contains(&f.name()));
        given
            .collect::<Vec<_>>()
            .iter()
            .map(|field| self.input_value(field))
            .collect()
    }

    fn input_value(&mut self, field: &FieldDescriptor) -> InputValue {
        let kind = Kind::of(field);
        let name = match &kind {
            Kind::Code(code) => self.code(code),
            Kind::Message(message) => self.input(message),
            scalar => scalar.type_name(true),
        };
        let type_ref = match field.is_list() {
            true => TypeRef::named_nn_list(name),
            false => TypeRef::named(name),
        };
        InputValue::new(name::field(field.name()), type_ref)
            .described(contract::comment(&field.parent_file(), field.path()))
    }

    /// The input type of a message.
    fn input(&mut self, message: &MessageDescriptor) -> String {
        let name = format!("{}Input", message.name());
        if self.begin(&name) {
            let mut input = InputObject::new(&name).described(comment_of(message));
            for value in self.inputs(message, &[]) {
                input = input.field(value);
            }
            self.add(&name, input);
        }
        name
    }
}

/// Takes a description when there is one: an empty one would be printed.
trait Described {
    fn described(self, comment: String) -> Self;
}

macro_rules! described {
    ($($described:ty),*) => {$(
        impl Described for $described {
            fn described(self, comment: String) -> Self {
                if comment.is_empty() { self } else { self.description(comment) }
            }
        }
    )*};
}
described!(Enum, EnumItem, Field, InputObject, InputValue, Object);

/// A list of nodes.
pub fn list<'a>(nodes: Vec<Node>) -> FieldValue<'a> {
    FieldValue::list(nodes.into_iter().map(FieldValue::owned_any))
}

fn comment_of(message: &MessageDescriptor) -> String {
    contract::comment(&message.parent_file(), message.path())
}

/// The value of a field of a fetched message.
fn show<'a>(field: &FieldDescriptor, kind: &Kind, node: &Node) -> Option<FieldValue<'a>> {
    let message = &node.0.message;
    if field.supports_presence() && !message.has_field(field) {
        return None;
    }
    let wire = message.get_field(field);
    let one = |wire: &Wire| match (kind, wire) {
        (Kind::Message(_), Wire::Message(message)) => {
            Some(FieldValue::owned_any(Node::leaf(message.clone())))
        }
        _ => match value::output(kind, wire) {
            Value::Null => None,
            value => Some(FieldValue::value(value)),
        },
    };
    match &*wire {
        Wire::List(wires) => Some(FieldValue::list(wires.iter().filter_map(one))),
        // Present even when it is the contract's default.
        wire => one(wire),
    }
}

/// One sentence for a requirement, in the caller's language.
fn requirement_message() -> Field {
    Field::new("message", TypeRef::named_nn(TypeRef::STRING), |ctx| {
        let node = ctx.parent_value.try_downcast_ref::<Node>().ok();
        let text = |field: &str| {
            node.map(|n| value::text(&n.0.message, field))
                .unwrap_or_default()
        };
        let (code, needed, found) = (text("code"), text("needed"), text("found"));
        let sentence = messages::sentence(locale(ctx.ctx), &code, &needed, &found);
        FieldFuture::Value(Some(FieldValue::value(sentence)))
    })
    .description("一句话说明 One sentence in the caller's language.")
}
