//! What a public notice may say of households: a masked name and the village group (PUB-4). No name
//! in full leaves the registry for a notice.

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::MaskedName;
use proto::households::v1::{
    BatchGetNoticeSubjectsRequest, BatchGetNoticeSubjectsResponse, NoticeSubject,
};

use super::Service;
use crate::{
    read,
    store::household::{self, Household},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: BatchGetNoticeSubjectsRequest,
) -> Result<BatchGetNoticeSubjectsResponse, Error> {
    let mut f = Fields::new();
    let ids = read::household_ids(&mut f, "household_ids", &request.household_ids);
    let ids = f.finish_with(ids)?;
    let mut tx = service.database.read(caller).await?;
    let households = household::lookup(&mut tx, &service.sealer, &ids).await?;
    Ok(BatchGetNoticeSubjectsResponse {
        subjects: households.iter().map(subject).collect(),
    })
}

fn subject(household: &Household) -> NoticeSubject {
    NoticeSubject {
        household_id: household.id.to_string(),
        masked_name: MaskedName::of(&household.head_name).to_string(),
        group_number: i32::try_from(household.profile.group_number).unwrap_or_default(),
    }
}
