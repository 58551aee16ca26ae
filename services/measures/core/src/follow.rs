//! A plan follows its case: it opens with the declaration, is monitored from enrolment on, and ends
//! with the case.

use chrono::NaiveDate;
use kernel::{CaseId, DivisionCode, HouseholdId, RiskType};

use crate::Plan;

kernel::codes! {
    /// Where the case stands, as far as assistance is concerned. A case only moves forward.
    Stage {
        /// Before enrolment: measures are planned, urgent ones delivered (T12e).
        Preparing = "PREPARING",
        /// Enrolled and not yet eliminated: one record each month (S47).
        Monitored = "MONITORED",
        /// Eliminated, disqualified, closed or withdrawn.
        Ended = "ENDED",
    }
}

/// What an event of the case says to the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseNews {
    /// Where the case stands now.
    pub stage: Stage,
    /// Its risks.
    pub risks: Vec<RiskType>,
    /// Day of enrolment.
    pub enrolled_on: Option<NaiveDate>,
    /// Whether somebody in the household can work; `None` when the news does not say.
    pub has_labour: Option<bool>,
    /// Day of the event.
    pub day: NaiveDate,
}

/// A step of the case that matters to whoever follows the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// The plan exists.
    Opened,
    /// Monthly monitoring begins.
    Enrolled,
    /// Assistance ends.
    Ended,
}

impl Plan {
    /// The empty plan of a case.
    #[must_use]
    pub fn open(
        case: CaseId,
        household: HouseholdId,
        division: DivisionCode,
        news: CaseNews,
    ) -> Self {
        let mut plan = Self {
            case,
            household,
            division,
            stage: Stage::Preparing,
            risks: Vec::new(),
            has_labour: None,
            enrolled_on: None,
            ended_on: None,
            planned_elimination_on: None,
            responsible: Vec::new(),
            measures: Vec::new(),
            closed_risks: Vec::new(),
            monitoring: Vec::new(),
            version: 0,
        };
        plan.follow(news);
        plan
    }

    /// Takes over what the case says. The milestone, if it is one.
    pub fn follow(&mut self, news: CaseNews) -> Option<Milestone> {
        self.version += 1;
        self.risks = news.risks;
        self.enrolled_on = self.enrolled_on.or(news.enrolled_on);
        self.has_labour = news.has_labour.or(self.has_labour);
        if news.stage == self.stage {
            return None;
        }
        self.stage = news.stage;
        match news.stage {
            // A case that had ended goes on after an appeal (WF-9).
            Stage::Preparing => {
                self.ended_on = None;
                None
            }
            Stage::Monitored => {
                self.enrolled_on = self.enrolled_on.or(Some(news.day));
                Some(Milestone::Enrolled)
            }
            Stage::Ended => {
                self.ended_on = Some(news.day);
                Some(Milestone::Ended)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::properties::{day, plan};

    #[test]
    fn wf9_a_plan_goes_on_with_a_case_that_was_opened_again() {
        let news = |stage| CaseNews {
            stage,
            risks: Vec::new(),
            enrolled_on: None,
            has_labour: None,
            day: day("2026-07-01"),
        };
        let mut plan = plan("2026-06-15");
        (plan.stage, plan.enrolled_on) = (Stage::Preparing, None);
        assert_eq!(plan.follow(news(Stage::Ended)), Some(Milestone::Ended));
        assert_eq!(plan.follow(news(Stage::Preparing)), None);
        assert_eq!((plan.stage, plan.ended_on), (Stage::Preparing, None));
        let enrolled = plan.follow(news(Stage::Monitored));
        assert_eq!(enrolled, Some(Milestone::Enrolled));
        assert_eq!(plan.enrolled_on, Some(day("2026-07-01")));
    }
}
