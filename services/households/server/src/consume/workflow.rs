//! Cases as the workflow service tells of them: what a household is to the mechanism follows its
//! case.

use anyhow::Context;
use chassis::{decode::codes, error::Error, pg::Tx, subscription::Consumer};
use kernel::{Category, HouseholdId};
use prost::Message;
use proto::{
    feed::v1::Item,
    workflow::v1::{CaseEvent, CaseState},
};

use crate::store;

/// Follows the cases.
#[derive(Debug)]
pub struct Cases;

/// What a case makes of its household.
#[derive(Debug, PartialEq, Eq)]
pub struct Standing {
    household: HouseholdId,
    /// Outer: whether it is a monitored household now. Inner: of which category.
    enrolled_as: Option<Option<Category>>,
}

impl Consumer for Cases {
    const SOURCE: &'static str = "workflow";
    // Every kind: a case can end by many events. Items about leads only move the cursor.
    const KINDS: &'static [&'static str] = &[];
    type Prepared = Option<Standing>;

    async fn prepare(&self, item: &Item) -> Result<Option<Standing>, Error> {
        if !item.kind.starts_with("case.") {
            return Ok(None);
        }
        let event = CaseEvent::decode(&item.payload[..]).context("payload of a case's item");
        read(&event.map_err(Error::Internal)?).map_err(Error::Internal)
    }

    async fn apply(
        &self,
        tx: &mut Tx,
        _item: &Item,
        standing: Option<Standing>,
    ) -> Result<(), Error> {
        match standing {
            Some(s) => store::household::set_class(tx, s.household, s.enrolled_as).await,
            None => Ok(()),
        }
    }
}

/// `None` while the event changes nothing: before enrolment, and while the state stays.
fn read(event: &CaseEvent) -> anyhow::Result<Option<Standing>> {
    if event.from == event.to {
        return Ok(None);
    }
    let category = event
        .case
        .as_ref()
        .and_then(|case| codes::category(case.category));
    let enrolled_as = match event.to() {
        CaseState::Enrolled
        | CaseState::UnderAssistance
        | CaseState::SustainedTracking
        | CaseState::EliminationProposed
        | CaseState::ElimVerified
        | CaseState::ElimAppraised
        | CaseState::ElimOnNotice
        | CaseState::ElimNoticeClosed
        | CaseState::Filed => Some(category),
        CaseState::RiskEliminated | CaseState::ClosedNatural | CaseState::Withdrawn => None,
        CaseState::Unspecified
        | CaseState::Declared
        | CaseState::Authorised
        | CaseState::Verified
        | CaseState::NotQualified
        | CaseState::WarningListed
        | CaseState::Appraised
        | CaseState::OnNotice
        | CaseState::NoticeClosed
        | CaseState::TownshipReviewed
        | CaseState::Compared
        | CaseState::Disqualified
        | CaseState::Approved
        | CaseState::Returned
        | CaseState::Appealed => return Ok(None),
    };
    let household = event.household_id.parse().context("household_id")?;
    Ok(Some(Standing {
        household,
        enrolled_as,
    }))
}

#[cfg(test)]
mod tests {
    use proto::workflow::v1::Case;

    use super::*;

    #[test]
    fn a_case_counts_from_enrolment_to_its_end() {
        let household = "01890000-0000-7000-8000-000000000001";
        let after = |from: CaseState, to: CaseState| {
            let case = Case {
                category: 3,
                ..Case::default()
            };
            let event = CaseEvent {
                from: from.into(),
                to: to.into(),
                household_id: household.to_owned(),
                case: Some(case),
                ..CaseEvent::default()
            };
            read(&event).expect("readable").map(|s| s.enrolled_as)
        };
        let enrolled = Some(Some(Some(Category::SuddenHardship)));
        assert_eq!(after(CaseState::Declared, CaseState::Authorised), None);
        assert_eq!(after(CaseState::Compared, CaseState::Enrolled), enrolled);
        assert_eq!(
            after(CaseState::Filed, CaseState::RiskEliminated),
            Some(None)
        );
        assert_eq!(
            after(CaseState::UnderAssistance, CaseState::UnderAssistance),
            None
        );
    }
}
