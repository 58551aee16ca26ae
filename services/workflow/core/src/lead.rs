//! Leads (线索): what came in, from where, and what became of it (`state-machine` 7.1).

use chrono::{Days, NaiveDate};
use kernel::{CaseId, Department, LeadChannel, LeadId, Refusal, Role, Severity};

use crate::{
    calendar::plus_working_days,
    claim::{self, Claim},
    command::Actor,
    guard::Checks,
    work::Turn,
};

/// Leads about one household and risk belong together for so many days (DET-9).
pub const GROUPING_DAYS: u64 = 90;
/// Days within which a department is told what became of its alert (DET-11).
pub const FEEDBACK_DAYS: u64 = 15;
/// Working days from the order to the visit (T3).
pub const VISIT_WORKING_DAYS: u32 = 5;
/// The same, where a department has marked it red.
pub const RED_VISIT_WORKING_DAYS: u32 = 2;
/// Working days from a visit that found nothing to telling the farmer who had declared (S22).
pub const REFUSAL_WORKING_DAYS: u32 = 5;
/// A reason shorter than this says nothing.
const REASON_CHARS_MIN: usize = 5;

kernel::codes! {
    /// State of a lead.
    LeadState {
        /// It is there.
        Received = "RECEIVED",
        /// It belongs to another lead or to a case.
        Linked = "LINKED",
        /// Somebody has to go there.
        VisitOrdered = "VISIT_ORDERED",
        /// Somebody was there.
        Visited = "VISITED",
        /// It led to a case.
        CaseOpened = "CASE_OPENED",
        /// There is no risk.
        NoRisk = "NO_RISK",
        /// It is the business of a department.
        SectorIssue = "SECTOR_ISSUE",
        /// It was nothing.
        Dismissed = "DISMISSED",
        /// It belongs to another division.
        Forwarded = "FORWARDED",
    }
}

impl LeadState {
    /// Whether somebody still has to do something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Received | Self::VisitOrdered | Self::Visited)
    }

    /// Whether a new lead about the same household and risk belongs to it. One that was found to
    /// be nothing does not swallow the next.
    #[must_use]
    pub const fn groups(self) -> bool {
        self.is_open() || matches!(self, Self::CaseOpened)
    }

    /// Whether it goes where its household goes (REG-12). One that was found to be nothing, or somebody
    /// else's business, stays where that was found.
    #[must_use]
    pub const fn goes_along(self) -> bool {
        self.groups() || matches!(self, Self::Linked)
    }
}

kernel::codes! {
    /// What was done about a risk that was seen and not declared (S23).
    Undeclared {
        /// The farmer was informed.
        Informed = "INFORMED",
        /// The family was notified.
        FamilyNotified = "FAMILY_NOTIFIED",
        /// Somebody declared on the farmer's behalf.
        DeclaredOnBehalf = "DECLARED_ON_BEHALF",
    }
}

/// A channel that found it (S15, S16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Which.
    pub channel: LeadChannel,
    /// How the source calls it.
    pub reference: String,
    /// Department of an alert.
    pub department: Option<Department>,
    /// Colour of an alert.
    pub severity: Option<Severity>,
    /// Day on which it came in.
    pub received: NaiveDate,
}

/// A lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Where it stands.
    pub state: LeadState,
    /// Every channel that found it, in the order of arrival.
    pub sources: Vec<Source>,
    /// Lead or case that it belongs to.
    pub linked: Option<Linked>,
    /// Day by which the visit has to be made.
    pub visit_due: Option<NaiveDate>,
    /// Day of the visit.
    pub visited: Option<NaiveDate>,
    /// Whether the visit found a risk.
    pub risk_found: bool,
    /// Day by which the department gets feedback; absent without a department.
    pub feedback_due: Option<NaiveDate>,
    /// Who is busy with it (WF-12); may have expired.
    pub claim: Option<Claim>,
}

/// What a lead belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// An earlier lead.
    Lead(LeadId),
    /// A case.
    Case(CaseId),
}

/// What can be done to a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeadCommand {
    /// Somebody has to go there.
    OrderVisit,
    /// Somebody was there.
    RecordVisit {
        /// When.
        visited: NaiveDate,
        /// Accounts of the visitors.
        visitors: Vec<String>,
        /// Whether there is a risk.
        risk_found: bool,
        /// What was done about a risk that was not declared (S23).
        undeclared: Option<Undeclared>,
    },
    /// It is nothing.
    Dismiss {
        /// Why.
        reason: String,
    },
    /// It belongs to another division.
    Forward {
        /// Whether that is really another one.
        elsewhere: bool,
    },
    /// There is no risk.
    NoRisk {
        /// Why.
        reason: String,
        /// Day on which the farmer or the department was told.
        feedback: Option<NaiveDate>,
    },
    /// It is the business of a department.
    SectorIssue {
        /// Which.
        department: Option<Department>,
        /// Why.
        reason: String,
    },
}

impl Lead {
    /// A lead that has just come in; `earlier` is the one that it belongs to.
    #[must_use]
    pub fn receive(source: Source, earlier: Option<LeadId>) -> Self {
        let told_by = source.received.checked_add_days(Days::new(FEEDBACK_DAYS));
        let is_alert = source.channel == LeadChannel::DepartmentAlert;
        Self {
            state: if earlier.is_some() {
                LeadState::Linked
            } else {
                LeadState::Received
            },
            sources: vec![source],
            linked: earlier.map(Linked::Lead),
            visit_due: None,
            visited: None,
            risk_found: false,
            feedback_due: told_by.filter(|_| is_alert),
            claim: None,
        }
    }

    /// Another channel found the same (S15).
    pub fn add_source(&mut self, source: Source) {
        self.sources.push(source);
    }

    /// A case was declared with this lead: a visited lead has led to it, another one belongs to it.
    ///
    /// # Errors
    /// The lead is closed already.
    pub fn open_case(&mut self, case: CaseId) -> Result<(), Refusal> {
        let mut checks = Checks::default();
        from(
            &mut checks,
            self.state,
            &[
                LeadState::Received,
                LeadState::VisitOrdered,
                LeadState::Visited,
            ],
        );
        checks.verdict()?;
        self.linked = Some(Linked::Case(case));
        self.claim = None;
        self.state = match self.state {
            LeadState::Visited => LeadState::CaseOpened,
            _ => LeadState::Linked,
        };
        Ok(())
    }

    /// Day by which somebody has to do something; `None` when nothing is open or has a limit.
    #[must_use]
    pub fn due(&self) -> Option<NaiveDate> {
        match self.state {
            LeadState::VisitOrdered => self.visit_due.or(self.feedback_due),
            LeadState::Received | LeadState::Visited => self.feedback_due,
            _ => None,
        }
    }

    /// Whose turn it is, and what they may do (WF-12).
    #[must_use]
    pub fn turns(&self) -> Vec<Turn<&'static str>> {
        let mut turns = Vec::new();
        let mut add = |step, roles| Turn::add(&mut turns, step, roles);
        match self.state {
            LeadState::Received => {
                add("ORDER_VISIT", SORTERS);
                if !self.is_self_declared() {
                    add("DISMISS", SORTERS);
                }
                add("FORWARD", SORTERS);
            }
            LeadState::VisitOrdered => add("RECORD_VISIT", VISITORS),
            LeadState::Visited if self.risk_found => {
                add("DECLARE_CASE", VILLAGE);
                add("SECTOR_ISSUE", VILLAGE);
            }
            LeadState::Visited => {
                add("NO_RISK", VILLAGE);
                add("SECTOR_ISSUE", VILLAGE);
            }
            _ => {}
        }
        turns
    }

    fn is_self_declared(&self) -> bool {
        self.sources
            .iter()
            .any(|source| source.channel == LeadChannel::SelfDeclaration)
    }

    fn is_red(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| source.severity == Some(Severity::Red))
    }

    fn received(&self) -> NaiveDate {
        self.sources
            .first()
            .map(|source| source.received)
            .unwrap_or_default()
    }
}

const VILLAGE: &[Role] = &[
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
];

/// Those who look through what came in.
const SORTERS: &[Role] = &[
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
    Role::CountyOfficer,
];

/// Those who go there.
const VISITORS: &[Role] = &[
    Role::GridWorker,
    Role::VillageCadre,
    Role::FirstSecretary,
    Role::TownshipOffice,
];

/// Decides a command on a lead and returns the lead after it.
///
/// # Errors
/// Every unmet requirement at once.
pub fn decide_lead(
    lead: &Lead,
    command: &LeadCommand,
    actor: &Actor,
    today: NaiveDate,
) -> Result<Lead, Refusal> {
    let mut checks = Checks::default();
    let mut next = lead.clone();
    let roles = match command {
        LeadCommand::RecordVisit { .. } => VISITORS,
        LeadCommand::OrderVisit | LeadCommand::Dismiss { .. } | LeadCommand::Forward { .. } => {
            SORTERS
        }
        LeadCommand::NoRisk { .. } | LeadCommand::SectorIssue { .. } => VILLAGE,
    };
    checks.role(roles, actor.role);
    claim::not_of_another(&mut checks, lead.claim.as_ref(), actor, today);
    // Every action ends the task that somebody may have been busy with.
    next.claim = None;
    match command {
        LeadCommand::OrderVisit => {
            from(&mut checks, lead.state, &[LeadState::Received]);
            next.state = LeadState::VisitOrdered;
            let days = match lead.is_red() {
                true => RED_VISIT_WORKING_DAYS,
                false => VISIT_WORKING_DAYS,
            };
            next.visit_due = Some(plus_working_days(today, days));
        }
        LeadCommand::RecordVisit {
            visited,
            visitors,
            risk_found,
            undeclared,
        } => {
            from(&mut checks, lead.state, &[LeadState::VisitOrdered]);
            let found = visitors
                .iter()
                .filter(|visitor| !visitor.trim().is_empty())
                .count();
            checks.need(found >= 1, "T3", "VISITORS", 1, found);
            checks.day("T3", "VISITED_ON", *visited, lead.received(), today);
            let fits = *risk_found || undeclared.is_none();
            checks.yes(fits, "S23", "UNDECLARED_NEEDS_RISK");
            next.state = LeadState::Visited;
            next.visited = Some(*visited);
            next.risk_found = *risk_found;
            // Whoever declared is told the reason when nothing comes of it.
            if lead.is_self_declared() {
                let told_by = plus_working_days(*visited, REFUSAL_WORKING_DAYS);
                next.feedback_due = lead.feedback_due.into_iter().chain([told_by]).min();
            }
        }
        LeadCommand::Dismiss { reason } => {
            from(&mut checks, lead.state, &[LeadState::Received]);
            // Whoever declares is visited.
            checks.yes(
                !lead.is_self_declared(),
                "S22",
                "SELF_DECLARATION_IS_VISITED",
            );
            // What a department marks red is looked at on the spot (S25).
            checks.yes(!lead.is_red(), "S25", "RED_LEAD_IS_VISITED");
            reason_given(&mut checks, reason);
            next.state = LeadState::Dismissed;
        }
        LeadCommand::Forward { elsewhere } => {
            from(&mut checks, lead.state, &[LeadState::Received]);
            checks.yes(*elsewhere, "DET-8", "ANOTHER_DIVISION");
            next.state = LeadState::Forwarded;
        }
        LeadCommand::NoRisk { reason, feedback } => {
            from(&mut checks, lead.state, &[LeadState::Visited]);
            checks.yes(!lead.risk_found, "S23", "VISIT_FOUND_NO_RISK");
            reason_given(&mut checks, reason);
            let since = lead.visited.unwrap_or_else(|| lead.received());
            let told = feedback.is_some_and(|day| since <= day && day <= today);
            checks.yes(told, "DET-11", "FEEDBACK_GIVEN");
            next.state = LeadState::NoRisk;
        }
        LeadCommand::SectorIssue { department, reason } => {
            from(&mut checks, lead.state, &[LeadState::Visited]);
            checks.yes(department.is_some(), "S56", "DEPARTMENT");
            reason_given(&mut checks, reason);
            next.state = LeadState::SectorIssue;
        }
    }
    checks.verdict()?;
    Ok(next)
}

fn from(checks: &mut Checks, state: LeadState, allowed: &[LeadState]) {
    checks.state("DET-9", "LEAD_STATE", allowed, state);
}

fn reason_given(checks: &mut Checks, reason: &str) {
    let found = reason.trim().chars().count();
    checks.need(
        found >= REASON_CHARS_MIN,
        "DET-11",
        "LEAD_REASON",
        REASON_CHARS_MIN,
        found,
    );
}
