//! One function decides every command on a case.

use chrono::NaiveDate;
use kernel::{CaseId, Refusal, RuleId};

use crate::{
    case::{Case, Event, Noted, What},
    command::{Actor, AppealOutcome, Command, Declaration},
    facts::Facts,
    guard::{self, Checks},
    objection::Verdict,
    state::{CaseState, Move},
    template::Template,
};

/// An allowed command: the event, and the rules that were checked and held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What happens.
    pub event: Event,
    /// Rules that held, each once, in the order of checking.
    pub rules: Vec<RuleId>,
}

/// What the household's earlier cases say to a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// A case that is still open.
    pub open: Option<CaseId>,
    /// The latest case, when it ended in elimination (T18).
    pub eliminated: Option<CaseId>,
}

/// Begins a case (T1, T18).
///
/// # Errors
/// Every unmet requirement.
pub fn declare(
    declaration: Declaration,
    history: History,
    actor: &Actor,
    template: &Template,
    today: NaiveDate,
) -> Result<Decision, Refusal> {
    let mut checks = Checks::default();
    if let Some(step) = template.step(Move::Declare, None) {
        guard::role(&mut checks, &step.roles, actor);
    }
    guard::declarable(&mut checks, &declaration, history);
    let event = Event {
        what: What::Decided(Command::Declare(declaration)),
        to: CaseState::Declared,
        on: today,
        actor: actor.account.clone(),
        on_behalf_of: actor.on_behalf_of.clone(),
        noted: history.eliminated.map_or(Noted::Nothing, Noted::RelapseOf),
    };
    Ok(Decision {
        event,
        rules: checks.verdict()?,
    })
}

/// Decides a command on a case.
///
/// # Errors
/// Every unmet requirement at once.
pub fn decide(
    case: &Case,
    command: Command,
    facts: &Facts,
    actor: &Actor,
    today: NaiveDate,
) -> Result<Decision, Refusal> {
    let mut checks = Checks::default();
    guard::place(&mut checks, case, command.step());
    guard::person(&mut checks, case, command.step(), actor);
    guard::visitors(&mut checks, case, &command, actor);
    guard::claim(&mut checks, case, command.step(), actor, today);
    guard::standing(&mut checks, case, &command, facts, today);
    guard::given(&mut checks, case, &command, facts, today);
    guard::papers(&mut checks, case, &command);
    let passed = checks.let_pass(case, actor);
    let rules = checks.verdict()?;
    let event = Event {
        to: next_state(case, &command, facts),
        noted: noted(&command, facts, passed),
        what: What::Decided(command),
        on: today,
        actor: actor.account.clone(),
        on_behalf_of: actor.on_behalf_of.clone(),
    };
    Ok(Decision { event, rules })
}

/// Where an allowed command leads.
pub(crate) fn next_state(case: &Case, command: &Command, facts: &Facts) -> CaseState {
    if let (Command::DecideAppeal { outcome, .. }, Some(ended)) = (command, &case.ended) {
        return match outcome {
            AppealOutcome::Granted => ended.from,
            AppealOutcome::Rejected => ended.to,
        };
    }
    let (to, otherwise) = command.step().outcomes(case.state);
    let is_otherwise = match command {
        Command::Appraise(meeting) => !meeting.carried(),
        Command::PostNotice { place, .. } => !guard::hangs_everywhere(case, facts, *place),
        Command::AnswerObjection(answer) => answer.verdict == Verdict::Upheld,
        _ => false,
    };
    otherwise.filter(|_| is_otherwise).unwrap_or(to)
}

/// What the case keeps of the facts.
fn noted(command: &Command, facts: &Facts, passed: Vec<&'static str>) -> Noted {
    match command {
        _ if !passed.is_empty() => Noted::LetPass(passed),
        Command::PostNotice { .. } => {
            Noted::RequiredPlaces(facts.household.required_places.clone())
        }
        Command::Enrol { .. } => facts
            .measures
            .planned_elimination
            .map_or(Noted::Nothing, Noted::PlannedElimination),
        _ => Noted::Nothing,
    }
}
