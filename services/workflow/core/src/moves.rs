//! What can be done to a case next, and what is missing for it.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::{EliminationKind, NoticePlaceId, Requirement};
use uuid::Uuid;

use crate::{
    case::Case,
    command::{
        Actor, AppealOutcome, Appraisal, Command, DisqualificationGround, NaturalEnd, NotQualified,
        Removal, Visit,
    },
    decide::next_state,
    facts::{Facts, Needs},
    guard::{self, Checks},
    objection::{Answering, Objecting, ObjectionChannel, Recheck, Verdict},
    state::{CaseState, Move},
};

/// A move of a case, and what is missing for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextMove {
    /// The move.
    pub step: Move,
    /// Transition of the state machine.
    pub transition: &'static str,
    /// Where it leads.
    pub to: CaseState,
    /// Whether the actor's role and person may make it.
    pub yours: bool,
    /// What is missing in the case and the facts; empty when it is open now.
    pub unmet: Vec<Requirement>,
    /// What the command itself has to bring: needed, with nothing found.
    pub to_give: Vec<Requirement>,
}

/// The moves that start from where the case stands, with everything that is missing.
#[must_use]
pub fn moves(case: &Case, facts: &Facts, actor: &Actor, today: NaiveDate) -> Vec<NextMove> {
    starting_here(case)
        .filter_map(|step| {
            let blank = blank(step)?;
            let [mut person, mut standing, mut given] = [(); 3].map(|()| Checks::default());
            guard::person(&mut person, case, step, actor);
            guard::claim(&mut standing, case, step, actor, today);
            guard::standing(&mut standing, case, &blank, facts, today);
            standing.let_pass(case, actor);
            guard::visitors_to_name(&mut given, case, step);
            guard::given(&mut given, case, &blank, facts, today);
            guard::papers(&mut given, case, &blank);
            let mut to_give = given.unmet();
            for requirement in &mut to_give {
                requirement.found.clear();
            }
            Some(NextMove {
                step,
                transition: step.transition(case.state),
                to: leads_to(case, &blank, facts),
                yours: person.unmet().is_empty(),
                unmet: standing.unmet(),
                to_give,
            })
        })
        .collect()
}

/// Facts that [`moves`] looks at where the case stands.
pub(crate) fn starting_here(case: &Case) -> impl Iterator<Item = Move> {
    case.template.steps_from(case.state).map(|step| step.step)
}

fn leads_to(case: &Case, blank: &Command, facts: &Facts) -> CaseState {
    match blank {
        // The last place leads on; the others only towards it.
        Command::PostNotice { .. } if case.state.is_eliminating() => CaseState::ElimOnNotice,
        Command::PostNotice { .. } => CaseState::OnNotice,
        // An answer that dismisses.
        Command::AnswerObjection(_) => case.state,
        _ => next_state(case, blank, facts),
    }
}

impl Case {
    /// Whose facts [`moves`] looks at where the case stands.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.template
            .steps_from(self.state)
            .map(Needs::of)
            .fold(Needs::default(), Needs::or)
    }
}

/// The command as somebody would send it who has filled in nothing. `None` for a declaration, which
/// is no move of a case.
fn blank(step: Move) -> Option<Command> {
    // Before every day on which anything happened.
    let never = NaiveDate::MIN;
    let (evidence, reason) = (String::new(), String::new());
    let nowhere = || Removal {
        place: NoticePlaceId(Uuid::nil()),
        removed: DateTime::<Utc>::MIN_UTC,
        evidence: String::new(),
    };
    Some(match step {
        Move::Declare => return None,
        Move::Authorise => Command::Authorise {
            text_version: String::new(),
            evidence,
        },
        Move::Verify => Command::Verify(Visit {
            visited: never,
            ..Visit::default()
        }),
        Move::FindNotQualified => Command::FindNotQualified {
            reason: NotQualified::Other,
            farmer_informed: None,
        },
        Move::ListForWarning => Command::ListForWarning,
        // Carried, so that what a vote for it needs is asked.
        Move::Appraise => Command::Appraise(Appraisal {
            held: never,
            votes_for: 1,
            ..Appraisal::default()
        }),
        Move::PostNotice => Command::PostNotice {
            place: NoticePlaceId(Uuid::nil()),
            posted: DateTime::<Utc>::MIN_UTC,
            evidence,
        },
        Move::RemoveNotice => Command::RemoveNotice(nowhere()),
        Move::CloseNotice => Command::CloseNotice(vec![nowhere()]),
        Move::SubmitVillageReport => Command::SubmitVillageReport { evidence },
        Move::ReviewByTownship => Command::ReviewByTownship {
            regular: false,
            complete: false,
            opinion: String::new(),
            evidence,
        },
        Move::ConfirmComparison => Command::ConfirmComparison,
        Move::Disqualify => Command::Disqualify {
            ground: DisqualificationGround::FalseInformation,
            reason,
            household_informed: None,
            evidence,
        },
        Move::Approve => Command::Approve {
            decision_number: String::new(),
        },
        Move::Enrol => Command::Enrol {
            national_number: None,
        },
        Move::StartAssistance => Command::StartAssistance,
        Move::Track => Command::Track,
        Move::ResumeAssistance => Command::ResumeAssistance,
        Move::ProposeElimination => Command::ProposeElimination {
            kind: EliminationKind::ByAssistance,
        },
        Move::ReturnToAssistance => Command::ReturnToAssistance {
            reason,
            next_review: never,
        },
        Move::File => Command::File {
            document_number: String::new(),
            evidence,
        },
        Move::Eliminate => Command::Eliminate {
            filing_number: String::new(),
            contact_given: false,
        },
        Move::FlagEmergency => Command::FlagEmergency {
            event_reference: String::new(),
        },
        Move::CloseNatural => Command::CloseNatural {
            reason: NaturalEnd::Died,
            evidence,
        },
        Move::Withdraw => Command::Withdraw {
            statement: String::new(),
        },
        Move::ReturnForCorrection => Command::ReturnForCorrection(Vec::new()),
        Move::Appeal => Command::Appeal {
            reason,
            statement: String::new(),
        },
        // Granted, so that it is shown where the case would go on.
        Move::DecideAppeal => Command::DecideAppeal {
            outcome: AppealOutcome::Granted,
            reason,
            household_informed: None,
            evidence,
        },
        Move::GrantOverride => Command::GrantOverride {
            requirement: String::new(),
            reason,
        },
        Move::Object => Command::Object(Objecting {
            channel: ObjectionChannel::InPerson,
            anonymous: false,
            received: never,
            text: String::new(),
            contact_given: false,
        }),
        Move::Recheck => Command::Recheck(Recheck {
            visited: never,
            ..Recheck::default()
        }),
        // Upheld, so that what follows from that is asked.
        Move::AnswerObjection => Command::AnswerObjection(Answering {
            numbers: Vec::new(),
            verdict: Verdict::Upheld,
            reason,
            informed: None,
            household_informed: None,
            next_review: None,
            evidence,
        }),
    })
}
