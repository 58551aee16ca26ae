//! Months, quarters and the county's local date. China has one zone, UTC+8, and no daylight saving.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, FixedOffset, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

/// UTC+8.
const SHANGHAI_SECONDS: i32 = 8 * 3600;

/// The date in the county (Asia/Shanghai) at an instant.
#[must_use]
pub fn local_date(instant: DateTime<Utc>) -> NaiveDate {
    FixedOffset::east_opt(SHANGHAI_SECONDS).map_or(instant.date_naive(), |zone| {
        instant.with_timezone(&zone).date_naive()
    })
}

/// The instant as the county's clocks show it, e.g. `2026-03-02T10:30:00+08:00`. Written when it is shown.
#[must_use]
pub fn local_time(instant: DateTime<Utc>) -> impl fmt::Display {
    let zone = FixedOffset::east_opt(SHANGHAI_SECONDS);
    let local = zone.map_or(instant.fixed_offset(), |zone| instant.with_timezone(&zone));
    local.format("%Y-%m-%dT%H:%M:%S%:z")
}

/// The instant at which a day in the county begins.
#[must_use]
pub fn day_start(day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN).and_utc();
    let before = TimeDelta::seconds(SHANGHAI_SECONDS.into());
    midnight.checked_sub_signed(before).unwrap_or(midnight)
}

/// The instant at which a day in the county ends.
#[must_use]
pub fn day_end(day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN).and_utc();
    let after = TimeDelta::days(1) - TimeDelta::seconds(SHANGHAI_SECONDS.into());
    midnight.checked_add_signed(after).unwrap_or(midnight)
}

/// A calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month(NaiveDate);

impl Month {
    /// The month that `date` lies in.
    #[must_use]
    pub fn of(date: NaiveDate) -> Self {
        Self(date.with_day(1).unwrap_or(date))
    }

    /// First day.
    #[must_use]
    pub const fn first_day(self) -> NaiveDate {
        self.0
    }

    /// Last day.
    #[must_use]
    pub fn last_day(self) -> NaiveDate {
        self.next().0.pred_opt().unwrap_or(self.0)
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add_months(Months::new(1)).unwrap_or(self.0))
    }

    /// `months` before this one.
    #[must_use]
    pub fn minus(self, months: u32) -> Self {
        Self(
            self.0
                .checked_sub_months(Months::new(months))
                .unwrap_or(self.0),
        )
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m"))
    }
}

impl FromStr for Month {
    type Err = chrono::ParseError;
    /// Reads `2026-08`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").map(Self)
    }
}

/// A calendar quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quarter {
    /// Year.
    pub year: i32,
    /// 1 to 4.
    pub number: u32,
}

impl Quarter {
    /// The quarter that `date` lies in.
    #[must_use]
    pub fn of(date: NaiveDate) -> Self {
        Self {
            year: date.year(),
            number: date.month0() / 3 + 1,
        }
    }

    /// First day.
    #[must_use]
    pub fn first_day(self) -> NaiveDate {
        NaiveDate::from_ymd_opt(self.year, (self.number - 1) * 3 + 1, 1).unwrap_or_default()
    }

    /// `quarters` after this one.
    #[must_use]
    pub fn plus(self, quarters: u32) -> Self {
        Self::of(
            self.first_day()
                .checked_add_months(Months::new(quarters * 3))
                .unwrap_or_default(),
        )
    }
}

/// The twelve full months before the month of identification, over which income is counted
/// (`national-practice` 2.4: for 2021-06, from 2020-06-01 to 2021-05-31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerWindow {
    /// First day, inclusive.
    pub from: NaiveDate,
    /// Last day, inclusive.
    pub to: NaiveDate,
}

impl LedgerWindow {
    /// The window for an identification on `date`.
    #[must_use]
    pub fn before(date: NaiveDate) -> Self {
        let month = Month::of(date);
        Self {
            from: month.minus(12).first_day(),
            to: month.minus(1).last_day(),
        }
    }

    /// Whether `date` lies inside.
    #[must_use]
    pub fn contains(&self, date: NaiveDate) -> bool {
        self.from <= date && date <= self.to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    #[test]
    fn window_is_the_published_example() {
        let window = LedgerWindow::before(date("2021-06-17"));
        assert_eq!(
            (window.from, window.to),
            (date("2020-06-01"), date("2021-05-31"))
        );
    }

    #[test]
    fn local_date_turns_at_sixteen_hours_utc() {
        let instant = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
        assert_eq!(
            local_date(instant("2026-12-31T15:59:59Z")),
            date("2026-12-31")
        );
        assert_eq!(
            local_date(instant("2026-12-31T16:00:00Z")),
            date("2027-01-01")
        );
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day = date("2026-12-31");
        let midnight: DateTime<Utc> = "2026-12-31T16:00:00Z".parse().expect("an instant");
        assert_eq!(day_end(day), midnight);
        assert_eq!(local_date(day_end(day)), date("2027-01-01"));
    }

    #[test]
    fn months_and_quarters_cross_the_year() {
        let month: Month = "2026-12".parse().expect("a month");
        assert_eq!(month.next().to_string(), "2027-01");
        assert_eq!(month.last_day(), date("2026-12-31"));
        assert_eq!(
            Quarter::of(date("2026-11-23")).plus(2).first_day(),
            date("2027-04-01")
        );
    }
}
