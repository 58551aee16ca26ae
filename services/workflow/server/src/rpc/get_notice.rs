//! The public notice of a village, masked (S29, PUB-1, PUB-4).

use chassis::{auth::Caller, decode::Fields, error::Error};
use proto::workflow::v1::{GetNoticeRequest, GetNoticeResponse};

use super::Service;
use crate::{announced::Asked, convert};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetNoticeRequest,
) -> Result<GetNoticeResponse, Error> {
    let mut f = Fields::new();
    let asked = Asked::read(&mut f, &request.division_code, request.kind);
    let asked = f.finish_with(asked)?;
    let notice = service.notice(caller, asked).await?;
    Ok(GetNoticeResponse {
        notice: Some(convert::notice::to_proto(&asked.village, &notice)),
    })
}
