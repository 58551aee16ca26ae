//! Records that a planned measure was delivered, with amount and proof (MEA-7).

use chassis::{auth::Caller, decode::Fields, error::Error};
use chrono::NaiveDate;
use kernel::{CaseId, MeasureId, Money};
use measures_core::{Command, Delivery};
use proto::measures::v1::{RecordDeliveryRequest, RecordDeliveryResponse};

use super::{
    Service,
    change::{Change, is_there},
};

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: RecordDeliveryRequest,
) -> Result<RecordDeliveryResponse, Error> {
    let (case, measure, delivery) = decode(&request, service.database.clock().today())?;
    let change = Change {
        operation: "RecordDelivery",
        request_id: std::mem::take(&mut request.request_id),
        request,
        case,
        ready: is_there,
    };
    let command = |_: &_| Command::RecordDelivery(measure, delivery);
    let encode = |plan| RecordDeliveryResponse { plan: Some(plan) };
    service.change(caller, change, command, encode).await
}

fn decode(
    request: &RecordDeliveryRequest,
    today: NaiveDate,
) -> Result<(CaseId, MeasureId, Delivery), Error> {
    let mut f = Fields::new();
    let case = f.parse("case_id", &request.case_id);
    let measure = f.parse("measure_id", &request.measure_id);
    let given = request.delivery.clone().unwrap_or_default();
    let delivery = f.within("delivery", |f| {
        let delivered_on = f.past_date("delivered_on", &given.delivered_on, today);
        let amount_fen = f.amount("amount_fen", given.amount_fen);
        let evidence_sha256 = f.sha256("evidence_sha256", &given.evidence_sha256);
        Some(Delivery {
            delivered_on: delivered_on?,
            amount: Money::from_fen(amount_fen?),
            confirmed: given.confirmed,
            evidence_sha256: evidence_sha256?,
        })
    });
    let decoded = (|| Some((case?, measure?, delivery?)))();
    f.finish_with(decoded)
}
