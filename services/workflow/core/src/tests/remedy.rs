//! Papers sent back (T8r), appeals (WF-9), and what a second person lets pass (`decisions` 11).

use super::*;

fn account(name: &str, role: Role) -> Actor {
    Actor {
        account: name.to_owned(),
        role,
        on_behalf_of: None,
    }
}

impl Walk {
    fn act_as(&mut self, actor: &Actor, command: Command) -> Result<Event, Refusal> {
        let event = decide(&self.case, command, &self.facts, actor, self.today)?.event;
        self.case.apply(&event);
        Ok(event)
    }
}

fn codes(refusal: Refusal) -> Vec<&'static str> {
    refusal.unmet.iter().map(|r| r.code).collect()
}

#[test]
fn t8r_papers_come_back_with_what_is_wrong_and_go_up_again() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    let wrong = command(Move::ReturnForCorrection, walk.today);
    assert_eq!(walk.refused(wrong.clone()), ["S32 VILLAGE_REPORT"]);
    walk.make(Move::SubmitVillageReport).expect("reported");
    let unexplained = Command::ReturnForCorrection(vec![Correction {
        part: Part::Income,
        remark: " ".to_owned(),
    }]);
    assert_eq!(walk.refused(unexplained), ["T8r CORRECTION_REMARK"]);
    let nothing = Command::ReturnForCorrection(Vec::new());
    assert_eq!(walk.refused(nothing), ["T8r CORRECTIONS"]);

    assert_eq!(walk.act(wrong).expect("returned").name(), "RETURNED");
    assert_eq!(walk.case.corrections, [Part::Minutes]);
    assert_eq!(due(&walk.case), Some(plus_working_days(walk.today, 5)));
    let review = command(Move::ReviewByTownship, walk.today);
    assert_eq!(
        walk.refused(review),
        ["T8 STATE", "S32 VILLAGE_REPORT"],
        "nothing is reviewed while it is being put right"
    );
    walk.make(Move::SubmitVillageReport).expect("put right");
    assert_eq!(walk.case.state, CaseState::NoticeClosed);
    assert!(walk.case.corrections.is_empty());
    walk.make(Move::ReviewByTownship).expect("reviewed");
}

#[test]
fn org3_whoever_visited_sends_nothing_back() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    walk.make(Move::SubmitVillageReport).expect("reported");
    let visitor = account("grid_worker", Role::TownshipOffice);
    let wrong = command(Move::ReturnForCorrection, walk.today);
    let refused = walk.act_as(&visitor, wrong).expect_err("refused");
    assert_eq!(codes(refused), ["REVIEWER_DID_NOT_VISIT"]);
}

#[test]
fn wf9_a_household_appeals_once_and_in_time_and_goes_on_where_it_stood() {
    let mut walk = Walk::to(CaseState::TownshipReviewed);
    walk.make(Move::Disqualify).expect("turned away");
    assert_eq!(walk.case.closed_reason, Some("FALSE_INFORMATION"));
    let mut late = Walk {
        case: walk.case.clone(),
        facts: walk.facts.clone(),
        today: walk.today,
    };
    late.later(31);
    let appeal = command(Move::Appeal, late.today);
    assert_eq!(late.refused(appeal), ["WF-9 APPEAL_UNTIL"]);

    walk.later(30);
    assert_eq!(walk.make(Move::Appeal).expect("in time").name(), "APPEALED");
    assert_eq!(due(&walk.case), Some(walk.today + Days::new(15)));
    // The officer who turned it away does not answer the appeal, whatever role it now has.
    let same = account("county_officer", Role::CountyApprover);
    let granted = command(Move::DecideAppeal, walk.today);
    let refused = walk.act_as(&same, granted.clone()).expect_err("refused");
    assert_eq!(codes(refused), ["APPEAL_BEFORE_ANOTHER"]);
    assert_eq!(walk.act(granted).expect("granted").name(), "APPEAL_GRANTED");
    assert_eq!(walk.case.state, CaseState::TownshipReviewed);
    assert_eq!(walk.case.closed_reason, None);

    walk.make(Move::Disqualify).expect("turned away again");
    let again = command(Move::Appeal, walk.today);
    assert_eq!(walk.refused(again), ["WF-9 FIRST_APPEAL"]);
}

#[test]
fn wf9_a_rejected_appeal_leaves_the_case_as_it_ended() {
    let mut walk = Walk::to(CaseState::Verified);
    walk.make(Move::FindNotQualified).expect("turned away");
    walk.make(Move::Appeal).expect("appealed");
    let rejected = |reason: &str, told| Command::DecideAppeal {
        outcome: AppealOutcome::Rejected,
        reason: reason.to_owned(),
        household_informed: told,
        evidence: "letter".to_owned(),
    };
    assert_eq!(
        walk.refused(rejected("", None)),
        ["WF-9 APPEAL_ANSWER", "WF-9 HOUSEHOLD_INFORMED"]
    );
    let told = Some(walk.today);
    let event = walk.act(rejected("given", told)).expect("rejected");
    assert_eq!(event.name(), "APPEAL_REJECTED");
    assert_eq!(walk.case.state, CaseState::NotQualified);
    assert_eq!(walk.case.closed_reason, Some("NO_RISK"));
}

#[test]
fn wf9_every_shipped_procedure_knows_the_appeal() {
    for template in SHIPPED.iter() {
        for state in [CaseState::NotQualified, CaseState::Disqualified] {
            assert!(
                template.step(Move::Appeal, Some(state)).is_some(),
                "{}",
                template.id
            );
        }
    }
}

#[test]
fn eli2_the_two_quarters_are_let_pass_by_a_second_person_once() {
    let mut walk = Walk::to(CaseState::UnderAssistance);
    walk.later(100);
    walk.facts = recovered(walk.today);
    let propose = || command(Move::ProposeElimination, day("2026-01-01"));
    assert_eq!(walk.refused(propose()), ["S44 HOLD_MONTHS"]);

    let grant = |requirement: &str, reason: &str| Command::GrantOverride {
        requirement: requirement.to_owned(),
        reason: reason.to_owned(),
    };
    assert_eq!(
        walk.refused(grant("VILLAGER_REPRESENTATIVES", "too few came")),
        ["ELI-2 OVERRIDABLE", "ELI-2 OVERRIDE_REASON"]
    );
    let officer = account("officer", Role::CountyOfficer);
    let reason = "the family has moved to its daughter";
    let refused = walk.act_as(&officer, grant("HOLD_MONTHS", reason));
    assert_eq!(codes(refused.expect_err("refused")), ["ROLE"]);

    let approver = account("approver", Role::CountyApprover);
    let granted = walk.act_as(&approver, grant("HOLD_MONTHS", reason));
    assert_eq!(granted.expect("granted").name(), "OVERRIDE_GRANTED");
    let twice = walk.act_as(&approver, grant("HOLD_MONTHS", reason));
    assert_eq!(
        codes(twice.expect_err("refused")),
        ["OVERRIDE_NOT_YET_GRANTED"]
    );
    // The same person in another role is no second person.
    let same = account("approver", Role::ResponsiblePerson);
    let refused = walk.act_as(&same, propose()).expect_err("refused");
    assert_eq!(codes(refused), ["HOLD_MONTHS", "OVERRIDE_BY_ANOTHER"]);

    let listed = moves(
        &walk.case,
        &walk.facts,
        &actor(Role::VillageCadre),
        walk.today,
    );
    let listed = listed.iter().find(|m| m.step == Move::ProposeElimination);
    assert!(listed.is_some_and(|m| m.unmet.is_empty()), "{listed:?}");
    let decision = walk.decide(propose()).expect("let pass");
    assert!(decision.rules.contains(&"S44"));
    walk.case.apply(&decision.event);
    assert!(walk.case.overrides[0].used);

    // It was for this time only.
    walk.make(Move::ReturnToAssistance).expect("returned");
    assert_eq!(walk.refused(propose()), ["S44 HOLD_MONTHS"]);
}

#[test]
fn nothing_that_protects_a_household_can_be_let_pass() {
    for code in [
        "PERSONS_AUTHORISED",
        "ITEMS_AUTHORISED",
        "VILLAGER_REPRESENTATIVES",
        "NOTICE_DAYS",
        "NOTICE_AT_EVERY_PLACE",
        "HARD_FLAWS_OPEN",
    ] {
        assert_eq!(overridable(code), None, "{code}");
    }
}
