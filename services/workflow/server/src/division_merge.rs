//! Cases and leads of merged villages follow them (ORG-1): each has an event that says so.

use chassis::{
    division_merge::{self, BATCH, Follow},
    error::Error,
    pg::Tx,
};
use workflow_core::{Event, Noted, What};

use crate::{
    record::{self, Told},
    store,
};

/// Tables whose rows belong to a case or lead.
const BELONGINGS: [(&str, &str); 3] = [
    ("texts", "subject"),
    ("contacts", "case_id"),
    ("notice_codes", "case_id"),
];

/// Moves cases and leads.
#[derive(Debug)]
pub struct Procedure;

impl Follow for Procedure {
    async fn follow(&self, tx: &mut Tx) -> Result<usize, Error> {
        let mut moved = Vec::new();
        let cases = store::case::lock_merged(tx, BATCH).await?;
        let room = BATCH - i64::try_from(cases.len()).unwrap_or(BATCH);
        for (mut file, into) in cases {
            let event = Event {
                what: What::VillageMerged {
                    from: std::mem::replace(&mut file.division, into),
                },
                to: file.case.state,
                on: tx.today(),
                actor: tx.principal().subject.clone(),
                on_behalf_of: None,
                noted: Noted::Nothing,
            };
            record::event(tx, &mut file, &event, Told::default()).await?;
            moved.push((file.id.0, into));
        }
        for (mut file, into) in store::lead::lock_merged(tx, room).await? {
            file.division = into;
            record::lead(tx, &mut file, record::VILLAGE_MERGED, None).await?;
            moved.push((file.id.0, into));
        }
        let found = moved.len();
        division_merge::carry(tx, moved, &BELONGINGS).await?;
        Ok(found)
    }
}
