//! The rules of assistance as pure functions: who is responsible, what is planned against which
//! risk, what was delivered, what was found each month (S36, S46–S54).
//!
//! [`Plan::decide`] answers a [`Command`] with an [`Event`] or with every unmet requirement;
//! [`Plan::apply`] makes an event part of the plan. Days and ids come in as values.

#![deny(missing_docs)]

mod facts;
mod follow;
mod kind;
mod measure;
mod monitoring;
mod plan;
#[cfg(test)]
mod properties;
mod responsible;
mod risk;
mod warning;

pub use facts::Facts;
pub use follow::{CaseNews, Milestone, Stage};
pub use kind::MeasureKind;
pub use measure::{DELIVERIES_MAX, Delivery, MEASURES_MAX, Measure, Planned};
pub use monitoring::{Manner, Monitoring, is_in_time, was_due};
pub use plan::{Command, Event, Plan};
pub use responsible::{RESPONSIBLE_MAX, Responsible};
pub use risk::ClosedRisk;
pub use warning::Warning;
