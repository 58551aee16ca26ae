//! Claims: who is busy with the current task of a case or lead (WF-12). A claim gives no right and
//! takes none: it tells the others, and keeps two people from doing the same work twice. Whoever may
//! act on what somebody else has claimed takes it over first, and says why.

use chrono::{Days, NaiveDate};
use kernel::{Refusal, Role};

use crate::{
    case::{Case, Event, Noted, What},
    command::Actor,
    guard::{self, Checks},
    lead::Lead,
    work,
};

/// Last day of a claim, counted from the day that it was made. The shortest step has five working
/// days: whoever fell ill holds nothing back for longer than that.
pub const CLAIM_DAYS: u64 = 7;
/// Claims that one account may hold: more than anybody finishes in a week only hides work.
pub const CLAIMS_MAX: usize = 100;
/// A reason shorter than this says nothing.
pub(crate) const REASON_CHARS_MIN: usize = 5;

/// Somebody is busy with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub account: String,
    /// As what.
    pub role: Role,
    /// First day.
    pub since: NaiveDate,
    /// Last day.
    pub until: NaiveDate,
}

impl Claim {
    fn new(account: &str, role: Role, today: NaiveDate) -> Self {
        Self {
            account: account.to_owned(),
            role,
            since: today,
            until: today
                .checked_add_days(Days::new(CLAIM_DAYS))
                .unwrap_or(today),
        }
    }

    /// Whether it has not expired.
    #[must_use]
    pub fn lasts(&self, today: NaiveDate) -> bool {
        today <= self.until
    }

    /// The claim, when it lasts and is neither the actor's nor of whom the actor stands in for.
    fn of_another<'a>(
        claim: Option<&'a Self>,
        actor: &Actor,
        today: NaiveDate,
    ) -> Option<&'a Self> {
        let own = |claim: &Self| actor.persons().any(|person| person == claim.account);
        claim.filter(|claim| claim.lasts(today) && !own(claim))
    }
}

/// WF-12: what somebody else is busy with is left alone until it is taken over.
pub(crate) fn not_of_another(
    checks: &mut Checks,
    claim: Option<&Claim>,
    actor: &Actor,
    today: NaiveDate,
) {
    if let Some(claim) = Claim::of_another(claim, actor, today) {
        let free_from = claim.until.succ_opt().unwrap_or(claim.until);
        let found = format_args!("{} {}", claim.account, claim.since);
        checks.wait("WF-12", "CLAIMED_BY_ANOTHER", claim.until, found, free_from);
    }
}

/// The new claim, and whose it was. Everything unmet has to be in `checks` already.
fn take(
    mut checks: Checks,
    held: Option<&Claim>,
    actor: &Actor,
    take_over: Option<&str>,
    today: NaiveDate,
) -> Result<(Claim, Option<String>), Refusal> {
    match take_over {
        None => not_of_another(&mut checks, held, actor, today),
        Some(reason) => reason_given(&mut checks, reason),
    }
    checks.verdict()?;
    let from = Claim::of_another(held, actor, today).map(|claim| claim.account.clone());
    Ok((Claim::new(&actor.account, actor.role, today), from))
}

fn reason_given(checks: &mut Checks, reason: &str) {
    let (needed, found) = (REASON_CHARS_MIN, reason.trim().chars().count());
    checks.need(found >= needed, "WF-12", "CLAIM_REASON", needed, found);
}

/// Only who holds a claim gives it back.
fn own(held: Option<&Claim>, actor: &Actor, today: NaiveDate) -> Result<(), Refusal> {
    let mut checks = Checks::default();
    let held = held.filter(|claim| claim.lasts(today));
    let is_own = held.is_some_and(|claim| actor.persons().any(|person| person == claim.account));
    let found = held.map_or("", |claim| &claim.account);
    checks.need(is_own, "WF-12", "OWN_CLAIM", &actor.account, found);
    checks.verdict().map(|_| ())
}

/// Claims the current task of a case: the moves that lead on. `take_over` is the reason for taking it
/// from somebody who holds it. Who holds it already holds it for longer.
///
/// # Errors
/// It is not the actor's turn, the actor may not decide in this case (ORG-3), or somebody else has it.
pub fn claim_case(
    case: &Case,
    actor: &Actor,
    take_over: Option<&str>,
    today: NaiveDate,
) -> Result<Event, Refusal> {
    let mut checks = Checks::default();
    let turns = work::turns(case);
    match turns.iter().find(|turn| turn.role == actor.role) {
        // Which of the rules bars the person is told as the first of the moves would tell it.
        Some(turn) if turn.bars(actor) => {
            for step in turn.steps.iter().take(1) {
                guard::person(&mut checks, case, *step, actor);
            }
        }
        Some(_) => {}
        None => {
            let roles: Vec<Role> = turns.iter().map(|turn| turn.role).collect();
            checks.role(&roles, actor.role);
        }
    }
    let (claim, from) = take(checks, case.claim.as_ref(), actor, take_over, today)?;
    Ok(event(case, What::Claimed { claim, from }, actor, today))
}

/// Gives the claim of a case back.
///
/// # Errors
/// The actor holds none.
pub fn release_case(case: &Case, actor: &Actor, today: NaiveDate) -> Result<Event, Refusal> {
    own(case.claim.as_ref(), actor, today)?;
    Ok(event(case, What::Released, actor, today))
}

/// Hands a claim over to another account that acts as the same role (ORG-4). Whom ORG-3 keeps from
/// the task does not get it: then it is free again. `None` when nobody holds it.
#[must_use]
pub fn hand_over_case(case: &Case, to: &str, actor: &Actor, today: NaiveDate) -> Option<Event> {
    let held = case.claim.as_ref().filter(|claim| claim.lasts(today))?;
    let turns = work::turns(case);
    let turn = turns.iter().find(|turn| turn.role == held.role);
    let is_barred = turn.is_none_or(|turn| turn.barred.iter().any(|account| account == to));
    let what = match is_barred {
        true => What::Released,
        false => What::Claimed {
            claim: Claim::new(to, held.role, today),
            from: Some(held.account.clone()),
        },
    };
    Some(event(case, what, actor, today))
}

fn event(case: &Case, what: What, actor: &Actor, today: NaiveDate) -> Event {
    Event {
        what,
        to: case.state,
        on: today,
        actor: actor.account.clone(),
        on_behalf_of: actor.on_behalf_of.clone(),
        noted: Noted::Nothing,
    }
}

/// Claims the current task of a lead; returns the lead after it, and whose it was.
///
/// # Errors
/// It is not the actor's turn, or somebody else has it.
pub fn claim_lead(
    lead: &Lead,
    actor: &Actor,
    take_over: Option<&str>,
    today: NaiveDate,
) -> Result<(Lead, Option<String>), Refusal> {
    let mut checks = Checks::default();
    let turns = lead.turns();
    let roles: Vec<Role> = turns.iter().map(|turn| turn.role).collect();
    checks.role(&roles, actor.role);
    let (claim, from) = take(checks, lead.claim.as_ref(), actor, take_over, today)?;
    let next = Lead {
        claim: Some(claim),
        ..lead.clone()
    };
    Ok((next, from))
}

/// Gives the claim of a lead back.
///
/// # Errors
/// The actor holds none.
pub fn release_lead(lead: &Lead, actor: &Actor, today: NaiveDate) -> Result<Lead, Refusal> {
    own(lead.claim.as_ref(), actor, today)?;
    Ok(Lead {
        claim: None,
        ..lead.clone()
    })
}

/// Hands a claim over to another account that acts as the same role. `None` when nobody holds it.
#[must_use]
pub fn hand_over_lead(lead: &Lead, to: &str, today: NaiveDate) -> Option<Lead> {
    let held = lead.claim.as_ref().filter(|claim| claim.lasts(today))?;
    let claim = Some(Claim::new(to, held.role, today));
    Some(Lead {
        claim,
        ..lead.clone()
    })
}
