//! What a plan asks attention for. Nothing here stops anybody: the guards do.

use chrono::{Months, NaiveDate};
use kernel::{RiskType, RuleId};

use crate::{MeasureKind, Plan, Stage, kind};

kernel::codes! {
    /// Something that a person should look at.
    Warning {
        /// A single risk has more than one measure (S49: the welfare trap).
        SingleRiskStacked = "SINGLE_RISK_STACKED",
        /// A risk has measures, but none that fits it (MEA-10).
        MeasureDoesNotFitRisk = "MEASURE_DOES_NOT_FIT_RISK",
        /// Somebody can work, and no measure helps to earn (S51).
        LabourWithoutDevelopment = "LABOUR_WITHOUT_DEVELOPMENT",
        /// Nobody can work, and no measure carries the household (S52).
        NoLabourWithoutSafetyNet = "NO_LABOUR_WITHOUT_SAFETY_NET",
        /// A month after enrolment nothing has been delivered (national rule 1_11_010).
        MonthWithoutDelivery = "MONTH_WITHOUT_DELIVERY",
        /// A month has passed without a record in time (S47).
        MonitoringMissed = "MONITORING_MISSED",
    }
}

impl Warning {
    /// The rule that it comes from.
    #[must_use]
    pub const fn rule(self) -> RuleId {
        match self {
            Self::SingleRiskStacked => "S49",
            Self::MeasureDoesNotFitRisk => "MEA-10",
            Self::LabourWithoutDevelopment => "S51",
            Self::NoLabourWithoutSafetyNet => "S52",
            Self::MonthWithoutDelivery => "1_11_010",
            Self::MonitoringMissed => "S47",
        }
    }
}

impl Plan {
    /// What asks for attention on a day, in the order of the list.
    #[must_use]
    pub fn warnings(&self, today: NaiveDate) -> Vec<Warning> {
        let holds = |warning: &Warning| match warning {
            Warning::SingleRiskStacked => self.is_stacked(),
            Warning::MeasureDoesNotFitRisk => self.risks.iter().any(|risk| self.misfits(*risk)),
            Warning::LabourWithoutDevelopment => {
                self.has_labour == Some(true) && self.lacks(MeasureKind::is_development)
            }
            Warning::NoLabourWithoutSafetyNet => {
                self.has_labour == Some(false) && self.lacks(MeasureKind::is_safety_net)
            }
            Warning::MonthWithoutDelivery => self.waits_for_delivery(today),
            Warning::MonitoringMissed => !self.missed_months(today).is_empty(),
        };
        let all = <Warning as kernel::Code>::ALL.iter();
        all.copied().filter(holds).collect()
    }

    /// S49. Measures that S51 and S53 ask for come on top and do not count.
    fn is_stacked(&self) -> bool {
        let against_risk = self
            .measures
            .iter()
            .filter(|m| !m.kind.goes_with_any_risk());
        self.risks.len() == 1 && against_risk.count() > 1
    }

    /// MEA-10, as the province checks it: of the kinds for the risk there must be one.
    fn misfits(&self, risk: RiskType) -> bool {
        let Some(fitting) = kind::fitting(risk) else {
            return false;
        };
        let mut against = self.measures.iter().filter(|m| m.risk == risk).peekable();
        against.peek().is_some() && !against.any(|m| fitting.contains(&m.kind))
    }

    /// A plan that has not begun lacks nothing yet: the guards ask for its measures.
    fn lacks(&self, is_kind: fn(MeasureKind) -> bool) -> bool {
        !self.measures.is_empty() && !self.measures.iter().any(|m| is_kind(m.kind))
    }

    fn waits_for_delivery(&self, today: NaiveDate) -> bool {
        let month_later = |day: NaiveDate| day.checked_add_months(Months::new(1));
        self.stage == Stage::Monitored
            && self
                .enrolled_on
                .and_then(month_later)
                .is_some_and(|day| day <= today)
            && !self.measures.iter().any(|m| m.is_delivered_by(today))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{day, delivery, measure};

    const TODAY: &str = "2026-06-20";

    fn warnings(plan: &Plan, today: &str) -> Vec<Warning> {
        plan.warnings(day(today))
    }

    fn with(kinds: &[MeasureKind], risk: RiskType) -> Plan {
        let mut plan = crate::properties::plan("2026-06-15");
        plan.risks = vec![risk];
        plan.measures = kinds.iter().map(|kind| measure(*kind, risk)).collect();
        plan
    }

    #[test]
    fn a_single_risk_with_several_measures_is_stacked_s49() {
        use MeasureKind::{Employment, Health, Motivation, SocialHelp};
        let stacked = with(&[Health, SocialHelp], RiskType::Illness);
        assert_eq!(warnings(&stacked, TODAY), [Warning::SingleRiskStacked]);
        let asked_for = with(&[Health, Employment, Motivation], RiskType::Illness);
        assert_eq!(warnings(&asked_for, TODAY), [], "S51 and S53 ask for these");
        let mut package = stacked;
        package.risks.push(RiskType::Accident);
        assert_eq!(
            warnings(&package, TODAY),
            [],
            "S50: a package for complex risks"
        );
    }

    #[test]
    fn the_province_s_table_of_fitting_kinds_mea_10() {
        use MeasureKind::{Industry, Relocation, SocialHelp, SocialSecurity, Water};
        let misfit = [Warning::MeasureDoesNotFitRisk];
        for (risk, bad, good) in [
            (RiskType::Illness, Water, SocialSecurity),
            (RiskType::Education, SocialSecurity, SocialHelp),
            (RiskType::Disability, Industry, SocialHelp),
            (RiskType::Housing, Water, Relocation),
            (RiskType::Water, Industry, Water),
        ] {
            assert_eq!(warnings(&with(&[bad], risk), TODAY), misfit, "{risk} {bad}");
            assert_eq!(warnings(&with(&[good], risk), TODAY), [], "{risk} {good}");
        }
        assert_eq!(warnings(&with(&[Water], RiskType::Accident), TODAY), []);
    }

    #[test]
    fn labour_is_developed_and_no_labour_is_carried_s51_s52() {
        use MeasureKind::{Employment, SocialSecurity};
        let mut carried = with(&[SocialSecurity], RiskType::Accident);
        carried.has_labour = Some(true);
        assert_eq!(
            warnings(&carried, TODAY),
            [Warning::LabourWithoutDevelopment]
        );
        carried.has_labour = Some(false);
        assert_eq!(warnings(&carried, TODAY), []);
        let mut developed = with(&[Employment], RiskType::Accident);
        developed.has_labour = Some(false);
        assert_eq!(
            warnings(&developed, TODAY),
            [Warning::NoLabourWithoutSafetyNet]
        );
        developed.has_labour = Some(true);
        assert_eq!(warnings(&developed, TODAY), []);
    }

    #[test]
    fn a_month_without_delivery_is_told() {
        let mut plan = with(&[MeasureKind::Health], RiskType::Illness);
        assert_eq!(warnings(&plan, "2026-07-14"), []);
        assert_eq!(
            warnings(&plan, "2026-07-15"),
            [Warning::MonthWithoutDelivery]
        );
        plan.measures[0].deliveries.push(delivery("2026-07-15", 0));
        assert_eq!(warnings(&plan, "2026-07-15"), []);
        assert_eq!(warnings(&plan, "2026-08-01"), [Warning::MonitoringMissed]);
    }
}
