//! What all changes have in common: one transaction with the claimed request, the rows, their
//! history, the feed items and the remembered answer.

use chassis::{
    auth::Caller,
    error::Error,
    pg::{Claim, Tx},
};
use households_core::change::Change;
use prost::Message;
use uuid::Uuid;

use super::Service;
use crate::{
    item,
    seal::{Column, Sealer},
    store::{self, household::Household},
};

/// An answer as it is remembered: it may hold ID numbers and phones, so it is sealed like them.
#[derive(Clone, PartialEq, Message)]
struct SealedAnswer {
    #[prost(bytes = "vec", tag = "1")]
    sealed: Vec<u8>,
}

/// A change that has begun, or the answer that the same request got before.
pub enum Begun<R> {
    Fresh(Edit),
    Replayed(R),
}

/// The transaction of a change.
pub struct Edit {
    pub tx: Tx,
    sealer: Sealer,
    request: Uuid,
}

impl Service {
    /// Begins a change. `request` must not contain the key.
    pub(super) async fn edit<R: Message + Default>(
        &self,
        caller: &Caller,
        operation: &'static str,
        request_id: &str,
        request: &impl Message,
    ) -> Result<Begun<R>, Error> {
        let mut tx = self.database.begin(caller).await?;
        let claim = tx.claim::<SealedAnswer>(operation, request_id, request);
        let claim = claim.await?;
        // Claiming has read it already.
        let request = request_id.parse().unwrap_or_default();
        let Claim::Replayed(SealedAnswer { sealed }) = claim else {
            let sealer = self.sealer.clone();
            return Ok(Begun::Fresh(Edit {
                tx,
                sealer,
                request,
            }));
        };
        let answer = self.sealer.open(Column::Answer, request, &sealed)?;
        R::decode(&answer[..])
            .map(Begun::Replayed)
            .map_err(|error| Error::Internal(error.into()))
    }
}

impl Edit {
    /// Stores a locked household with its history and tells of it. Nothing happens when nothing
    /// was changed.
    pub async fn store(
        &mut self,
        household: &mut Household,
        changes: Vec<Change>,
    ) -> Result<(), Error> {
        if changes.is_empty() {
            return Ok(());
        }
        store::household::update(&mut self.tx, &self.sealer, &mut [&mut *household]).await?;
        let entities = item::entities(&changes);
        self.record(household, changes).await?;
        item::household(&mut self.tx, item::HOUSEHOLD_CHANGED, household, &entities);
        Ok(())
    }

    /// Notes who changed what.
    pub async fn record(
        &mut self,
        household: &Household,
        changes: Vec<Change>,
    ) -> Result<(), Error> {
        let division = household.profile.division;
        store::change::insert(&mut self.tx, &[(household.id, division, changes)]).await
    }

    /// Remembers the answer and commits.
    pub async fn finish<R: Message>(mut self, response: R) -> Result<R, Error> {
        let answer = response.encode_to_vec();
        let sealed = self.sealer.seal(Column::Answer, self.request, &answer)?;
        self.tx.remember(&SealedAnswer { sealed }).await?;
        self.tx.commit().await?;
        Ok(response)
    }
}
