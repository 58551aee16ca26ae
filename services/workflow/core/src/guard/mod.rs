//! The guards. Those of [`standing`] look at the case, the facts and the day, so they can be asked
//! before anybody presses a button; those of [`given`] look at what the command itself says. The
//! guards of each part of the procedure are in a file of their own.

mod assist;
mod duty;
mod gate;
mod identify;
mod notice;
mod objection;
mod remedy;

use std::fmt::{self, Display};

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{
    Code, EliminationKind, Refusal, Requirement, RiskType, Role, RuleId, local_date, local_time,
};

pub use duty::{bars, visitors, visitors_to_name};
pub use identify::declarable;
pub use notice::hangs_everywhere;
pub use remedy::overridable;

use crate::{
    case::Case,
    claim,
    command::{Actor, Command},
    facts::Facts,
    state::Move,
    template::Guard,
};

/// Collects every unmet requirement, and the rules that held. Texts are made only for what is unmet.
#[derive(Debug)]
pub struct Checks {
    unmet: Vec<Requirement>,
    held: Vec<RuleId>,
}

impl Default for Checks {
    fn default() -> Self {
        // No step has more rules: one allocation for a command that is allowed.
        Self {
            unmet: Vec::new(),
            held: Vec::with_capacity(24),
        }
    }
}

impl Checks {
    pub(crate) fn need<N: Display, F: Display>(
        &mut self,
        met: bool,
        rule: RuleId,
        code: &'static str,
        needed: N,
        found: F,
    ) {
        if !met {
            self.unmet.push(Requirement::new(rule, code, needed, found));
        } else if !self.held.contains(&rule) {
            self.held.push(rule);
        }
    }

    /// Something has to be so; the code says it all.
    pub(crate) fn yes(&mut self, met: bool, rule: RuleId, code: &'static str) {
        self.need(met, rule, code, "yes", "no");
    }

    /// Something has to be given.
    fn text(&mut self, text: &str, rule: RuleId, code: &'static str) {
        self.yes(!text.trim().is_empty(), rule, code);
    }

    /// A day between `from` and today.
    pub(crate) fn day(
        &mut self,
        rule: RuleId,
        code: &'static str,
        day: NaiveDate,
        from: NaiveDate,
        today: NaiveDate,
    ) {
        let met = from <= day && day <= today;
        self.need(met, rule, code, format_args!("{from}..{today}"), day);
    }

    /// Instants between `from` and the end of a day; names the first that is outside.
    fn moments(
        &mut self,
        rule: RuleId,
        code: &'static str,
        moments: impl IntoIterator<Item = DateTime<Utc>>,
        from: Option<DateTime<Utc>>,
        last: NaiveDate,
    ) {
        let is_outside = |at: &DateTime<Utc>| Some(*at) < from || local_date(*at) > last;
        let outside = moments.into_iter().find(is_outside);
        let needed = format_args!("{}..{last}", Shown(from));
        self.need(outside.is_none(), rule, code, needed, Shown(outside));
    }

    /// A step of the past that somebody has to be told of.
    fn told(
        &mut self,
        rule: RuleId,
        code: &'static str,
        day: Option<NaiveDate>,
        case: &Case,
        today: NaiveDate,
    ) {
        let met = day.is_some_and(|day| case.declared <= day && day <= today);
        self.yes(met, rule, code);
    }

    /// Time alone will meet it.
    pub(crate) fn wait(
        &mut self,
        rule: RuleId,
        code: &'static str,
        needed: impl Display,
        found: impl Display,
        possible_from: NaiveDate,
    ) {
        let requirement = Requirement::new(rule, code, needed, found);
        self.unmet.push(requirement.possible_from(possible_from));
    }

    /// Every one of the case's risks is among `found`.
    fn risks(&mut self, rule: RuleId, code: &'static str, all: &[RiskType], found: &[RiskType]) {
        for risk in all {
            self.need(found.contains(risk), rule, code, risk, "");
        }
    }

    /// One of these roles.
    pub(crate) fn role(&mut self, roles: &[Role], role: Role) {
        if !roles.contains(&role) {
            self.need(false, "ORG-2", "ROLE", one_of(roles), role);
        }
    }

    /// One of these states.
    pub(crate) fn state<S: Code + Display>(
        &mut self,
        rule: RuleId,
        code: &'static str,
        from: &[S],
        state: S,
    ) {
        if !from.contains(&state) {
            self.need(false, rule, code, one_of(from), state);
        }
    }

    /// What is unmet, in the order of checking.
    pub fn unmet(self) -> Vec<Requirement> {
        self.unmet
    }

    /// The rules that held, when nothing is unmet.
    pub fn verdict(self) -> Result<Vec<RuleId>, Refusal> {
        Refusal::check(self.unmet).map(|()| self.held)
    }
}

/// An instant as the county's clocks show it, written for a refusal only.
struct Shown(Option<DateTime<Utc>>);

impl Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |at| local_time(at).fmt(f))
    }
}

fn one_of<C: Code>(codes: &[C]) -> String {
    codes
        .iter()
        .map(|code| code.as_str())
        .collect::<Vec<_>>()
        .join("|")
}

/// Whether the move starts from where the case stands.
pub fn place(checks: &mut Checks, case: &Case, step: Move) {
    if case.template.step(step, Some(case.state)).is_none() {
        let rule = step.transition(case.state);
        checks.state(rule, "STATE", &case.template.from(step), case.state);
    }
}

/// Whether the actor's role may make the move (ORG-2). No role stands above the procedure, and no
/// service decides.
pub fn role(checks: &mut Checks, roles: &[Role], actor: &Actor) {
    checks.role(roles, actor.role);
}

/// [`role`], and nobody looks through their own papers: who visited does not review, and who
/// visited or reviewed does not decide for the county (ORG-3).
pub fn person(checks: &mut Checks, case: &Case, step: Move, actor: &Actor) {
    // Whoever objects through the public door needs no role: the service that stands there only
    // passes it on (T7o).
    let is_passed_on = step == Move::Object && actor.role == Role::Service;
    let own = case.template.nearest(step, case.state);
    if let Some(own) = own.filter(|_| !is_passed_on) {
        role(checks, &own.roles, actor);
    }
    if step == Move::DecideAppeal {
        let ended = case.ended.iter().flat_map(|ended| &ended.by);
        let is_another = !ended
            .into_iter()
            .any(|by| actor.persons().any(|own| own == by));
        checks.yes(is_another, "ORG-3", "APPEAL_BEFORE_ANOTHER");
    }
    if matches!(step, Move::Recheck | Move::AnswerObjection) {
        // Who looks into an objection may answer it; who found what it is against may not.
        let found = |person: &str| case.visitors.iter().any(|visitor| visitor == person);
        let is_other = !actor.persons().any(found);
        checks.yes(is_other, "ORG-3", "ANSWERS_FOR_OTHERS");
    }
    duty::separate(checks, case, step, actor);
}

/// Whether the task is not somebody else's (WF-12). A claim is about the moves that lead on: a way out
/// of the procedure waits for nobody, nor do the list and the meeting of a whole village.
pub fn claim(checks: &mut Checks, case: &Case, step: Move, actor: &Actor, today: NaiveDate) {
    if step.leads_on() && !matches!(step, Move::ListForWarning | Move::Appraise) {
        claim::not_of_another(checks, case.claim.as_ref(), actor, today);
    }
}

/// The guards that the template asks for, on the case, the facts and the day. Of the command they
/// look at its kind only.
pub fn standing(
    checks: &mut Checks,
    case: &Case,
    command: &Command,
    facts: &Facts,
    today: NaiveDate,
) {
    let step = case.template.nearest(command.step(), case.state);
    for guard in step.into_iter().flat_map(|step| &step.guards) {
        stands(checks, *guard, case, command, facts, today);
    }
}

fn stands(
    checks: &mut Checks,
    guard: Guard,
    case: &Case,
    command: &Command,
    facts: &Facts,
    today: NaiveDate,
) {
    let household = &facts.household;
    match guard {
        Guard::PersonsAuthorised => identify::authorised(checks, household),
        Guard::Investigated => identify::investigated(checks, case, household),
        Guard::GuaranteesSafe => checks.yes(household.guarantees_safe, "S39", "GUARANTEES_SAFE"),
        Guard::StaysAboveLine => assist::stays_above(checks, case, household, today),
        Guard::HungLongEnough => notice::hung_long_enough(checks, case, household, today),
        Guard::VillageReported => checks.yes(case.village_reported, "S32", "VILLAGE_REPORT"),
        Guard::Appealable => remedy::appealable(checks, case, today),
        Guard::Compared => gate::compared(checks, case, facts.comparison.as_ref(), today),
        Guard::Category => gate::category(checks, case, household),
        Guard::HelpArranged => gate::help_arranged(checks, case, &facts.measures, today),
        Guard::Helped => assist::helped(checks, case, facts),
        Guard::Secured => assist::tracked(checks, household),
        Guard::Labour => checks.yes(!household.no_labour, "S43", "LABOUR"),
        Guard::Eliminable => {
            let kind = match command {
                Command::ProposeElimination { kind } => *kind,
                _ => EliminationKind::ByAssistance,
            };
            assist::eliminable(checks, case, kind, facts, today);
        }
        Guard::AfterValues => assist::after_values(checks, household),
        Guard::NoticeHangs => objection::notice_hangs(checks, case),
        Guard::NoOpenObjection => objection::none_open(checks, case),
        Guard::ObjectionOpen => objection::some_open(checks, case),
        Guard::ObjectionRechecked => objection::some_rechecked(checks, case),
        Guard::NotFlagged => checks.yes(case.emergency.is_none(), "T12e", "NOT_YET_FLAGGED"),
    }
}

/// The papers that the template asks for.
pub fn papers(checks: &mut Checks, case: &Case, command: &Command) {
    let step = case.template.nearest(command.step(), case.state);
    for paper in step.into_iter().flat_map(|step| &step.evidence) {
        checks.yes(command.brings(*paper), paper.rule(), paper.as_str());
    }
}

/// The guards on what the command says itself.
pub fn given(checks: &mut Checks, case: &Case, command: &Command, facts: &Facts, today: NaiveDate) {
    match command {
        Command::Authorise { text_version, .. } => {
            checks.text(text_version, "S18", "TEXT_VERSION");
        }
        Command::Verify(visit) => identify::visit(checks, case, visit, today),
        Command::FindNotQualified {
            farmer_informed, ..
        } => {
            checks.told("T3x", "FARMER_INFORMED", *farmer_informed, case, today);
        }
        Command::Appraise(meeting) => identify::appraisal(checks, case, meeting, today),
        Command::PostNotice { place, posted, .. } => {
            notice::posting(checks, case, &facts.household, (*place, *posted), today);
        }
        Command::RemoveNotice(removal) => notice::removal(checks, case, removal, today),
        Command::CloseNotice(removals) => notice::closing(checks, case, removals, today),
        Command::ReviewByTownship {
            regular,
            complete,
            opinion,
            ..
        } => {
            checks.yes(*regular, "S33", "PAPERS_REGULAR");
            checks.yes(*complete, "S33", "PAPERS_COMPLETE");
            checks.text(opinion, "S33", "OPINION");
        }
        Command::Disqualify {
            ground,
            reason,
            household_informed,
            ..
        } => {
            gate::disqualifiable(checks, *ground, facts.comparison.as_ref());
            checks.text(reason, "S35", "DISQUALIFICATION_REASON");
            checks.told(
                "S35",
                "HOUSEHOLD_INFORMED",
                *household_informed,
                case,
                today,
            );
        }
        Command::Approve { decision_number } => {
            checks.text(decision_number, "T10", "DECISION_NUMBER");
        }
        Command::ReturnToAssistance {
            reason,
            next_review,
        } => {
            checks.text(reason, "S42", "RETURN_REASON");
            checks.need(
                *next_review > today,
                "S42",
                "NEXT_REVIEW",
                today,
                next_review,
            );
        }
        Command::File {
            document_number, ..
        } => {
            checks.text(document_number, "S41", "DOCUMENT_NUMBER");
        }
        Command::Eliminate {
            filing_number,
            contact_given,
        } => {
            checks.text(filing_number, "S41", "FILING_NUMBER");
            checks.yes(*contact_given, "1_11_011", "MONITORING_CONTACT");
        }
        Command::Object(objecting) => objection::objecting(checks, case, objecting, today),
        Command::Recheck(recheck) => objection::recheck(checks, case, recheck, today),
        Command::AnswerObjection(answer) => objection::answering(checks, case, answer, today),
        Command::FlagEmergency { event_reference } => {
            checks.text(event_reference, "T12e", "EVENT_REFERENCE");
        }
        Command::ReturnForCorrection(corrections) => remedy::returned(checks, corrections),
        Command::Appeal { reason, .. } => {
            checks.text(reason, "WF-9", "APPEAL_REASON");
        }
        Command::DecideAppeal {
            reason,
            household_informed,
            ..
        } => {
            checks.text(reason, "WF-9", "APPEAL_ANSWER");
            let informed = *household_informed;
            checks.told("WF-9", "HOUSEHOLD_INFORMED", informed, case, today);
        }
        Command::GrantOverride {
            requirement,
            reason,
        } => remedy::grantable(checks, case, requirement, reason),
        Command::Declare(_)
        | Command::ListForWarning
        | Command::ConfirmComparison
        | Command::Enrol { .. }
        | Command::StartAssistance
        | Command::Track
        | Command::ResumeAssistance
        | Command::ProposeElimination { .. }
        | Command::SubmitVillageReport { .. }
        | Command::CloseNatural { .. }
        | Command::Withdraw { .. } => {}
    }
}
