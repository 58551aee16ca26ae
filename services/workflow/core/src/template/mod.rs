//! A procedure template: steps, order, guards, evidence, roles and limits as a value that is read
//! from a file (`decisions` 1). Nothing of a procedure's order is in code.
//!
//! The format is JSON; `template.schema.json` beside this crate describes it.

mod check;
mod file;
#[cfg(test)]
mod schema;
mod shipped;
mod vocabulary;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use kernel::{Category, DivisionCode, Role};
use serde::{Deserialize, Serialize};

pub use file::Fault;
pub use shipped::{DEFAULT, SHIPPED};
pub use vocabulary::{Evidence, Guard, Since};

use crate::state::{CaseState, Move};

/// A procedure as it was valid when a case began. A case finishes on the template it began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// For editors: where the format is described.
    #[serde(rename = "$schema", default, skip_serializing_if = "String::is_empty")]
    pub schema: String,
    /// Stable id, e.g. `TOWNSHIP2021`: capital letters, digits and `_`, at most 40.
    pub id: String,
    /// Version, from 1. A version never changes once it is loaded.
    pub version: i32,
    /// What people call it.
    pub title: String,
    /// The document that it follows.
    #[serde(default)]
    pub basis: String,
    /// First day on which a case may begin on it.
    pub valid_from: NaiveDate,
    /// Last day on which a case may begin on it; absent while it is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<NaiveDate>,
    /// Division in which it applies, 12 digits; absent for everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub division: Option<DivisionCode>,
    /// What a category is called in the words of this procedure (`decisions` 4); a category that is
    /// not listed keeps its national name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(test, schemars(schema_with = "schema::category_names"))]
    pub category_names: BTreeMap<Category, String>,
    /// Numbers that the guards work with.
    pub parameters: Parameters,
    /// Every move that the procedure has.
    pub steps: Vec<Step>,
    /// Until when steps should be done. Being late refuses nothing; it is shown and told.
    #[serde(default)]
    pub limits: Vec<Limit>,
    /// Who is told of what is late.
    pub escalation: Escalation,
}

/// Numbers that the guards work with. The law's bounds are checked when a template is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Visitors of a home visit (T3); at least 2.
    pub visitors_min: usize,
    /// Villager representatives that an appraisal needs (S27); at least 15.
    pub villager_representatives_min: u32,
    /// Full days that a notice hangs at every place (S31); at least 5, the national guide's number.
    pub notice_days: u32,
    /// Oldest data that a comparison may rest on (T9); at most 90 days.
    pub comparison_age_days_max: u32,
    /// How long a household stays before elimination by assistance may be proposed (S44).
    pub hold: Hold,
    /// Months that income has to stay at or above the line before elimination (T14); at least 6.
    pub stable_months: u32,
    /// Days for the papers when help came first (T12e); 1 to 90.
    pub emergency_papers_days: u32,
    /// Days within which a household may appeal (WF-9); 15 to 180.
    pub appeal_days: u32,
}

/// How the two quarters of S44 are counted (`decisions` 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Rolling months from the day of enrolment; at least 6.
    Months(u32),
    /// Whole calendar quarters after the one of enrolment; at least 2.
    Quarters(u32),
}

/// A move and the states that it may be made in. Where it leads is the move's own nature: a state is
/// the name of what was done last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The move.
    #[serde(rename = "move")]
    #[cfg_attr(test, schemars(schema_with = "schema::code::<Move>"))]
    pub step: Move,
    /// States that it starts from; empty for a declaration, which begins a case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(schema_with = "schema::codes::<CaseState>"))]
    pub from: Vec<CaseState>,
    /// Roles that may make it. That nobody looks through their own papers (ORG-3) holds beside.
    #[cfg_attr(test, schemars(schema_with = "schema::codes::<Role>"))]
    pub roles: Vec<Role>,
    /// What has to be so in the case and the facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(schema_with = "schema::codes::<Guard>"))]
    pub guards: Vec<Guard>,
    /// Papers and photos that the command has to bring.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(schema_with = "schema::codes::<Evidence>"))]
    pub evidence: Vec<Evidence>,
}

/// A time within which a case should leave some states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// While the case is in one of these.
    #[cfg_attr(test, schemars(schema_with = "schema::codes::<CaseState>"))]
    pub states: Vec<CaseState>,
    /// Counted from.
    #[cfg_attr(test, schemars(schema_with = "schema::code::<Since>"))]
    pub since: Since,
    /// How long.
    pub within: Within,
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Within {
    /// Calendar days, at most 366.
    Days(u32),
    /// Days on which offices work, by the calendar with moved days (调休), at most 250.
    WorkingDays(u32),
    /// Calendar months, at most 12.
    Months(u32),
}

/// Who is told of what is late, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// Days before the limit on which whoever has to act is warned; at most 30.
    pub warn_days: u32,
    /// Told on the first day after the limit (orange).
    #[cfg_attr(test, schemars(schema_with = "schema::codes::<Role>"))]
    pub orange_roles: Vec<Role>,
    /// Days after the limit on which it turns red; 1 to 90.
    pub red_after_days: u32,
    /// Told then.
    #[cfg_attr(test, schemars(schema_with = "schema::codes::<Role>"))]
    pub red_roles: Vec<Role>,
}

impl Template {
    /// Reads a template from JSON and checks all of it.
    ///
    /// # Errors
    /// Every fault at once; a text that does not read has one.
    pub fn read(json: &str) -> Result<Self, Vec<Fault>> {
        let template = file::parse(json)?;
        match check::faults(&template) {
            faults if faults.is_empty() => Ok(template),
            faults => Err(faults),
        }
    }

    /// The template as JSON, as [`Template::read`] takes it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Maps have text keys and no number is infinite: nothing here can fail to be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Whether a case in `division` may begin on it that day.
    #[must_use]
    pub fn applies(&self, division: DivisionCode, day: NaiveDate) -> bool {
        self.valid_from <= day
            && self.valid_until.is_none_or(|until| day <= until)
            && self.division.is_none_or(|own| own.contains(&division))
    }

    /// The step that a move is in a state; for a declaration in no state.
    #[must_use]
    pub fn step(&self, step: Move, from: Option<CaseState>) -> Option<&Step> {
        self.steps.iter().find(|s| {
            s.step == step && from.map_or(s.from.is_empty(), |state| s.from.contains(&state))
        })
    }

    /// The steps out of a state, in the order of the file.
    pub fn steps_from(&self, state: CaseState) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |s| s.from.contains(&state))
    }

    /// Roles whose turn it is in a state: those of the moves that lead the procedure on.
    pub fn turn(&self, state: CaseState) -> impl Iterator<Item = Role> {
        let on = self.steps_from(state).filter(|s| s.step.leads_on());
        on.flat_map(|s| s.roles.iter().copied())
    }

    /// States that a move starts from. Empty for a declaration, and for a move that the procedure
    /// does not have.
    #[must_use]
    pub fn from(&self, step: Move) -> Vec<CaseState> {
        let steps = self.steps.iter().filter(|s| s.step == step);
        steps.flat_map(|s| s.from.iter().copied()).collect()
    }

    /// The step that a move is in a state, else the first of the move: a refusal tells what the move
    /// would need, wherever it is tried.
    #[must_use]
    pub fn nearest(&self, step: Move, from: CaseState) -> Option<&Step> {
        let first = || self.steps.iter().find(|s| s.step == step);
        self.step(step, Some(from)).or_else(first)
    }
}
