//! The procedure templates that there are.

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::workflow::v1::{self as wire, ListTemplatesRequest, ListTemplatesResponse};

use super::Service;
use crate::{
    convert::day,
    store::template::{self, Listed},
};

/// Longest id of a template.
const ID_CHARS_MAX: usize = 40;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: ListTemplatesRequest,
) -> Result<ListTemplatesResponse, Error> {
    let mut f = Fields::new();
    let id = f.text_optional("template_id", &request.template_id, ID_CHARS_MAX);
    let id = f.finish_with(id)?;
    let mut tx = service.database.read(caller).await?;
    let templates = template::list(&mut tx, &id).await?;
    Ok(ListTemplatesResponse {
        templates: templates.iter().map(encode).collect(),
    })
}

/// A template on the wire.
pub fn encode(listed: &Listed) -> wire::Template {
    let template = &listed.template;
    wire::Template {
        template_id: template.id.clone(),
        version: template.version,
        title: template.title.clone(),
        basis: template.basis.clone(),
        valid_from: template.valid_from.to_string(),
        valid_until: day(template.valid_until),
        division_code: listed.division.to_string(),
        shipped: listed.is_shipped,
        is_default: listed.is_default,
        json: template.to_json(),
    }
}
