//! Days by which the current step should be done. Being late refuses nothing; it is shown and told.

use chrono::{Days, Months, NaiveDate};
use kernel::Role;

use crate::{
    calendar::plus_working_days,
    case::Case,
    state::CaseState,
    template::{Limit, Since, Within},
};

/// Day by which the current step of the case should be done; `None` without a limit.
#[must_use]
pub fn due(case: &Case) -> Option<NaiveDate> {
    if case.state.is_final() {
        return None;
    }
    // Help came first: only the papers are waited for (T12e).
    if let Some(flagged) = case.emergency
        && case.enrolled.is_none()
    {
        let days = case.template.parameters.emergency_papers_days;
        return flagged.checked_add_days(Days::new(days.into()));
    }
    let limits = case.template.limits.iter();
    let here = limits.filter(|limit| limit.states.contains(&case.state));
    let limit = here.filter_map(|limit| end(limit, case)).min();
    let own = match case.state {
        CaseState::OnNotice | CaseState::ElimOnNotice => case.notice_closable(),
        CaseState::UnderAssistance => case.next_review.or(case.planned_elimination),
        _ => None,
    };
    [limit, own].into_iter().flatten().min()
}

fn end(limit: &Limit, case: &Case) -> Option<NaiveDate> {
    let since = match limit.since {
        Since::Declaration => case.declared,
        Since::LastStep => case.reached,
        Since::Enrolment => case.enrolled?,
    };
    match limit.within {
        Within::Days(days) => since.checked_add_days(Days::new(days.into())),
        Within::WorkingDays(days) => Some(plus_working_days(since, days)),
        Within::Months(months) => since.checked_add_months(Months::new(months)),
    }
}

kernel::codes! {
    /// How late a case is.
    Alarm {
        /// The limit is near.
        Warning = "WARNING",
        /// The limit has passed.
        Orange = "ORANGE",
        /// It passed long ago.
        Red = "RED",
    }
}

/// The days on which a case that is due on `due` becomes more urgent, and who is told then. Whoever
/// may make the next move is warned; an alarm is told to those above them.
#[must_use]
pub fn alarms(case: &Case, due: NaiveDate) -> [(NaiveDate, Alarm, Vec<Role>); 3] {
    let escalation = &case.template.escalation;
    let later = |days: u32| due.checked_add_days(Days::new(days.into())).unwrap_or(due);
    let warned = due.checked_sub_days(Days::new(escalation.warn_days.into()));
    let mut turn: Vec<Role> = Vec::new();
    for role in case.template.turn(case.state) {
        if !turn.contains(&role) {
            turn.push(role);
        }
    }
    [
        (warned.unwrap_or(due), Alarm::Warning, turn),
        (later(1), Alarm::Orange, escalation.orange_roles.clone()),
        (
            later(escalation.red_after_days + 1),
            Alarm::Red,
            escalation.red_roles.clone(),
        ),
    ]
}

/// How urgent a case is on a day.
#[must_use]
pub fn alarm(case: &Case, today: NaiveDate) -> Option<Alarm> {
    let due = due(case)?;
    let alarms = alarms(case, due).into_iter();
    let reached = alarms.rev().find(|(day, ..)| *day <= today);
    reached.map(|(_, alarm, _)| alarm)
}
