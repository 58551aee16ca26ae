//! What all changes have in common: one transaction with the claimed request, the rows, their
//! history, the feed items and the remembered answer.

use chassis::{
    auth::Caller,
    decode::Fields,
    error::Error,
    pg::{Claim, Tx},
};
use households_core::{change::Change, household::Profile};
use kernel::HouseholdId;
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
    Fresh(Box<Edit>),
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
            return Ok(Begun::Fresh(Box::new(Edit {
                tx,
                sealer,
                request,
            })));
        };
        let answer = self.sealer.open(Column::Answer, request, &sealed)?;
        R::decode(&answer[..])
            .map(Begun::Replayed)
            .map_err(|error| Error::Internal(error.into()))
    }
}

impl Edit {
    /// The household, held until the end of the change, if it is at `version`.
    pub async fn lock(&mut self, id: HouseholdId, version: i64) -> Result<Household, Error> {
        let household = store::household::lock(&mut self.tx, &self.sealer, id).await?;
        if household.version != version {
            return Err(Error::VersionConflict {
                current: household.version,
                since: Vec::new(),
            });
        }
        Ok(household)
    }

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
    pub async fn finish<R: Message>(mut self: Box<Self>, response: R) -> Result<R, Error> {
        let answer = response.encode_to_vec();
        let sealed = self.sealer.seal(Column::Answer, self.request, &answer)?;
        self.tx.remember(&SealedAnswer { sealed }).await?;
        self.tx.commit().await?;
        Ok(response)
    }
}

/// Whether what a household refers to exists today in the caller's scope.
pub async fn check_references(tx: &mut Tx, profile: &Profile) -> Result<(), Error> {
    let today = tx.today();
    let mut f = Fields::new();
    match store::division::lookup(tx, profile.division, today).await? {
        None => f.violation(
            "household.division_code",
            "UNKNOWN_DIVISION",
            "the code of a village of your division",
        ),
        Some(division) => {
            let number = profile.group_number;
            let listed = division.groups.iter().any(|group| group.number == number);
            if number != 0 && !division.groups.is_empty() && !listed {
                let expected = "a group of the village";
                f.violation("household.group_number", "UNKNOWN_GROUP", expected);
            }
        }
    }
    if let Some(site) = profile.relocation_site
        && !store::notice_place::is_relocation_site(tx, site, today).await?
    {
        f.violation(
            "household.relocation_site_id",
            "UNKNOWN_RELOCATION_SITE",
            "a relocation site of your division",
        );
    }
    f.finish()
}
