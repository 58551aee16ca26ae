//! Cases as the workflow service tells of them: a plan opens with its case and follows it.

use anyhow::Context;
use chassis::{
    auth::ServiceIdentity,
    client::{self, Channel},
    error::Error,
    pg::Tx,
    subscription::Consumer,
    whereabouts::{self, Departure},
};
use kernel::{CaseId, DivisionCode, HouseholdId};
use measures_core::{CaseNews, Milestone, Plan, Stage};
use prost::Message;
use proto::{
    feed::v1::Item,
    households::v1::{GetCaseFactsRequest, households_service_client::HouseholdsServiceClient},
    workflow::v1::{CaseEvent, CaseState},
};

use crate::{convert, item, store};

/// Follows the cases.
#[derive(Debug)]
pub struct Cases {
    households: Channel,
    identity: ServiceIdentity,
}

/// What an item says, read and completed.
#[derive(Debug)]
pub struct Arrived {
    case: CaseId,
    household: HouseholdId,
    division: DivisionCode,
    /// Village that the case has left with its household (REG-12).
    left: Option<DivisionCode>,
    news: CaseNews,
}

impl Cases {
    /// Asks `households` in the service's own name.
    #[must_use]
    pub const fn new(households: Channel, identity: ServiceIdentity) -> Self {
        Self {
            households,
            identity,
        }
    }

    /// Whether somebody in the household can work. Only warnings hang on it, so a neighbour that
    /// does not answer holds up no case: the next event asks again.
    async fn has_labour(&self, household: HouseholdId, as_of: &str) -> Option<bool> {
        let ask = async {
            let caller = self.identity.caller().await?;
            let request = GetCaseFactsRequest {
                household_id: household.to_string(),
                as_of: as_of.to_owned(),
            };
            let mut households = HouseholdsServiceClient::new(self.households.clone());
            let response = households
                .get_case_facts(client::authorise(&caller, request))
                .await?;
            Ok::<_, Error>(response.into_inner().facts.map(|facts| facts.has_labour))
        };
        ask.await
            .inspect_err(|error| tracing::warn!(error = ?error, "labour stays unknown"))
            .ok()
            .flatten()
    }
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
        let mut arrived = read(&event).map_err(Error::Internal)?;
        let moved = event.from != event.to;
        if moved && matters_for_labour(event.to()) {
            arrived.news.has_labour = self.has_labour(arrived.household, &event.decided_on).await;
        }
        Ok(Some(arrived))
    }

    async fn apply(&self, tx: &mut Tx, _: &Item, arrived: Option<Arrived>) -> Result<(), Error> {
        let Some(Arrived {
            case,
            household,
            division,
            left,
            news,
        }) = arrived
        else {
            return Ok(());
        };
        let (mut plan, milestone) = match store::plan::lock(tx, case).await? {
            None => (
                Plan::open(case, household, division, news),
                Some(Milestone::Opened),
            ),
            Some(mut plan) => {
                let milestone = plan.follow(news);
                (plan, milestone)
            }
        };
        store::plan::put(tx, &plan).await?;
        if let Some(from) = left {
            let left = Departure {
                subject: case.0,
                from,
                into: division,
            };
            whereabouts::depart(tx, &[left]).await?;
            // The rows follow; telling of it wakes who moves them.
            plan.division = division;
            tx.publish(item::about(item::PLAN_MOVED, &plan, tx.today()));
        }
        if let Some(milestone) = milestone {
            let kind = item::kind_of_milestone(milestone);
            tx.publish(item::about(kind, &plan, tx.today()));
        }
        Ok(())
    }
}

/// Steps at which the household's people were looked at, or the plan is about to count.
const fn matters_for_labour(state: CaseState) -> bool {
    matches!(
        state,
        CaseState::Declared | CaseState::Verified | CaseState::Enrolled
    )
}

fn read(event: &CaseEvent) -> anyhow::Result<Arrived> {
    let case = event.case.as_ref().context("an event without its case")?;
    let stage: Stage = convert::stage(case.state()).context("a case without a state")?;
    let mut risks = Vec::new();
    for risk in &case.risks {
        let risk = chassis::decode::codes::risk_type(risk.r#type).context("an unknown risk")?;
        if !risks.contains(&risk) {
            risks.push(risk);
        }
    }
    let enrolled_on = match case.enrolled_on.as_str() {
        "" => None,
        text => Some(text.parse().context("enrolled_on")?),
    };
    let news = CaseNews {
        stage,
        risks,
        enrolled_on,
        has_labour: None,
        day: event.decided_on.parse().context("decided_on")?,
    };
    Ok(Arrived {
        case: case.id.parse().context("id of the case")?,
        household: case.household_id.parse().context("id of the household")?,
        division: case.division_code.parse().context("division of the case")?,
        left: match event.moved_from_code.as_str() {
            "" => None,
            code => Some(code.parse().context("moved_from_code")?),
        },
        news,
    })
}
