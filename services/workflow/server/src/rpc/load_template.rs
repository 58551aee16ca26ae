//! Loads a procedure template (WF-1).

use chassis::{
    auth::Caller,
    clock::timestamp,
    decode::Fields,
    error::Error,
    feed::Item,
    pg::{Claim, Tx},
};
use kernel::DivisionCode;
use prost::Message;
use proto::workflow::v1::{LoadTemplateRequest, LoadTemplateResponse, TemplateEvent};
use workflow_core::{SHIPPED, Template};

use super::{Service, list_templates::encode};
use crate::store::template;

const OPERATION: &str = "LoadTemplate";

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: LoadTemplateRequest,
) -> Result<LoadTemplateResponse, Error> {
    let template = decode(&request)?;
    let own = caller.principal.scope.division;
    let division = template.division.unwrap_or(own);
    if !caller.principal.scope.sees(&division, None) {
        return Err(Error::NotFound { what: "division" });
    }
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim(OPERATION, &request_id, &request).await? {
        return Ok(response);
    }
    let id = service.database.clock().new_id();
    let response = load(&mut tx, id, &template, &request, division).await?;
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}

fn decode(request: &LoadTemplateRequest) -> Result<Template, Error> {
    let read = Template::read(&request.json);
    let mut f = Fields::new();
    let template = read.map_err(|faults| {
        for fault in faults {
            let dot = if fault.path.is_empty() { "" } else { "." };
            let field = format!("json{dot}{}", fault.path);
            f.violation(&field, fault.code, fault.expected);
        }
    });
    let template = template.ok();
    if let Some(template) = &template {
        let same =
            |t: &&std::sync::Arc<Template>| (&t.id, t.version) == (&template.id, template.version);
        if SHIPPED.iter().any(|t| same(&t)) {
            f.violation("json.version", "VERSION_TAKEN", template.version + 1);
        }
    }
    f.finish_with(template)
}

async fn load(
    tx: &mut Tx,
    id: uuid::Uuid,
    template: &Template,
    request: &LoadTemplateRequest,
    division: DivisionCode,
) -> Result<LoadTemplateResponse, Error> {
    let is_new =
        template::insert(tx, template, &request.json, &division, request.make_default).await?;
    if !is_new {
        let expected = (template.version + 1).to_string();
        return Err(Error::invalid("json.version", "VERSION_TAKEN", &expected));
    }
    let loaded = encode(&template::Listed {
        template: template.clone().into(),
        division,
        is_shipped: false,
        is_default: request.make_default,
    });
    let event = TemplateEvent {
        template: Some(loaded.clone()),
        actor: tx.principal().subject.clone(),
        at: Some(timestamp(tx.now())),
    };
    tx.publish(Item {
        kind: "template.loaded".to_owned(),
        subject: id,
        division,
        department: None,
        payload: event.encode_to_vec(),
    });
    Ok(LoadTemplateResponse {
        template: Some(loaded),
    })
}
