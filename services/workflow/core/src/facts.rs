//! What the guards need to know from elsewhere, fetched before a decision and passed in as values.

use chrono::NaiveDate;
use kernel::{ItemKind, Money, NoticePlaceId, Origin, RiskType};

use crate::{
    state::Move,
    template::{Guard, Step},
};

/// Everything that a decision may look at besides the case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// From the registry.
    pub household: HouseholdFacts,
    /// From the comparison; absent while none was opened.
    pub comparison: Option<ComparisonFacts>,
    /// From the measures.
    pub measures: MeasureFacts,
}

/// The registry's facts of a household.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HouseholdFacts {
    /// Where it comes from.
    pub origin: Option<Origin>,
    /// Whether all twelve months of the window are filled in (S06).
    pub income_complete: bool,
    /// Net income per head of the window.
    pub net_pc: Money,
    /// Reference income per head of the window.
    pub reference_pc: Money,
    /// Monitoring line in force; absent when none is set.
    pub line: Option<Money>,
    /// Since when every monthly window was at or above the line.
    pub above_line_since: Option<NaiveDate>,
    /// Whether guarantees and water were all checked (S07).
    pub guarantees_complete: bool,
    /// Whether all of them are safe.
    pub guarantees_safe: bool,
    /// 整户无劳动能力 (S43).
    pub no_labour: bool,
    /// Social security recorded for those without labour (S43).
    pub social_security_in_place: bool,
    /// Persons whose authorisation is needed (S18).
    pub persons_to_authorise: u32,
    /// Persons with a valid one.
    pub persons_authorised: u32,
    /// Items that every valid authorisation covers.
    pub items_covered: Vec<ItemKind>,
    /// Places where a notice has to hang (S30).
    pub required_places: Vec<NoticePlaceId>,
    /// Data-quality findings of severity ERROR (T3).
    pub quality_errors: Vec<String>,
}

/// The comparison's facts of a case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComparisonFacts {
    /// All nine items are there for everybody who has to be compared (S34).
    pub complete: bool,
    /// Items that are not.
    pub items_missing: Vec<ItemKind>,
    /// Persons whom a file was not compared with, for want of a valid authorisation (CMP-4).
    pub persons_left_out: u32,
    /// Date of the oldest data; absent until complete.
    pub oldest_data: Option<NaiveDate>,
    /// Hard flaws that nobody has cleared.
    pub hard_flaws_open: u32,
    /// Hard flaws that somebody has confirmed.
    pub hard_flaws_confirmed: u32,
    /// Review hits that nobody has decided.
    pub reviews_open: u32,
}

/// The measures' facts of a case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MeasureFacts {
    /// Somebody is responsible (S36).
    pub has_responsible: bool,
    /// Risks with a planned measure.
    pub risks_planned: Vec<RiskType>,
    /// Risks with a delivered measure.
    pub risks_delivered: Vec<RiskType>,
    /// Risks that are gone.
    pub risks_closed: Vec<RiskType>,
    /// Planned day of elimination (S36).
    pub planned_elimination: Option<NaiveDate>,
    /// A development measure was delivered (S51).
    pub development_delivered: bool,
    /// 低保 or 特困 was granted (S52).
    pub social_security_delivered: bool,
}

/// Whose facts a move's guards look at; nobody else has to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The registry's.
    pub household: bool,
    /// The comparison's.
    pub comparison: bool,
    /// The measures'.
    pub measures: bool,
}

impl Needs {
    /// Facts that a step depends on: those of its guards, and what its command is held against.
    #[must_use]
    pub fn of(step: &Step) -> Self {
        let own = match step.step {
            Move::PostNotice => Self::HOUSEHOLD,
            Move::Disqualify => Self::COMPARISON,
            _ => Self::default(),
        };
        let guards = step.guards.iter().map(|guard| Self::of_guard(*guard));
        guards.fold(own, Self::or)
    }

    const fn of_guard(guard: Guard) -> Self {
        match guard {
            Guard::VillageReported
            | Guard::NotFlagged
            | Guard::Appealable
            | Guard::NoticeHangs
            | Guard::NoOpenObjection
            | Guard::ObjectionOpen
            | Guard::ObjectionRechecked => Self {
                household: false,
                comparison: false,
                measures: false,
            },
            Guard::PersonsAuthorised
            | Guard::Investigated
            | Guard::GuaranteesSafe
            | Guard::StaysAboveLine
            | Guard::HungLongEnough
            | Guard::Category
            | Guard::Secured
            | Guard::Labour
            | Guard::AfterValues => Self::HOUSEHOLD,
            Guard::Compared => Self::COMPARISON,
            Guard::HelpArranged => Self::MEASURES,
            Guard::Helped | Guard::Eliminable => Self::HOUSEHOLD.or(Self::MEASURES),
        }
    }

    const HOUSEHOLD: Self = Self {
        household: true,
        comparison: false,
        measures: false,
    };
    const COMPARISON: Self = Self {
        household: false,
        comparison: true,
        measures: false,
    };
    const MEASURES: Self = Self {
        household: false,
        comparison: false,
        measures: true,
    };

    /// Facts that either depends on.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            household: self.household || other.household,
            comparison: self.comparison || other.comparison,
            measures: self.measures || other.measures,
        }
    }
}
