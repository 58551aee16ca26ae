//! Sets the monitoring line of a division from a day on. The same twice changes nothing, so it
//! needs no idempotency key.

use chassis::{auth::Caller, decode::Fields, error::Error};
use households_core::line::MonitoringLine;
use kernel::{DivisionCode, Money};
use proto::households::v1::{self as wire, PutMonitoringLineRequest, PutMonitoringLineResponse};

use super::Service;
use crate::{
    convert,
    read::LINE_CHARS_MAX,
    store::{self, line::Line},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    request: PutMonitoringLineRequest,
) -> Result<PutMonitoringLineResponse, Error> {
    let line = decode(&request.line.unwrap_or_default())?;
    if !caller.principal.scope.sees(&line.line.division, None) {
        return Err(Error::NotFound { what: "division" });
    }
    let mut tx = service.database.begin(caller).await?;
    if !store::division::exists(&mut tx, line.line.division).await? {
        return Err(Error::NotFound { what: "division" });
    }
    store::line::put(&mut tx, &line).await?;
    tx.commit().await?;
    Ok(PutMonitoringLineResponse {
        line: Some(convert::line(&line)),
    })
}

fn decode(given: &wire::MonitoringLine) -> Result<Line, Error> {
    let mut f = Fields::new();
    let line = f.within("line", |f| {
        let division: Option<DivisionCode> = f.parse("division_code", &given.division_code);
        let effective_from = f.date("effective_from", &given.effective_from);
        let amount = f.amount("amount_fen", given.amount_fen);
        if amount == Some(0) {
            f.violation("amount_fen", "AMOUNT", "more than 0 yuan");
        }
        let legal_basis = f.text("legal_basis", &given.legal_basis, LINE_CHARS_MAX);
        Some(Line {
            line: MonitoringLine {
                division: division?,
                effective_from: effective_from?,
                amount: Money::from_fen(amount?),
            },
            legal_basis: legal_basis?,
        })
    });
    f.finish_with(line)
}
