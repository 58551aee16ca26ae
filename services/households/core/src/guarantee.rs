//! The two no-worries, the three guarantees and drinking water (S07).

use chrono::NaiveDate;
use kernel::{Code, Guarantee, GuaranteeStatus};

/// What somebody found on one guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub guarantee: Guarantee,
    /// What was found.
    pub status: GuaranteeStatus,
    /// When.
    pub checked_on: NaiveDate,
    /// Anything to add.
    pub remark: String,
}

/// The latest finding up to `day` on each guarantee, in the order of the list.
#[must_use]
pub fn latest(findings: &[Finding], day: NaiveDate) -> Vec<Finding> {
    let of = |guarantee: Guarantee| {
        findings
            .iter()
            .filter(|finding| finding.guarantee == guarantee && finding.checked_on <= day)
            .max_by_key(|finding| finding.checked_on)
            .cloned()
    };
    Guarantee::ALL.iter().copied().filter_map(of).collect()
}

/// Whether all were checked. `latest` comes from [`latest()`].
#[must_use]
pub fn complete(latest: &[Finding]) -> bool {
    latest.len() == Guarantee::ALL.len()
}

/// Whether all were checked and are safe.
#[must_use]
pub fn safe(latest: &[Finding]) -> bool {
    complete(latest) && latest.iter().all(|f| f.status == GuaranteeStatus::Safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_each_counts_and_one_that_is_missing_is_not_safe() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let finding = |guarantee, status, on: &str| Finding {
            guarantee,
            status,
            checked_on: day(on),
            remark: String::new(),
        };
        let mut findings: Vec<Finding> = Guarantee::ALL
            .iter()
            .map(|&g| finding(g, GuaranteeStatus::Safe, "2026-01-01"))
            .collect();
        let now = latest(&findings, day("2026-06-01"));
        assert!(complete(&now) && safe(&now));
        findings.push(finding(
            Guarantee::SafeWater,
            GuaranteeStatus::Unsafe,
            "2026-05-01",
        ));
        assert!(!safe(&latest(&findings, day("2026-06-01"))));
        assert!(safe(&latest(&findings, day("2026-04-30"))));
        assert!(!complete(&latest(&findings, day("2025-12-31"))));
        assert!(!safe(&now[1..]));
    }
}
