//! Somebody who delivered a file, or the county, says that it was wrong (CMP-11). Comparisons under way
//! forget what they have of it, so that the corrected file is compared anew; every decision that rests on
//! it is looked at again. All of it is one transaction, which the feed tells of.

use chassis::{
    auth::Caller,
    clock::timestamp,
    decode::{Fields, codes},
    error::Error,
    pg::{Claim, Tx},
};
use comparison_core::correction::check_standing;
use kernel::{BatchId, Code as _, ItemKind};
use proto::comparison::v1::{BatchCorrected, CorrectBatchRequest, CorrectBatchResponse};
use uuid::Uuid;

use super::{Service, reason};
use crate::{
    item,
    store::{
        self,
        batch::Batch,
        comparison::Comparison,
        hit::Hit,
        reconsideration::{Correction, New},
    },
};

/// Comparisons in the memory at once.
const COMPARISONS_AT_ONCE: usize = 500;

pub async fn handle(
    service: &Service,
    caller: &Caller,
    mut request: CorrectBatchRequest,
) -> Result<CorrectBatchResponse, Error> {
    let mut f = Fields::new();
    let batch: Option<BatchId> = f.parse("batch_id", &request.batch_id);
    let reason = reason::read(&mut f, &request.reason);
    let (batch, reason) = f.finish_with(batch.zip(reason))?;
    let request_id = std::mem::take(&mut request.request_id);
    let mut tx = service.database.begin(caller).await?;
    if let Claim::Replayed(response) = tx.claim("CorrectBatch", &request_id, &request).await? {
        return Ok(response);
    }
    let known = store::batch::lock(&mut tx, batch).await?;
    let kind = item_of(&known)?;
    check_standing(known.corrected_on())?;
    let correction = Correction {
        batch: batch.0,
        item: kind,
        reason: &reason,
    };
    store::batch::correct(&mut tx, &correction).await?;
    let mut sum = CorrectBatchResponse::default();
    // In the order in which files lock them, too.
    let using = store::comparison::using(&mut tx, batch.0).await?;
    for ids in using.chunks(COMPARISONS_AT_ONCE) {
        let comparisons = store::comparison::lock_all(&mut tx, ids).await?;
        let effect = Effect::of(comparisons, &correction);
        effect.record(&mut tx, &correction).await?;
        effect.add_to(&mut sum);
    }
    let report = store::batch::lookup(&mut tx, batch).await?;
    let told = BatchCorrected {
        batch_id: batch.to_string(),
        item: codes::item_kind_to_proto(kind),
        department: report.department.clone(),
        corrected_by: caller.principal.subject.clone(),
        corrected_at: Some(timestamp(tx.now())),
        items_forgotten: sum.items_forgotten,
        hits_dropped: sum.hits_dropped,
        reconsiderations: sum.reconsiderations,
    };
    item::corrected(&mut tx, batch, caller.principal.scope.division, &told);
    sum.report = Some(report);
    tx.remember(&sum).await?;
    tx.commit().await?;
    Ok(sum)
}

/// The item, if the batch is an item's file: an alert is looked into, not decided.
fn item_of(batch: &Batch) -> Result<ItemKind, Error> {
    let kind = ItemKind::parse(&batch.content).ok();
    kind.ok_or_else(|| Error::invalid("batch_id", "ITEM_BATCH", "a batch of an item's file"))
}

/// What a correction means for some comparisons.
#[derive(Default)]
struct Effect {
    /// Those under way that have forgotten the batch.
    forgetful: Vec<Comparison>,
    /// Their hits that nobody has decided.
    dropped: Vec<Uuid>,
    entries: Vec<New>,
}

impl Effect {
    fn of(comparisons: Vec<Comparison>, of: &Correction<'_>) -> Self {
        let mut effect = Self::default();
        for mut comparison in comparisons {
            let entry = |hit: Option<Uuid>| New {
                comparison: comparison.id,
                division: comparison.division,
                hit,
            };
            let own = |hit: &&Hit| hit.batch == of.batch;
            let hits = comparison.hits.iter().filter(own);
            let (decided, open): (Vec<&Hit>, Vec<&Hit>) =
                hits.partition(|hit| hit.outcome.is_some());
            effect
                .entries
                .extend(decided.iter().map(|hit| entry(Some(hit.id))));
            if comparison.is_complete() {
                effect.entries.push(entry(None));
            } else if comparison.completed_at.is_none() {
                effect.dropped.extend(open.iter().map(|hit| hit.id));
                comparison.forget(of.item, of.batch);
                effect.forgetful.push(comparison);
            }
        }
        effect
    }

    async fn record(&self, tx: &mut Tx, of: &Correction<'_>) -> Result<(), Error> {
        store::hit::delete(tx, &self.dropped).await?;
        store::comparison::forget(tx, &self.forgetful, of.item, of.batch).await?;
        store::reconsideration::insert(tx, of, &self.entries).await
    }

    fn add_to(&self, sum: &mut CorrectBatchResponse) {
        let count = |len: usize| i32::try_from(len).unwrap_or(i32::MAX);
        sum.items_forgotten += count(self.forgetful.len());
        sum.hits_dropped += count(self.dropped.len());
        sum.reconsiderations += count(self.entries.len());
    }
}
