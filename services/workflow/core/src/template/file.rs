//! Reads a template's JSON, and says where it is wrong.

use super::Template;

/// Longest text that is looked at; a template of twice the national procedure's length has a third.
const BYTES_MAX: usize = 200_000;

/// Something wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, e.g. `steps[3].roles`.
    pub path: String,
    /// What, e.g. `SKIPS_COMPARISON`.
    pub code: &'static str,
    /// What was expected.
    pub expected: String,
}

impl Fault {
    pub(super) fn new(
        path: impl Into<String>,
        code: &'static str,
        expected: impl ToString,
    ) -> Self {
        Self {
            path: path.into(),
            code,
            expected: expected.to_string(),
        }
    }
}

pub(super) fn parse(json: &str) -> Result<Template, Vec<Fault>> {
    if json.len() > BYTES_MAX {
        let expected = format!("at most {BYTES_MAX} bytes");
        return Err(vec![Fault::new("", "TOO_LONG", expected)]);
    }
    let mut reader = serde_json::Deserializer::from_str(json);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = match error.path().to_string() {
            nowhere if nowhere == "." || nowhere == "?" => String::new(),
            path => path,
        };
        (path, error.into_inner().to_string())
    });
    let read = read.and_then(|template| {
        let end = reader.end().map_err(|error| error.to_string());
        end.map(|()| template)
            .map_err(|error| (String::new(), error))
    });
    read.map_err(|(path, error)| vec![Fault::new(path, "MALFORMED", error)])
}
