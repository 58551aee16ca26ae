//! Households of a sheet go into the registry: in batches, each one transaction, and of each
//! household everything or nothing.

mod batch;
mod draft;
mod existing;
mod moving;

use std::collections::HashMap;

use chassis::{auth::Caller, error::Error, pg::Database};
use households_core::sheet::{Fault, SheetHousehold};
use kernel::{DivisionCode, NoticePlaceId};

use crate::{seal::Sealer, store};

/// What rows refer to: loaded once, small.
#[derive(Debug, Default)]
pub struct Register {
    /// Villages in scope with their groups.
    villages: HashMap<DivisionCode, Vec<(u32, String)>>,
    /// Relocation sites by village and name.
    sites: HashMap<(DivisionCode, String), NoticePlaceId>,
}

/// Some 20 townships with 30 villages each, and then ten times as many.
const DIVISIONS_MAX: i64 = 10_000;

impl Register {
    /// What is valid today in the caller's scope.
    pub async fn load(database: &Database, caller: &Caller) -> Result<Self, Error> {
        let mut tx = database.read(caller).await?;
        let today = tx.today();
        let divisions = store::division::list(&mut tx, "", today, "", DIVISIONS_MAX).await?;
        let sites = store::notice_place::relocation_sites(&mut tx, today).await?;
        let villages = divisions.into_iter().map(|division| {
            let groups = division.groups.into_iter();
            (division.code, groups.map(|g| (g.number, g.name)).collect())
        });
        Ok(Self {
            villages: villages.collect(),
            sites: sites
                .into_iter()
                .map(|site| ((site.division, site.name), site.id))
                .collect(),
        })
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    pub created: i64,
    pub updated: i64,
    pub unchanged: i64,
    pub rows_refused: i64,
    pub faults: Vec<Fault>,
}

impl Outcome {
    fn refuse(&mut self, household: &SheetHousehold, fault: Fault) {
        self.rows_refused += i64::try_from(household.members.len()).unwrap_or(i64::MAX);
        self.faults.push(fault);
    }
}

/// Tries of a batch that meets somebody else's lock; each waits up to the lock timeout of 2 s.
const TRIES: u32 = 3;

/// Brings a batch into the registry.
pub async fn apply(
    database: &Database,
    caller: &Caller,
    sealer: &Sealer,
    register: &Register,
    households: &[SheetHousehold],
) -> Result<Outcome, Error> {
    let mut tries = 1;
    loop {
        let mut tx = database.begin(caller).await?;
        let applied = batch::apply(&mut tx, sealer, register, households).await;
        let committed = match applied {
            Ok(outcome) => tx.commit().await.map(|_| outcome),
            Err(error) => Err(error),
        };
        match committed {
            Err(Error::Unavailable { .. }) if tries < TRIES => tries += 1,
            done => return done,
        }
    }
}
