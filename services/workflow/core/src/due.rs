//! Days by which the current step should be done. Being late refuses nothing; it is shown.

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

use crate::{case::Case, state::CaseState};

/// Day by which the current step of the case should be done; `None` without a limit.
#[must_use]
pub fn due(case: &Case) -> Option<NaiveDate> {
    let limits = &case.template.limits;
    let after = |days: u32| case.reached.checked_add_days(Days::new(days.into()));
    // Help came first: only the papers are waited for (T12e).
    if let Some(flagged) = case.emergency
        && case.enrolled.is_none()
        && !case.state.is_final()
    {
        return flagged.checked_add_days(Days::new(limits.emergency_papers_days.into()));
    }
    match case.state {
        CaseState::Declared | CaseState::Authorised => {
            Some(plus_working_days(case.declared, limits.visit_working_days))
        }
        CaseState::OnNotice | CaseState::ElimOnNotice => case.notice_closable(),
        CaseState::NoticeClosed => after(limits.review_days),
        CaseState::TownshipReviewed => after(limits.comparison_days),
        CaseState::Compared | CaseState::Approved => after(limits.entry_days),
        CaseState::Enrolled => case
            .enrolled?
            .checked_add_months(Months::new(limits.delivery_months)),
        CaseState::UnderAssistance => case.next_review.or(case.planned_elimination),
        _ => None,
    }
}

/// `days` working days after `day`: Mondays to Fridays.
#[must_use]
pub fn plus_working_days(day: NaiveDate, days: u32) -> NaiveDate {
    let works = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let later = day.iter_days().skip(1).filter(works);
    later.take(days as usize).last().unwrap_or(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn working_days_leave_out_weekends() {
        // 2026-11-23 is a Monday, 2026-11-27 a Friday.
        assert_eq!(plus_working_days(day("2026-11-23"), 5), day("2026-11-30"));
        assert_eq!(plus_working_days(day("2026-11-27"), 1), day("2026-11-30"));
        assert_eq!(plus_working_days(day("2026-11-28"), 5), day("2026-12-04"));
        assert_eq!(plus_working_days(day("2026-11-28"), 0), day("2026-11-28"));
    }
}
