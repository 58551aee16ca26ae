//! Dated monitoring lines (S06, `national-practice` 2.4).

use chrono::NaiveDate;
use kernel::{DivisionCode, Money};

/// Income per head below which a household is within the range of monitoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoringLine {
    /// The county, township or village it is for.
    pub division: DivisionCode,
    /// First day in force.
    pub effective_from: NaiveDate,
    /// The amount.
    pub amount: Money,
}

/// The line in force for `division` on `day`: of the most exact division, the latest.
#[must_use]
pub fn in_force(
    lines: &[MonitoringLine],
    division: &DivisionCode,
    day: NaiveDate,
) -> Option<Money> {
    lines
        .iter()
        .filter(|line| line.division.contains(division) && line.effective_from <= day)
        .max_by_key(|line| (line.division.level(), line.effective_from))
        .map(|line| line.amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_and_then_the_latest_wins() {
        let line = |division: &str, from: &str, yuan| MonitoringLine {
            division: division.parse().expect("a division"),
            effective_from: from.parse().expect("a day"),
            amount: Money::from_yuan(yuan),
        };
        let lines = [
            line("999999000000", "2026-01-01", 8700),
            line("999999000000", "2025-01-01", 8000),
            line("999999001000", "2024-01-01", 7000),
            line("999999001000", "2027-01-01", 9000),
        ];
        let find = |division: &str, day: &str| {
            let division = division.parse().expect("a division");
            in_force(&lines, &division, day.parse().expect("a day")).map(|m| m.fen() / 100)
        };
        assert_eq!(find("999999002001", "2026-06-01"), Some(8700));
        assert_eq!(find("999999002001", "2025-12-31"), Some(8000));
        assert_eq!(find("999999001001", "2026-06-01"), Some(7000));
        assert_eq!(find("999999001001", "2027-01-01"), Some(9000));
        assert_eq!(find("999999002001", "2024-12-31"), None);
        assert_eq!(find("999998001001", "2026-06-01"), None);
    }
}
