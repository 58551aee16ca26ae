//! Whose turn it is (WF-12): the roles that have something to do, what that is, and who of them may
//! not do it in this case.

use kernel::Role;

use crate::{
    case::Case,
    command::Actor,
    guard,
    state::Move,
    template::{Guard, Step},
};

/// A role that has something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn<S = Move> {
    /// The role.
    pub role: Role,
    /// What it may do to lead on.
    pub steps: Vec<S>,
    /// Accounts that may do none of it, whatever their role (ORG-3).
    pub barred: Vec<String>,
}

impl<S> Turn<S> {
    /// Whether the actor, or whom the actor stands in for, may do none of it.
    #[must_use]
    pub fn bars(&self, actor: &Actor) -> bool {
        let mut persons = actor.persons();
        persons.any(|person| self.barred.iter().any(|account| account == person))
    }

    /// Adds a step to the turns of its roles.
    pub(crate) fn add(turns: &mut Vec<Self>, step: S, roles: &[Role])
    where
        S: Copy,
    {
        for role in roles {
            match turns.iter_mut().find(|turn| turn.role == *role) {
                Some(turn) => turn.steps.push(step),
                None => turns.push(Self {
                    role: *role,
                    steps: vec![step],
                    barred: Vec::new(),
                }),
            }
        }
    }
}

/// Whose turn it is in a case: the roles of the moves that lead on from where it stands. Nobody's
/// when it has ended.
#[must_use]
pub fn turns(case: &Case) -> Vec<Turn> {
    let mut turns = Vec::new();
    for step in case.template.steps_from(case.state) {
        if step.step.leads_on() && is_up(case, step) {
            Turn::add(&mut turns, step.step, &step.roles);
        }
    }
    for turn in &mut turns {
        let mut took_part = case.took_part();
        took_part.retain(|account| {
            let mut steps = turn.steps.iter();
            steps.all(|step| guard::bars(case, *step, account))
        });
        turn.barred = took_part;
    }
    turns
}

/// Whether the case itself says that the step is still to be made and can be: before the village has
/// reported it is the village's turn, then the township's (S32).
fn is_up(case: &Case, step: &Step) -> bool {
    let is_reported = case.village_reported;
    match step.step {
        Move::SubmitVillageReport => !is_reported,
        _ => is_reported || !step.guards.contains(&Guard::VillageReported),
    }
}
