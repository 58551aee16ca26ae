//! Records findings on guarantees and water (S07).

use chassis::{
    auth::Caller,
    decode::{Fields, codes},
    error::Error,
};
use chrono::NaiveDate;
use households_core::{assessment::assess, change, guarantee::Finding};
use kernel::{Code, Guarantee, HouseholdId};
use proto::households::v1::{RecordGuaranteesRequest, RecordGuaranteesResponse};

use super::{Service, edit::Begun};
use crate::{convert, read::LINE_CHARS_MAX, store};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: RecordGuaranteesRequest,
) -> Result<RecordGuaranteesResponse, Error> {
    let today = service.database.clock().today();
    let (id, findings) = decode(&request, today)?;
    let request_id = std::mem::take(&mut request.request_id);
    let edit = service
        .edit(caller, "RecordGuarantees", &request_id, &request)
        .await?;
    let mut edit = match edit {
        Begun::Fresh(edit) => edit,
        Begun::Replayed(response) => return Ok(response),
    };
    let mut household = store::household::lock(&mut edit.tx, &service.sealer, id).await?;
    let known = store::finding::list(&mut edit.tx, &[id])
        .await?
        .remove(&id)
        .unwrap_or_default();
    let (mut changes, mut new) = (Vec::new(), Vec::new());
    for finding in findings {
        if !known.contains(&finding) {
            let before = known
                .iter()
                .rfind(|before| before.guarantee == finding.guarantee);
            changes.push(change::of_finding(before, &finding));
            new.push((id, household.profile.division, finding));
        }
    }
    store::finding::put(&mut edit.tx, &new).await?;
    edit.store(&mut household, changes).await?;
    let subjects = store::subject::load(&mut edit.tx, &[id], today).await?;
    let assessment = subjects.first().map(|(_, subject)| assess(subject, today));
    let response = RecordGuaranteesResponse {
        assessment: assessment.map(|assessment| convert::assessment(id, &assessment)),
    };
    edit.finish(response).await
}

fn decode(
    request: &RecordGuaranteesRequest,
    today: NaiveDate,
) -> Result<(HouseholdId, Vec<Finding>), Error> {
    let mut f = Fields::new();
    let household = f.parse("household_id", &request.household_id);
    let most = Guarantee::ALL.len();
    f.at_most("findings", request.findings.len(), most);
    if request.findings.is_empty() {
        f.violation("findings", "REQUIRED", "at least one finding");
    }
    let mut findings: Vec<Finding> = Vec::new();
    for (at, given) in request.findings.iter().take(most).enumerate() {
        f.within(format_args!("findings[{at}]"), |f| {
            let guarantee = f.code("guarantee", codes::guarantee(given.guarantee));
            if findings
                .iter()
                .any(|known| Some(known.guarantee) == guarantee)
            {
                f.violation("guarantee", "DUPLICATE", "every guarantee once");
            }
            let status = f.code("status", codes::guarantee_status(given.status));
            let checked_on = f.past_date("checked_on", &given.checked_on, today);
            let remark = f.text_optional("remark", &given.remark, LINE_CHARS_MAX);
            let finding = (|| {
                Some(Finding {
                    guarantee: guarantee?,
                    status: status?,
                    checked_on: checked_on?,
                    remark: remark?,
                })
            })();
            findings.extend(finding);
        });
    }
    f.finish_with(household.map(|household| (household, findings)))
}
