//! The rules of leads and cases, as functions from values to values.
//!
//! [`decide`] takes a case, a command and the facts, and answers with the event or with every unmet
//! requirement at once. A [`Case`] is the fold of its events. [`moves`] says what is missing before
//! anybody presses a button, with the same guards.

#![deny(missing_docs)]

mod calendar;
mod case;
mod claim;
mod command;
mod decide;
mod deputy;
mod due;
mod facts;
mod guard;
pub mod lead;
mod meeting;
mod moves;
mod notice_code;
mod objection;
mod public_notice;
mod state;
mod template;
#[cfg(test)]
mod tests;
mod work;

pub use calendar::{is_working_day, plus_working_days};
pub use case::{Case, Ended, Event, Noted, Notice, Override, Posting, What};
pub use claim::{
    CLAIM_DAYS, CLAIMS_MAX, Claim, claim_case, claim_lead, hand_over_case, hand_over_lead,
    release_case, release_lead,
};
pub use command::{
    Actor, AppealOutcome, Appraisal, Command, Correction, Declaration, DisqualificationGround,
    NaturalEnd, NotQualified, Part, Proxy, ProxyRelation, Removal, Visit,
};
pub use decide::{Decision, History, decide, declare};
pub use deputy::{Appointment, DEPUTY_DAYS_MAX, appointable};
pub use due::{Alarm, Notification, alarm, answer_due, due, last_chance, next_alarm, notification};
pub use facts::{ComparisonFacts, Facts, HouseholdFacts, MeasureFacts, Needs};
pub use guard::overridable;
pub use meeting::{Ballot, Capacity, Meeting};
pub use moves::{NextMove, moves};
pub use notice_code::{InvalidNoticeCode, NoticeCode};
pub use objection::{
    Answering, Objecting, Objection, ObjectionChannel, ObjectionOutcome, Objections, Recheck,
    Verdict,
};
pub use public_notice::{
    Entry, Grounds, PublicNotice, PublicReason, PublicText, answer_within, category_name,
};
pub use state::{CaseState, Duty, Move};
pub use template::{
    DEFAULT, Escalation, Evidence, Fault, Guard, Hold, Limit, Parameters, SHIPPED, Since, Step,
    Template, Within,
};
pub use work::{Turn, turns};
