//! Cases as the workflow service tells of them: an authorised case opens its comparison, an enrolled one is
//! looked at again and again (CMP-9), until it ends. What lies elsewhere with its household (REG-12) takes
//! its comparisons along, or the alert that it came from.

use anyhow::Context;
use chassis::{
    error::Error,
    pg::Tx,
    subscription::Consumer,
    whereabouts::{self, Departure, Move},
};
use comparison_core::recheck::Purpose;
use prost::Message;
use proto::{
    feed::v1::Item,
    r#type::v1::LeadChannel,
    workflow::v1::{CaseEvent, CaseState, LeadEvent},
};

use crate::{
    item,
    store::{self, case::Case},
};

/// Kind of the item about a lead that has moved with its household.
const LEAD_MOVED: &str = "lead.household_moved";

/// Follows the cases.
#[derive(Debug)]
pub struct Cases;

/// What an item says.
#[derive(Debug)]
pub enum Arrived {
    /// Something happened to a case.
    Case(Case, News),
    /// An alert of a department has gone with its household.
    AlertMoved(Move),
}

/// What follows from what happened to a case.
#[derive(Debug)]
pub enum News {
    /// Its comparison is opened.
    Authorised,
    /// It was enrolled, and is no more.
    Ended,
    /// It lies in another village.
    Moved(Move),
    /// Nothing.
    None,
}

impl Consumer for Cases {
    const SOURCE: &'static str = "workflow";
    // Every kind: a case can end by many events. Most items about leads only move the cursor.
    const KINDS: &'static [&'static str] = &[];
    type Prepared = Option<Arrived>;

    async fn prepare(&self, item: &Item) -> Result<Option<Arrived>, Error> {
        if item.kind == LEAD_MOVED {
            let event = LeadEvent::decode(&item.payload[..]).context("payload of a lead's item");
            return event
                .and_then(|event| alert_moved(&event))
                .map_err(Error::Internal);
        }
        if !item.kind.starts_with("case.") {
            return Ok(None);
        }
        let event = CaseEvent::decode(&item.payload[..]).context("payload of a case's item");
        let event = event.map_err(Error::Internal)?;
        let case = read(&event).map_err(Error::Internal)?;
        let news = news(&item.kind, &event, &case).map_err(Error::Internal)?;
        Ok(Some(Arrived::Case(case, news)))
    }

    async fn apply(&self, tx: &mut Tx, _: &Item, arrived: Option<Arrived>) -> Result<(), Error> {
        let (case, news) = match arrived {
            None => return Ok(()),
            Some(Arrived::AlertMoved(alert)) => {
                return whereabouts::note_moves(tx, item::ALERT_MOVED, &[alert]).await;
            }
            Some(Arrived::Case(case, news)) => (case, news),
        };
        store::case::put(tx, &case).await?;
        match news {
            News::Authorised => {
                let (id, household, division) = (case.id, case.household, case.division);
                let purpose = Purpose::Procedure;
                store::comparison::open(tx, id, household, division, purpose).await?;
            }
            News::Ended => store::comparison::end_recheck(tx, case.id).await?,
            News::Moved(moved) => {
                whereabouts::note_moves(tx, item::COMPARISON_MOVED, &[moved]).await?;
            }
            News::None => {}
        }
        Ok(())
    }
}

fn news(kind: &str, event: &CaseEvent, case: &Case) -> anyhow::Result<News> {
    if !event.moved_from_code.is_empty() {
        return Ok(News::Moved(Move {
            left: Departure {
                subject: case.id.0,
                from: event.moved_from_code.parse().context("moved_from_code")?,
                into: case.division,
            },
            household: case.household.0,
            department: None,
        }));
    }
    Ok(match (is_enrolled(event.from()), is_enrolled(event.to())) {
        _ if kind == "case.authorised" => News::Authorised,
        (true, false) => News::Ended,
        _ => News::None,
    })
}

/// The alert that a lead came from, if it did: its first source. Later ones have leads of their own.
fn alert_moved(event: &LeadEvent) -> anyhow::Result<Option<Arrived>> {
    let lead = event.lead.as_ref().context("an event without its lead")?;
    let alert = lead.sources.first();
    let alert = alert.filter(|source| source.channel() == LeadChannel::DepartmentAlert);
    let Some(alert) = alert else { return Ok(None) };
    let left = Departure {
        subject: alert.reference.parse().context("reference")?,
        from: event.moved_from_code.parse().context("moved_from_code")?,
        into: lead.division_code.parse().context("division_code")?,
    };
    Ok(Some(Arrived::AlertMoved(Move {
        left,
        household: lead.household_id.parse().context("household_id")?,
        department: Some(alert.department.parse().context("department")?),
    })))
}

/// Whether a case in a state is enrolled and not yet eliminated (S47).
const fn is_enrolled(state: CaseState) -> bool {
    matches!(
        state,
        CaseState::Enrolled
            | CaseState::UnderAssistance
            | CaseState::SustainedTracking
            | CaseState::EliminationProposed
            | CaseState::ElimVerified
            | CaseState::ElimAppraised
            | CaseState::ElimOnNotice
            | CaseState::ElimNoticeClosed
            | CaseState::Filed
    )
}

fn read(event: &CaseEvent) -> anyhow::Result<Case> {
    let enrolled_on = event.case.as_ref().map_or("", |case| &case.enrolled_on);
    let enrolled_on = match (is_enrolled(event.to()), enrolled_on) {
        (false, _) => None,
        (true, "") => Some(event.decided_on.parse().context("decided_on")?),
        (true, day) => Some(day.parse().context("enrolled_on")?),
    };
    let data_age_days_max = u32::try_from(event.comparison_age_days_max).ok();
    Ok(Case {
        id: event.case_id.parse().context("case_id")?,
        household: event.household_id.parse().context("household_id")?,
        division: event.division_code.parse().context("division_code")?,
        data_age_days_max: data_age_days_max.filter(|days| *days > 0),
        enrolled_on,
    })
}
