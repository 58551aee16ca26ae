//! Between the core's values and the wire's.

pub mod case;
pub mod claim;
pub mod command;
pub mod deputy;
pub mod facts;
pub mod lead;
pub mod meeting;
pub mod notice;
pub mod objection;

use chrono::NaiveDate;
use kernel::Code;
use proto::workflow::v1::{Alarm as WireAlarm, CaseState as WireState, LeadState as WireLeadState};
use workflow_core::{Alarm, CaseState, lead::LeadState};

/// Reads a state; `None` when unspecified or unknown.
pub fn case_state(value: i32) -> Option<CaseState> {
    chassis::decode::code_of(WireState::try_from(value).ok()?.as_str_name(), "CASE_STATE")
}

/// Writes a state.
pub fn case_state_to_proto(state: CaseState) -> i32 {
    WireState::from_str_name(&format!("CASE_STATE_{}", state.as_str())).map_or(0, Into::into)
}

/// Reads a state; `None` when unspecified or unknown.
pub fn lead_state(value: i32) -> Option<LeadState> {
    chassis::decode::code_of(
        WireLeadState::try_from(value).ok()?.as_str_name(),
        "LEAD_STATE",
    )
}

/// Writes a state.
pub fn lead_state_to_proto(state: LeadState) -> i32 {
    WireLeadState::from_str_name(&format!("LEAD_STATE_{}", state.as_str())).map_or(0, Into::into)
}

/// Reads an alarm; `None` when unspecified or unknown.
pub fn alarm(value: i32) -> Option<Alarm> {
    chassis::decode::code_of(WireAlarm::try_from(value).ok()?.as_str_name(), "ALARM")
}

/// Writes an alarm; the more urgent, the greater the number.
pub fn alarm_to_proto(alarm: Option<Alarm>) -> i32 {
    let name = alarm.map(|alarm| format!("ALARM_{}", alarm.as_str()));
    let found = name.and_then(|name| WireAlarm::from_str_name(&name));
    found.map_or(0, Into::into)
}

/// A day, or nothing.
pub fn day(day: Option<NaiveDate>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

/// Reads a stored day.
pub fn read_day(text: &str) -> anyhow::Result<Option<NaiveDate>> {
    if text.is_empty() {
        return Ok(None);
    }
    Ok(Some(text.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_survives_the_wire() {
        for state in CaseState::ALL {
            assert_eq!(case_state(case_state_to_proto(*state)), Some(*state));
        }
        for state in LeadState::ALL {
            assert_eq!(lead_state(lead_state_to_proto(*state)), Some(*state));
        }
        for known in Alarm::ALL {
            assert_eq!(alarm(alarm_to_proto(Some(*known))), Some(*known));
        }
        assert_eq!(case_state(0), None);
        assert_eq!(lead_state(99), None);
    }
}
