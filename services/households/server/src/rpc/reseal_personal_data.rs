//! Seals again what lies under an older key, so that the key can be taken away (SEC-1). Whoever reads
//! or writes meanwhile notices nothing: rows that somebody else holds wait for the next call.

use chassis::{auth::Caller, error::Error};
use proto::households::v1::{ResealPersonalDataRequest, ResealPersonalDataResponse};

use super::Service;
use crate::store;

/// Values of one transaction: it stays short, and others get at their rows.
const BATCH: i64 = 500;
/// Transactions of one call, which has to end well before its deadline.
const BATCHES_MAX: usize = 10;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    _: ResealPersonalDataRequest,
) -> Result<ResealPersonalDataResponse, Error> {
    let mut resealed = 0;
    for _ in 0..BATCHES_MAX {
        let mut tx = service.database.begin(caller).await?;
        let members = store::sealed::reseal_id_numbers(&mut tx, &service.sealer, BATCH).await?;
        let room = BATCH - members;
        let relatives = store::sealed::reseal_relatives(&mut tx, &service.sealer, room).await?;
        let room = room - relatives;
        let phones = store::sealed::reseal_phones(&mut tx, &service.sealer, room).await?;
        tx.commit().await?;
        resealed += members + relatives + phones;
        if members + relatives + phones < BATCH {
            break;
        }
    }
    let mut tx = service.database.read(caller).await?;
    let sealed_under = store::sealed::count(&mut tx, service.sealer.current()).await?;
    Ok(ResealPersonalDataResponse {
        resealed,
        sealed_under,
    })
}
