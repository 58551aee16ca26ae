//! Days on which offices work. Which weekdays are off and which weekends are worked for them (调休)
//! is announced every year, so it is data: `calendars/china.json`.

use std::{collections::BTreeSet, sync::LazyLock};

use chrono::{Datelike, NaiveDate, Weekday};
use serde::Deserialize;

/// One year's announcement.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Year {
    year: i32,
    /// The announcement.
    #[serde(rename = "basis")]
    _basis: String,
    /// Mondays to Fridays on which nobody works.
    days_off: BTreeSet<NaiveDate>,
    /// Saturdays and Sundays that are worked instead.
    days_worked: BTreeSet<NaiveDate>,
}

/// A year that is not announced yet has Mondays to Fridays.
static ANNOUNCED: LazyLock<Vec<Year>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../calendars/china.json")).unwrap_or_default()
});

/// Whether offices work that day.
#[must_use]
pub fn is_working_day(day: NaiveDate) -> bool {
    let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    match ANNOUNCED.iter().find(|year| year.year == day.year()) {
        Some(year) if is_weekend => year.days_worked.contains(&day),
        Some(year) => !year.days_off.contains(&day),
        None => !is_weekend,
    }
}

/// `days` working days after `day`.
#[must_use]
pub fn plus_working_days(day: NaiveDate, days: u32) -> NaiveDate {
    let later = day.iter_days().skip(1).filter(|day| is_working_day(*day));
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

    #[test]
    fn working_days_follow_the_announcement() {
        // 国庆 2026: off from Thursday 1 to Wednesday 7 October; Saturday 10 October is worked.
        assert_eq!(plus_working_days(day("2026-09-30"), 1), day("2026-10-08"));
        assert_eq!(plus_working_days(day("2026-10-09"), 1), day("2026-10-10"));
        // 春节 2026: nine days off, the Saturdays before and after are worked.
        assert_eq!(plus_working_days(day("2026-02-13"), 2), day("2026-02-24"));
        assert!(is_working_day(day("2026-02-28")));
    }

    #[test]
    fn every_announced_day_is_an_exception_of_its_year() {
        assert_eq!(ANNOUNCED.len(), 2);
        for year in ANNOUNCED.iter() {
            assert!(!year.days_off.is_empty() && !year.days_worked.is_empty());
            let is_weekend = |day: &NaiveDate| matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
            assert!(
                year.days_off
                    .iter()
                    .all(|day| day.year() == year.year && !is_weekend(day))
            );
            assert!(
                year.days_worked
                    .iter()
                    .all(|day| day.year() == year.year && is_weekend(day))
            );
        }
    }

    #[test]
    fn a_year_not_announced_has_mondays_to_fridays() {
        assert!(is_working_day(day("2031-10-01")));
        assert!(!is_working_day(day("2031-10-04")));
    }
}
