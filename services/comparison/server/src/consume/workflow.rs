//! Cases as the workflow service tells of them: an authorised case opens its comparison, an enrolled one is
//! looked at again and again (CMP-9), until it ends.

use anyhow::Context;
use chassis::{error::Error, pg::Tx, subscription::Consumer};
use comparison_core::recheck::Purpose;
use prost::Message;
use proto::{
    feed::v1::Item,
    workflow::v1::{CaseEvent, CaseState},
};

use crate::store::{self, case::Case};

/// Follows the cases.
#[derive(Debug)]
pub struct Cases;

/// What an item says.
#[derive(Debug)]
pub struct Arrived {
    case: Case,
    news: News,
}

#[derive(Debug)]
enum News {
    Authorised,
    /// It was enrolled, and is no more.
    Ended,
    None,
}

impl Consumer for Cases {
    const SOURCE: &'static str = "workflow";
    // Every kind: a case can end by many events. Items about leads only move the cursor.
    const KINDS: &'static [&'static str] = &[];
    type Prepared = Option<Arrived>;

    async fn prepare(&self, item: &Item) -> Result<Option<Arrived>, Error> {
        if !item.kind.starts_with("case.") {
            return Ok(None);
        }
        let event = CaseEvent::decode(&item.payload[..]).context("payload of a case's item");
        let event = event.map_err(Error::Internal)?;
        let news = match (is_enrolled(event.from()), is_enrolled(event.to())) {
            _ if item.kind == "case.authorised" => News::Authorised,
            (true, false) => News::Ended,
            _ => News::None,
        };
        let case = read(&event).map_err(Error::Internal)?;
        Ok(Some(Arrived { case, news }))
    }

    async fn apply(&self, tx: &mut Tx, _: &Item, arrived: Option<Arrived>) -> Result<(), Error> {
        let Some(Arrived { case, news }) = arrived else {
            return Ok(());
        };
        store::case::put(tx, &case).await?;
        match news {
            News::Authorised => {
                let (id, household, division) = (case.id, case.household, case.division);
                let purpose = Purpose::Procedure;
                store::comparison::open(tx, id, household, division, purpose).await?;
            }
            News::Ended => store::comparison::end_recheck(tx, case.id).await?,
            News::None => {}
        }
        Ok(())
    }
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
