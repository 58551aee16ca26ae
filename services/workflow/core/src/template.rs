//! A procedure template: order, parameters and roles as a value.

use kernel::Role;

use crate::state::{CaseState, Move};

/// A procedure as it was valid when a case began. A case finishes on the template it began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Stable id, e.g. `TOWNSHIP2021`.
    pub id: &'static str,
    /// Version, from 1.
    pub version: i32,
    /// Villager representatives that an appraisal needs (S27).
    pub villager_representatives_min: u32,
    /// Full days that a notice hangs at every place (S31).
    pub notice_days: u32,
    /// Oldest data that a comparison may rest on (T9).
    pub comparison_age_days_max: u32,
    /// Rolling months from enrolment until elimination may be proposed (S44).
    pub hold_months: u32,
    /// Months that income has to stay at or above the line before elimination (T14).
    pub stable_months: u32,
    /// Visitors of a home visit (T3).
    pub visitors_min: usize,
    /// Whether the county decides before enrolment (T10).
    pub county_approves: bool,
    /// Days by which steps should be done.
    pub limits: Limits,
}

/// How long steps should take. Being late refuses nothing; it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Working days from the declaration to the visit (T3).
    pub visit_working_days: u32,
    /// Days for the township's review (T8).
    pub review_days: u32,
    /// Days for the comparison after the review (T9).
    pub comparison_days: u32,
    /// Days for the entry after the comparison or the county's decision (T11).
    pub entry_days: u32,
    /// Months until the first delivery after enrolment (T12).
    pub delivery_months: u32,
    /// Days for the papers when help came first (T12e).
    pub emergency_papers_days: u32,
}

/// The township's work plan of 2021: review, then comparison, then enrolment; no county decision.
pub const TOWNSHIP2021: Template = Template {
    id: "TOWNSHIP2021",
    version: 1,
    villager_representatives_min: 15,
    notice_days: 7,
    comparison_age_days_max: 30,
    hold_months: 6,
    stable_months: 6,
    visitors_min: 2,
    county_approves: false,
    limits: Limits {
        visit_working_days: 5,
        review_days: 2,
        comparison_days: 5,
        entry_days: 5,
        delivery_months: 1,
        emergency_papers_days: 30,
    },
};

const VILLAGE: &[Role] = &[Role::VillageCadre, Role::FirstSecretary];
const TOWNSHIP: &[Role] = &[Role::TownshipOffice];
const COUNTY: &[Role] = &[Role::CountyOfficer];

impl Template {
    /// The template of a case by id and version.
    #[must_use]
    pub fn find(id: &str, version: i32) -> Option<&'static Self> {
        [&TOWNSHIP2021]
            .into_iter()
            .find(|t| t.id == id && t.version == version)
    }

    /// States that a move starts from. Empty for a declaration, which starts a case.
    #[must_use]
    pub fn from(&self, step: Move) -> &'static [CaseState] {
        use CaseState::*;
        match step {
            Move::Declare => &[],
            Move::Authorise => &[Declared],
            Move::Verify => &[Authorised, EliminationProposed],
            Move::FindNotQualified => &[Authorised, Verified],
            Move::ListForWarning => &[Verified],
            Move::Appraise => &[WarningListed, ElimVerified],
            // Also while it hangs: a place can become a required one meanwhile (S30).
            Move::PostNotice | Move::RemoveNotice => {
                &[Appraised, OnNotice, ElimAppraised, ElimOnNotice]
            }
            Move::CloseNotice => &[OnNotice, ElimOnNotice],
            Move::SubmitVillageReport | Move::ReviewByTownship => &[NoticeClosed],
            Move::ConfirmComparison => &[TownshipReviewed],
            Move::Disqualify => &[
                Authorised,
                Verified,
                WarningListed,
                Appraised,
                OnNotice,
                NoticeClosed,
                TownshipReviewed,
                Compared,
                Approved,
            ],
            Move::Approve if self.county_approves => &[Compared],
            Move::Approve => &[],
            Move::Enrol if self.county_approves => &[Approved],
            Move::Enrol => &[Compared],
            Move::StartAssistance => &[Enrolled],
            Move::Track | Move::ProposeElimination => &[UnderAssistance],
            Move::ResumeAssistance => &[SustainedTracking],
            Move::ReturnToAssistance => &[
                EliminationProposed,
                ElimVerified,
                ElimAppraised,
                ElimOnNotice,
                ElimNoticeClosed,
                Filed,
            ],
            Move::File => &[ElimNoticeClosed],
            Move::Eliminate => &[Filed],
            Move::FlagEmergency => &[
                Declared,
                Authorised,
                Verified,
                WarningListed,
                Appraised,
                OnNotice,
                NoticeClosed,
                TownshipReviewed,
                Compared,
            ],
            Move::CloseNatural | Move::Withdraw => &[
                Declared,
                Authorised,
                Verified,
                WarningListed,
                Appraised,
                OnNotice,
                NoticeClosed,
                TownshipReviewed,
                Compared,
                Approved,
                Enrolled,
                UnderAssistance,
                SustainedTracking,
                EliminationProposed,
                ElimVerified,
                ElimAppraised,
                ElimOnNotice,
                ElimNoticeClosed,
                Filed,
            ],
        }
    }

    /// Roles that may make a move.
    #[must_use]
    pub const fn roles(&self, step: Move) -> &'static [Role] {
        match step {
            Move::Declare => &[
                Role::Farmer,
                Role::GridWorker,
                Role::VillageCadre,
                Role::FirstSecretary,
                Role::TownshipOffice,
            ],
            Move::Authorise
            | Move::Verify
            | Move::FindNotQualified
            | Move::ListForWarning
            | Move::Appraise
            | Move::PostNotice
            | Move::RemoveNotice
            | Move::CloseNotice
            | Move::SubmitVillageReport
            | Move::Track
            | Move::ResumeAssistance => VILLAGE,
            Move::ReviewByTownship | Move::FlagEmergency | Move::CloseNatural => TOWNSHIP,
            Move::ConfirmComparison | Move::Disqualify | Move::Eliminate => COUNTY,
            Move::Approve => &[Role::CountyApprover],
            Move::Enrol => &[
                Role::VillageCadre,
                Role::FirstSecretary,
                Role::TownshipOffice,
            ],
            Move::StartAssistance | Move::ProposeElimination => &[
                Role::ResponsiblePerson,
                Role::VillageCadre,
                Role::FirstSecretary,
            ],
            Move::ReturnToAssistance => &[
                Role::VillageCadre,
                Role::FirstSecretary,
                Role::TownshipOffice,
                Role::CountyOfficer,
            ],
            Move::File => &[Role::TownshipLeader],
            // The farmer's own statement, recorded by the village.
            Move::Withdraw => VILLAGE,
        }
    }
}
