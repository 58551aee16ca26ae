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
        if news.stage <= self.stage {
            return None;
        }
        self.stage = news.stage;
        match news.stage {
            Stage::Preparing => None,
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
