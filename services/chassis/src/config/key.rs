//! Which keys a configuration has: read off its type, so that what is documented, accepted, hidden and
//! printed cannot differ from what is used.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

/// A part of a path that may have any name.
pub(super) const ANY: &str = "<name>";

/// A key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its names from the outermost section on; `<name>` stands for any.
    pub path: Vec<String>,
    /// What its values are.
    pub kind: Kind,
    /// Whether a process does not start without it.
    pub required: bool,
    /// What holds when it is not given.
    pub default: Option<Value>,
    /// Whether it is never shown, and may stand in a file of its own.
    pub secret: bool,
    /// What it is for.
    pub description: String,
}

/// What the values of a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// Texts; separated by commas where they come as one.
    List,
}

impl Key {
    /// `process.database.url`.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.join(".")
    }

    /// `BACKSTOP__PROCESS__DATABASE__URL`.
    #[must_use]
    pub fn variable(&self) -> String {
        let parts = self.path.iter().map(|part| match part.as_str() {
            ANY => part.clone(),
            part => part.to_uppercase(),
        });
        parts.fold("BACKSTOP".to_owned(), |name, part| name + "__" + &part)
    }

    pub(super) fn matches(&self, path: &[String]) -> bool {
        let same = |(own, given): (&String, &String)| own == ANY || own == given;
        self.path.len() == path.len() && self.path.iter().zip(path).all(same)
    }
}

/// The keys of `T`, sorted by name.
#[must_use]
pub fn keys<T: JsonSchema>() -> Vec<Key> {
    let settings = SchemaSettings::default().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut keys = Vec::new();
    walk(schema.as_value(), &mut Vec::new(), true, &mut keys);
    keys.sort_by_key(Key::name);
    keys
}

fn walk(schema: &Value, path: &mut Vec<String>, required: bool, keys: &mut Vec<Key>) {
    if let Some(properties) = schema["properties"].as_object() {
        let needed = |name: &str| {
            let names = schema["required"].as_array();
            names.is_some_and(|names| names.iter().any(|one| one == name))
        };
        for (name, inner) in properties {
            path.push(name.clone());
            walk(inner, path, required && needed(name), keys);
            path.pop();
        }
        return;
    }
    // A section that may be left out is that or null.
    let either = schema["anyOf"].as_array();
    let section = either.and_then(|of| of.iter().find(|one| one["properties"].is_object()));
    if let Some(section) = section {
        walk(section, path, false, keys);
        return;
    }
    if schema["additionalProperties"].is_object() {
        let first = keys.len();
        path.push(ANY.to_owned());
        walk(&schema["additionalProperties"], path, required, keys);
        path.pop();
        // What stands in a map is explained where the map is.
        for key in &mut keys[first..] {
            if key.description.is_empty() {
                key.description = description(schema);
            }
        }
        return;
    }
    keys.push(Key {
        path: path.clone(),
        kind: kind(&schema["type"]),
        required,
        default: schema.get("default").filter(|d| !d.is_null()).cloned(),
        secret: schema["writeOnly"] == true,
        description: description(schema),
    });
}

fn kind(of: &Value) -> Kind {
    // An optional value's type is a list: itself, and null.
    let of = match of {
        Value::Array(of) => of.first().unwrap_or(&Value::Null),
        of => of,
    };
    match of.as_str() {
        Some("integer") => Kind::Number,
        Some("boolean") => Kind::Flag,
        Some("array") => Kind::List,
        _ => Kind::Text,
    }
}

fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
