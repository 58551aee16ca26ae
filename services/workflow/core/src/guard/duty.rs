//! Separation of duties (ORG-3): in one case, who visited, who decided for the township and who
//! decided for the county are different people. The guard asks for persons and not for roles, so no
//! role and no change of post gets past it; of a deputy both persons count, the one who acts and the
//! one in whose place (ORG-4). Every command passes it in `decide`, and every move has to say which
//! duty it is, or the program does not compile.

use super::Checks;
use crate::{
    case::Case,
    command::{Actor, Command},
    state::{Duty, Move},
};

/// Whether the actor may be the one who makes the move.
pub fn separate(checks: &mut Checks, case: &Case, step: Move, actor: &Actor) {
    let among = |accounts: &[String]| actor.persons().any(|person| is_among(accounts, person));
    let visited = actor.persons().any(|person| case.was_visited_by(person));
    match step.duty() {
        Duty::Free => {}
        Duty::Township => {
            checks.yes(!visited, "ORG-3", "REVIEWER_DID_NOT_VISIT");
            let decided = among(&case.deciders);
            checks.yes(!decided, "ORG-3", "REVIEWER_DID_NOT_DECIDE");
        }
        Duty::County => {
            let reviewed = among(&case.reviewers);
            checks.yes(!visited && !reviewed, "ORG-3", "COUNTY_IS_A_THIRD_PERSON");
        }
    }
}

/// The same from the other end: nobody who has decided visits afterwards.
pub fn visitors(checks: &mut Checks, case: &Case, command: &Command, actor: &Actor) {
    let behind = match command {
        Command::Verify(visit) => visit.persons(&actor.account, actor.on_behalf_of.as_ref()),
        Command::Recheck(recheck) => recheck.visitors.clone(),
        _ => return,
    };
    let has_decided =
        |visitor: &String| is_among(&case.reviewers, visitor) || is_among(&case.deciders, visitor);
    let decided = behind.iter().any(has_decided);
    checks.yes(!decided, "ORG-3", "VISITOR_DID_NOT_DECIDE");
}

/// The same before anybody is named: where somebody has decided, who visits is to be chosen among the
/// others.
pub fn visitors_to_name(checks: &mut Checks, case: &Case, step: Move) {
    if matches!(step, Move::Verify | Move::Recheck) {
        let nobody = case.reviewers.is_empty() && case.deciders.is_empty();
        checks.yes(nobody, "ORG-3", "VISITOR_DID_NOT_DECIDE");
    }
}

/// Whether an account may not make the move in this case, whatever its role.
pub fn bars(case: &Case, step: Move, account: &str) -> bool {
    match step.duty() {
        Duty::Free => false,
        Duty::Township => case.was_visited_by(account) || is_among(&case.deciders, account),
        Duty::County => case.was_visited_by(account) || is_among(&case.reviewers, account),
    }
}

fn is_among(accounts: &[String], account: &str) -> bool {
    accounts.iter().any(|other| other == account)
}
