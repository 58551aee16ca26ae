//! How things of the contracts are called in GraphQL, and what their values are.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, Kind as ProtoKind, MessageDescriptor,
};
use uuid::Uuid;

/// Things with a global id, and the RPC that gets them by it.
pub const NODES: [(&str, &str); 4] = [
    ("Household", "households.BatchGetHouseholds"),
    ("Case", "workflow.BatchGetCases"),
    ("Lead", "workflow.BatchGetLeads"),
    ("Alert", "comparison.BatchGetAlerts"),
];

/// How the first value of every enum of the contracts ends.
const UNSPECIFIED: &str = "UNSPECIFIED";

/// What a field holds.
#[derive(Debug, Clone)]
pub enum Kind {
    Text,
    /// Of a thing with a global id, or of any other.
    Id(Option<&'static str>),
    Date,
    DivisionCode,
    Money,
    Long,
    Int,
    Flag,
    DateTime(MessageDescriptor),
    Code(EnumDescriptor),
    Message(MessageDescriptor),
}

/// Days that are not called `…_on`.
const DATES: [&str; 13] = [
    "as_of",
    "valid_from",
    "valid_to",
    "effective_from",
    "from",
    "to",
    "data_date",
    "birth_date",
    "due_until",
    "window_from",
    "window_to",
    "above_line_since",
    "possible_from",
];

impl Kind {
    pub fn of(field: &FieldDescriptor) -> Self {
        match field.kind() {
            ProtoKind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                Self::DateTime(message)
            }
            ProtoKind::Message(message) => Self::Message(message),
            ProtoKind::Enum(code) => Self::Code(code),
            ProtoKind::Bool => Self::Flag,
            ProtoKind::Int32 => Self::Int,
            ProtoKind::Int64 if field.name().ends_with("_fen") => Self::Money,
            ProtoKind::Int64 => Self::Long,
            _ => Self::of_text(field),
        }
    }

    fn of_text(field: &FieldDescriptor) -> Self {
        let parent = field.parent_message();
        match field.name() {
            "household_id" | "household_ids" => Self::Id(Some("Household")),
            "case_id" | "case_ids" | "relapse_of" => Self::Id(Some("Case")),
            "lead_id" => Self::Id(Some("Lead")),
            "id" => Self::Id(
                NODES
                    .iter()
                    .map(|(node, _)| *node)
                    .find(|n| *n == parent.name()),
            ),
            "rule_id" | "template_id" => Self::Text,
            "division_code" | "parent_code" => Self::DivisionCode,
            "code" if parent.name() == "Division" => Self::DivisionCode,
            name if name.ends_with("_id") || name.ends_with("_ids") => Self::Id(None),
            name if name.ends_with("_on") || DATES.contains(&name) => Self::Date,
            _ => Self::Text,
        }
    }

    /// Name of the type in GraphQL; messages have two.
    pub fn type_name(&self, is_input: bool) -> String {
        match self {
            Self::Text => "String".to_owned(),
            Self::Id(_) => "ID".to_owned(),
            Self::Date => "Date".to_owned(),
            Self::DivisionCode => "DivisionCode".to_owned(),
            Self::Money => "Money".to_owned(),
            Self::Long => "Long".to_owned(),
            Self::Int => "Int".to_owned(),
            Self::Flag => "Boolean".to_owned(),
            Self::DateTime(_) => "DateTime".to_owned(),
            Self::Code(code) => code.name().to_owned(),
            Self::Message(message) if is_input => format!("{}Input", message.name()),
            Self::Message(message) => message.name().to_owned(),
        }
    }
}

/// Name of a field: `net_pc_fen` is `netPc`, in yuan.
pub fn field(name: &str) -> String {
    let bare = name.strip_suffix("_fen").unwrap_or(name);
    let mut words = bare.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

/// A path of the contract as callers know it, without the message that an input flattens.
pub fn path(contract: &str, flattened: &str) -> String {
    let own = contract
        .strip_prefix(flattened)
        .and_then(|rest| rest.strip_prefix('.'))
        .unwrap_or(contract);
    own.split('.').map(field).collect::<Vec<_>>().join(".")
}

/// What every value of an enum begins with: the unspecified one says nothing else.
pub fn prefix(code: &EnumDescriptor) -> String {
    let unspecified = code.default_value();
    unspecified.name().trim_end_matches(UNSPECIFIED).to_owned()
}

/// Name of a value, without what every one of its enum begins with.
pub fn value(value: &EnumValueDescriptor) -> &str {
    let unspecified = value.parent_enum().default_value();
    let prefix = unspecified.name().trim_end_matches(UNSPECIFIED).len();
    value.name().get(prefix..).unwrap_or_default()
}

/// A global id.
pub fn global_id(node: &str, id: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{node}:{id}"))
}

/// Kind and own id of a global id.
pub fn read_global_id(text: &str) -> Option<(&'static str, String)> {
    // A kind and a UUID are below.
    if text.len() > 100 {
        return None;
    }
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (node, id) = decoded.split_once(':')?;
    let node = NODES
        .iter()
        .map(|(known, _)| *known)
        .find(|known| *known == node)?;
    let id: Uuid = id.parse().ok()?;
    Some((node, id.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_camel_case_and_amounts_lose_their_unit() {
        assert_eq!(field("above_line_since"), "aboveLineSince");
        assert_eq!(field("amount_fen"), "amount");
        assert_eq!(
            path(
                "command.appraise.attendance.village_cadres",
                "command.appraise"
            ),
            "attendance.villageCadres"
        );
        assert_eq!(path("members[2].id_number", ""), "members[2].idNumber");
    }

    #[test]
    fn a_global_id_says_what_it_is_of() {
        let uuid = "01890000-0000-7000-8000-000000000001";
        let id = global_id("Case", uuid);
        assert_eq!(read_global_id(&id), Some(("Case", uuid.to_owned())));
        for bad in [
            "",
            "x",
            uuid,
            &global_id("Person", uuid),
            &global_id("Case", "1"),
        ] {
            assert_eq!(read_global_id(bad), None);
        }
    }
}
