//! Days by which the current step should be done. Being late refuses nothing; it is shown and told.

use std::collections::BTreeMap;

use chrono::{Days, Months, NaiveDate};
use kernel::Role;

use crate::{
    calendar::plus_working_days,
    case::{Case, Event, Noted, What},
    state::{CaseState, Move},
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

/// Day by which an objection should be answered that came in on a day (T7o).
#[must_use]
pub fn answer_due(case: &Case, received: NaiveDate) -> Option<NaiveDate> {
    let limits = case.template.limits.iter();
    let answers = limits.filter(|limit| limit.since == Since::Objection);
    answers.filter_map(|limit| within(limit, received)).min()
}

fn end(limit: &Limit, case: &Case) -> Option<NaiveDate> {
    let since = match limit.since {
        Since::Declaration => case.declared,
        Since::LastStep => case.reached,
        Since::Enrolment => case.enrolled?,
        Since::Objection => case.objections.waiting_since()?,
    };
    within(limit, since)
}

fn within(limit: &Limit, since: NaiveDate) -> Option<NaiveDate> {
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

/// Something to tell people about a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// How urgent it is.
    pub alarm: Alarm,
    /// First day on which it is so.
    pub on: NaiveDate,
    /// The limit.
    pub due: NaiveDate,
    /// Who is told: whoever may make the next move, then those above them.
    pub roles: Vec<Role>,
}

impl Notification {
    /// The event that puts it on the record.
    #[must_use]
    pub fn event(&self, case: &Case, actor: &str, today: NaiveDate) -> Event {
        Event {
            what: What::AlarmRaised {
                alarm: self.alarm,
                due: self.due,
            },
            to: case.state,
            on: today,
            actor: actor.to_owned(),
            on_behalf_of: None,
            noted: Noted::Nothing,
        }
    }
}

/// How urgent a case is known to be: the last alarm, while it is about the limit of today.
#[must_use]
pub fn alarm(case: &Case) -> Option<Alarm> {
    let (about, alarm) = case.alarmed?;
    (due(case) == Some(about)).then_some(alarm)
}

/// What nobody was told of yet, in the order of days.
fn untold(case: &Case) -> impl DoubleEndedIterator<Item = Notification> {
    let told = alarm(case);
    let all = due(case).map(|due| notifications(case, due));
    let all = all.into_iter().flatten();
    all.filter(move |notification| Some(notification.alarm) > told)
}

fn notifications(case: &Case, due: NaiveDate) -> [Notification; 3] {
    let escalation = &case.template.escalation;
    let later = |days: u32| due.checked_add_days(Days::new(days.into())).unwrap_or(due);
    let warned = due.checked_sub_days(Days::new(escalation.warn_days.into()));
    let mut turn: Vec<Role> = case.template.turn(case.state).collect();
    turn.extend(answerers(case));
    turn.sort_unstable();
    turn.dedup();
    let orange = escalation.orange_roles.clone();
    let red = escalation.red_roles.clone();
    [
        (Alarm::Warning, warned.unwrap_or(due), turn),
        (Alarm::Orange, later(1), orange),
        (Alarm::Red, later(escalation.red_after_days + 1), red),
    ]
    .map(|(alarm, on, roles)| Notification {
        alarm,
        on,
        due,
        roles,
    })
}

/// Those who look into an objection and answer it, while there is one (T7o).
fn answerers(case: &Case) -> impl Iterator<Item = Role> {
    let waits = case.objections.open().next().is_some();
    let moves = [Move::Recheck, Move::AnswerObjection];
    let steps = moves.into_iter().filter(move |_| waits);
    let steps = steps.filter_map(|step| case.template.step(step, Some(case.state)));
    steps.flat_map(|step| step.roles.iter().copied())
}

/// The next day on which somebody has to be told something (WF-7).
#[must_use]
pub fn next_alarm(case: &Case) -> Option<NaiveDate> {
    untold(case).next().map(|notification| notification.on)
}

/// What has to be told today: the most urgent only, when several days were missed.
#[must_use]
pub fn notification(case: &Case, today: NaiveDate) -> Option<Notification> {
    untold(case)
        .rev()
        .find(|notification| notification.on <= today)
}

/// The last day on which the next step can be made so that every limit can still be kept: notices
/// that have to hang need their days. Behind it the case is going to be late (WF-6).
#[must_use]
pub fn last_chance(case: &Case) -> Option<NaiveDate> {
    if case.emergency.is_some() || case.state.is_final() {
        return due(case);
    }
    let here = case.template.limits.iter();
    let here = here.filter(|limit| limit.states.contains(&case.state));
    let chance = |limit: &Limit| {
        let end = end(limit, case)?;
        let hangs_in_time = case
            .notice_closable()
            .is_some_and(|closable| closable <= end);
        let days = match limit.since {
            // An answer needs no days of its own.
            Since::Objection => 0,
            _ => days_within(case, &limit.states, hangs_in_time),
        };
        end.checked_sub_days(Days::new(days))
    };
    here.filter_map(chance).min().or_else(|| due(case))
}

/// The fewest days that a case needs to leave `states` by the moves that lead on.
fn days_within(case: &Case, states: &[CaseState], hangs_in_time: bool) -> u64 {
    let notice_days = u64::from(case.template.parameters.notice_days);
    let mut best = BTreeMap::from([(case.state, 0)]);
    let mut waiting = vec![case.state];
    let mut fewest = None;
    while let Some(state) = waiting.pop() {
        let so_far = best.get(&state).copied().unwrap_or_default();
        if !states.contains(&state) {
            fewest = Some(fewest.map_or(so_far, |other: u64| other.min(so_far)));
            continue;
        }
        for step in case.template.steps_from(state).map(|step| step.step) {
            let days = match step {
                Move::CloseNotice if state == case.state && hangs_in_time => 0,
                Move::CloseNotice => notice_days,
                step if step.leads_on() => 0,
                _ => continue,
            };
            let (to, after) = (step.outcomes(state).0, so_far + days);
            if best.get(&to).is_none_or(|known| after < *known) {
                best.insert(to, after);
                waiting.push(to);
            }
        }
    }
    fewest.unwrap_or_default()
}
