//! The public notice of a village as a file to print (PUB-6).

use chassis::{auth::Caller, decode::Fields, error::Error};
use kernel::Code;
use proto::workflow::v1::{GetNoticeFileRequest, GetNoticeFileResponse, NoticeFormat};
use workflow_core::PublicNotice;

use super::Service;
use crate::{announced::Asked, print};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: GetNoticeFileRequest,
) -> Result<GetNoticeFileResponse, Error> {
    let mut f = Fields::new();
    let asked = Asked::read(&mut f, &request.division_code, request.kind);
    let format = request.format();
    if format == NoticeFormat::Unspecified {
        f.violation("format", "UNKNOWN_CODE", "one of TEXT, HTML, DOCX");
    }
    let asked = f.finish_with(asked)?;
    let notice = service.notice(caller, asked).await?;
    encode(asked, format, &notice)
}

fn encode(
    asked: Asked,
    format: NoticeFormat,
    notice: &PublicNotice,
) -> Result<GetNoticeFileResponse, Error> {
    let (ending, content_type, content) = match format {
        NoticeFormat::Docx => ("docx", print::DOCX, print::docx(notice)?),
        NoticeFormat::Html => ("html", print::HTML, print::html(notice).into_bytes()),
        _ => ("txt", print::TEXT, notice.text().into_bytes()),
    };
    let kind = asked.kind.as_str().to_lowercase();
    Ok(GetNoticeFileResponse {
        file_name: format!("notice-{}-{kind}.{ending}", asked.village),
        content_type: content_type.to_owned(),
        content,
    })
}
