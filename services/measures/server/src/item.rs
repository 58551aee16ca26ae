//! What the service's feed tells: kinds of items, each with the whole plan as its payload
//! (`measures.v1.Plan`), without free texts.

use chassis::feed::Item;
use chrono::NaiveDate;
use measures_core::{Event, Milestone, Plan};
use prost::Message;

use crate::convert;

/// It lies elsewhere, with its case and its household (REG-12).
pub const PLAN_MOVED: &str = "plan.moved";

/// The item about a change of `plan`.
pub fn about(kind: &'static str, plan: &Plan, today: NaiveDate) -> Item {
    Item {
        kind: kind.to_owned(),
        subject: plan.case.0,
        division: plan.division,
        department: None,
        payload: convert::plan_for_feed(plan, today).encode_to_vec(),
    }
}

/// Kind of the item about what somebody did.
pub const fn kind_of_event(event: &Event) -> &'static str {
    match event {
        Event::ResponsibleAssigned(_) => "responsible.assigned",
        Event::MeasurePlanned(..) => "measure.planned",
        Event::MeasureDelivered(..) => "measure.delivered",
        Event::RiskClosed(_) => "risk.closed",
        Event::MonitoringRecorded(_) => "monitoring.recorded",
    }
}

/// Kind of the item about what the case did to the plan.
pub const fn kind_of_milestone(milestone: Milestone) -> &'static str {
    match milestone {
        Milestone::Opened => "plan.opened",
        Milestone::Enrolled => "plan.monitored",
        Milestone::Ended => "plan.ended",
    }
}
