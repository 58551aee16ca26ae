//! Risks of a household: at most five, with sub-codes and remarks (`national-practice` 2.5).

use kernel::RiskType;

use crate::flaw::Flaw;

/// National form: 致贫/返贫风险1 to 5.
pub const RISKS_MAX: usize = 5;
/// Longest remark.
pub const REMARK_CHARS_MAX: usize = 200;
/// Sub-codes of a natural disaster.
pub const DISASTER_CODES: [&str; 7] = ["0201", "0202", "0203", "0204", "0205", "0206", "0299"];

/// A risk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Risk {
    /// What kind.
    pub kind: RiskType,
    /// Of a natural disaster, one of [`DISASTER_CODES`]; else empty.
    pub sub_code: String,
    /// Mandatory for [`RiskType::Other`].
    pub remark: String,
}

/// What breaks the rules of 2.5. Fields are `risks[n].…`.
#[must_use]
pub fn flaws(risks: &[Risk]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if risks.len() > RISKS_MAX {
        flaws.push(Flaw::new("risks", "TOO_MANY", "at most 5 risks"));
        return flaws;
    }
    for (at, risk) in risks.iter().enumerate() {
        let mut flaw = |field: &str, code, expected| {
            flaws.push(Flaw::new(format!("risks[{at}].{field}"), code, expected));
        };
        let disaster = risk.kind == RiskType::NaturalDisaster;
        if disaster && !DISASTER_CODES.contains(&risk.sub_code.as_str()) {
            flaw("sub_code", "DISASTER_SUB_CODE", "0201 to 0206 or 0299");
        }
        if !disaster && !risk.sub_code.is_empty() {
            flaw(
                "sub_code",
                "SUB_CODE_OF_DISASTER_ONLY",
                "no sub-code but for a natural disaster",
            );
        }
        if risk.kind == RiskType::Other && risk.remark.is_empty() {
            flaw(
                "remark",
                "RISK_REMARK",
                "a remark on what the other risk is",
            );
        }
        if risks[..at]
            .iter()
            .any(|r| r.kind == risk.kind && r.sub_code == risk.sub_code)
        {
            flaw("type", "DUPLICATE", "every risk once");
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risk(kind: RiskType, sub_code: &str, remark: &str) -> Risk {
        Risk {
            kind,
            sub_code: sub_code.to_owned(),
            remark: remark.to_owned(),
        }
    }

    #[test]
    fn rules_of_the_national_form() {
        let code = |risks: &[Risk]| flaws(risks).first().map(|flaw| flaw.code);
        assert_eq!(code(&[risk(RiskType::Illness, "", "")]), None);
        assert_eq!(code(&[risk(RiskType::NaturalDisaster, "0206", "")]), None);
        assert_eq!(
            code(&[risk(RiskType::NaturalDisaster, "0207", "")]),
            Some("DISASTER_SUB_CODE")
        );
        assert_eq!(
            code(&[risk(RiskType::Illness, "0201", "")]),
            Some("SUB_CODE_OF_DISASTER_ONLY")
        );
        assert_eq!(code(&[risk(RiskType::Other, "", "")]), Some("RISK_REMARK"));
        assert_eq!(code(&[risk(RiskType::Other, "", "欠债")]), None);
        let twice = [
            risk(RiskType::Illness, "", ""),
            risk(RiskType::Illness, "", ""),
        ];
        assert_eq!(code(&twice), Some("DUPLICATE"));
        let six: Vec<Risk> = (0..6).map(|_| risk(RiskType::Illness, "", "")).collect();
        assert_eq!(code(&six), Some("TOO_MANY"));
    }
}
