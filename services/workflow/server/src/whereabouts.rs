//! Cases and leads go with their village when it is merged (ORG-1), and open ones with their household
//! when it moves (REG-12): each has an event that says so.

use chassis::{
    error::Error,
    pg::Tx,
    whereabouts::{self, BATCH, Departure, Follow, Rows, Stray},
};
use kernel::CaseId;
use workflow_core::{Event, Noted, What};

use crate::{
    record::{self, Told, ToldOfLead},
    store,
};

const CASES: Rows = Rows {
    table: "cases",
    id: "id",
    subject: "household_id",
    open: "r.open",
};

const LEADS: Rows = Rows {
    table: "leads",
    id: "id",
    subject: "household_id",
    // See LeadState::goes_along.
    open: "r.state in ('RECEIVED', 'LINKED', 'VISIT_ORDERED', 'VISITED', 'CASE_OPENED')",
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
        let cases = whereabouts::strays(tx, &CASES, BATCH).await?;
        let room = BATCH - i64::try_from(cases.len()).unwrap_or(BATCH);
        for stray in &cases {
            case(tx, stray).await?;
        }
        let leads = whereabouts::strays(tx, &LEADS, room).await?;
        for stray in &leads {
            lead(tx, stray).await?;
        }
        let found = [cases, leads].concat();
        let places = found
            .iter()
            .map(|s| (s.departure.subject, s.departure.into));
        whereabouts::carry(tx, &places.collect::<Vec<_>>(), &BELONGINGS).await?;
        let left = found.iter().filter(|stray| stray.has_left);
        let left: Vec<Departure> = left.map(|stray| stray.departure).collect();
        whereabouts::depart(tx, &left).await?;
        Ok(found.len())
    }
}

async fn case(tx: &mut Tx, stray: &Stray) -> Result<(), Error> {
    let Departure {
        subject,
        from,
        into,
    } = stray.departure;
    let Some(mut file) = store::case::file(tx, CaseId(subject)).await? else {
        return Ok(());
    };
    file.division = into;
    let event = Event {
        what: match stray.has_left {
            true => What::HouseholdMoved { from },
            false => What::VillageMerged { from },
        },
        to: file.case.state,
        on: tx.today(),
        actor: tx.principal().subject.clone(),
        on_behalf_of: None,
        noted: Noted::Nothing,
    };
    record::event(tx, &mut file, &event, Told::default()).await?;
    match stray.has_left {
        // The old village keeps what it holds: other cases may rest on it.
        true => store::evidence::share(tx, &file.papers, &into).await,
        // Papers of a merged village are shown to the other as they are.
        false => Ok(()),
    }
}

async fn lead(tx: &mut Tx, stray: &Stray) -> Result<(), Error> {
    let Departure {
        subject,
        from,
        into,
    } = stray.departure;
    let Some(mut file) = store::lead::lock(tx, subject.into()).await? else {
        return Ok(());
    };
    file.division = into;
    if !stray.has_left {
        return record::lead(tx, &mut file, record::VILLAGE_MERGED, None).await;
    }
    // Whoever had claimed it answers for another village.
    file.lead.claim = None;
    let told = ToldOfLead {
        moved_from: Some(from),
        ..ToldOfLead::default()
    };
    record::lead_told(tx, &mut file, record::HOUSEHOLD_MOVED, told).await
}

#[cfg(test)]
mod tests {
    use kernel::Code;
    use workflow_core::lead::LeadState;

    #[test]
    fn the_statement_names_the_states_of_leads_that_go_along() {
        for state in LeadState::ALL {
            let is_named = super::LEADS.open.contains(&format!("'{state}'"));
            assert_eq!(is_named, state.goes_along(), "{state}");
        }
    }
}
