//! The format as a JSON Schema, derived from the types and committed beside the crate.

use kernel::{Category, Code};
use schemars::{Schema, SchemaGenerator, json_schema};

use super::Template;

fn texts<C: Code>() -> Vec<&'static str> {
    C::ALL.iter().map(|code| code.as_str()).collect()
}

pub fn code<C: Code>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": texts::<C>() })
}

pub fn codes<C: Code>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "string", "enum": texts::<C>() }
    })
}

pub fn category_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "enum": texts::<Category>() },
        "additionalProperties": { "type": "string" }
    })
}

/// `BACKSTOP_UPDATE=1` writes the file.
#[test]
fn the_committed_schema_is_the_formats() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/template.schema.json");
    let schema = schemars::schema_for!(Template);
    let expected = serde_json::to_string_pretty(&schema).expect("a schema") + "\n";
    if std::env::var_os("BACKSTOP_UPDATE").is_some() {
        std::fs::write(path, &expected).expect("written");
    }
    let committed = std::fs::read_to_string(path).expect("the committed schema");
    assert_eq!(committed, expected, "run the test with BACKSTOP_UPDATE=1");
}
