//! The household's answer to a hit (CMP-6).

use chassis::{auth::Caller, decode::Fields, error::Error, pg::Claim};
use proto::comparison::v1::{AnswerHitRequest, AnswerHitResponse};
use uuid::Uuid;

use super::{Service, hit};
use crate::{convert, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: AnswerHitRequest,
) -> Result<AnswerHitResponse, Error> {
    let mut f = Fields::new();
    let id: Option<Uuid> = f.parse("hit_id", &request.hit_id);
    let explanation = f.text("explanation", &request.explanation, 1000);
    let evidence = match request.evidence_sha256.as_str() {
        "" => Some(String::new()),
        sha256 => f.sha256("evidence_sha256", sha256),
    };
    let decoded = (|| Some((id?, explanation?, evidence?)))();
    let (id, explanation, explanation_sha256) = f.finish_with(decoded)?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim("AnswerHit", &request_id, &request).await? {
        return Ok(response);
    }
    let (comparison, mut hit) = hit::lock(&mut tx, id).await?;
    hit.explanation = explanation;
    hit.explanation_sha256 = explanation_sha256;
    store::hit::update(&mut tx, &hit).await?;
    let response = AnswerHitResponse {
        hit: Some(convert::hit(&hit)),
        household_id: comparison.household.to_string(),
        division_code: comparison.division.to_string(),
    };
    tx.remember(&response).await?;
    tx.commit().await?;
    Ok(response)
}
