//! From the declaration to the appraisal: T1 to T5.

use kernel::{ItemKind, RiskType, Role};

use super::*;

fn declared(declaration: Declaration, history: History) -> Vec<String> {
    let declared = declare(
        declaration,
        history,
        &actor(Role::VillageCadre),
        &township2021(),
        day("2026-03-02"),
    );
    let refusal = declared.expect_err("must be refused");
    refusal
        .unmet
        .iter()
        .map(|r| format!("{} {}", r.rule, r.code))
        .collect()
}

#[test]
fn t1_names_everything_that_is_missing_at_once() {
    let nothing = Declaration {
        risks: Vec::new(),
        evidence: Vec::new(),
        proxy: Some(Proxy {
            relation: ProxyRelation::Neighbour,
            capacity_reason: " ".to_owned(),
            will_statement: String::new(),
        }),
        ..declaration()
    };
    let open = History {
        open: Some(kernel::CaseId(Uuid::nil())),
        eliminated: None,
    };
    assert_eq!(
        declared(nothing, open),
        [
            "S02 ONE_OPEN_CASE",
            "S17 RISK_POINTS",
            "S17 RISK_PROOF",
            "S20 PROXY_REASON",
            "S20 WILL_STATEMENT",
        ]
    );
    let six = Declaration {
        risks: RiskType::ALL[..6].to_vec(),
        ..declaration()
    };
    assert_eq!(declared(six, History::default()), ["S17 RISK_POINTS"]);
}

#[test]
fn t18_a_relapse_names_the_case_that_it_follows() {
    let before = kernel::CaseId(Uuid::from_u128(7));
    let history = History {
        open: None,
        eliminated: Some(before),
    };
    let declared = declare(
        declaration(),
        history,
        &actor(Role::GridWorker),
        &township2021(),
        day("2026-03-02"),
    );
    let case = Case::begin(&declared.expect("declared").event, township2021()).expect("a case");
    assert_eq!(case.relapse_of, Some(before));
}

#[test]
fn t2_needs_everybody_and_all_nine_items() {
    let mut walk = Walk::declared();
    walk.facts.household.persons_authorised = 2;
    walk.facts.household.items_covered = ItemKind::ALL[..8].to_vec();
    let empty = Command::Authorise {
        text_version: String::new(),
        evidence: String::new(),
    };
    assert_eq!(
        walk.refused(empty),
        [
            "S18 PERSONS_AUTHORISED",
            "CMP-4 ITEMS_AUTHORISED",
            "S18 TEXT_VERSION",
            "S18 SIGNED_FORM"
        ]
    );
    // A household of which nobody is known to sign is not one in which everybody has signed.
    walk.facts.household.persons_to_authorise = 0;
    walk.facts.household.persons_authorised = 0;
    let unmet = walk.refused(command(Move::Authorise, walk.today));
    assert!(
        unmet.contains(&"S18 PERSONS_AUTHORISED".to_owned()),
        "{unmet:?}"
    );
    walk.facts = in_need(walk.today);
    walk.make(Move::Authorise).expect("authorised");
}

#[test]
fn t3_needs_two_visitors_three_ticks_and_what_they_had_to_find_out() {
    let mut walk = Walk::to(CaseState::Authorised);
    walk.facts.household.income_complete = false;
    walk.facts.household.guarantees_complete = false;
    walk.facts.household.quality_errors = vec!["3_11_001".to_owned()];
    let bad = Visit {
        visitors: vec!["village_cadre".to_owned(), " village_cadre ".to_owned()],
        visited: walk.today + Days::new(1),
        ..Visit::default()
    };
    assert_eq!(
        walk.refused(Command::Verify(bad)),
        [
            "S06 INCOME_COMPLETE",
            "S07 GUARANTEES_CHECKED",
            "REG-14 DATA_QUALITY_ERRORS",
            "T3 VISITORS",
            "T3 VISITED_ON",
            "S22 STANDARD_MET",
            "S22 TRUE_STATEMENT",
            "S22 INFORMATION_COMPLETE",
            "WF-10 VISIT_FORM",
        ]
    );
    walk.facts = in_need(walk.today);
    let before = Visit {
        visited: walk.case.declared - Days::new(1),
        ..visit(walk.today)
    };
    assert_eq!(walk.refused(Command::Verify(before)), ["T3 VISITED_ON"]);
    walk.make(Move::Verify).expect("verified");
}

#[test]
fn t3x_tells_the_farmer() {
    let mut walk = Walk::to(CaseState::Verified);
    let untold = Command::FindNotQualified {
        reason: NotQualified::Untrue,
        farmer_informed: None,
    };
    assert_eq!(walk.refused(untold), ["T3x FARMER_INFORMED"]);
    walk.make(Move::FindNotQualified).expect("not qualified");
    assert_eq!(walk.case.closed_reason, Some("NO_RISK"));
    assert!(walk.case.state.is_final());
}

#[test]
fn s27_fourteen_representatives_are_refused_and_fifteen_pass() {
    let mut walk = Walk::to(CaseState::WarningListed);
    let mut fourteen = Appraisal {
        villager_representatives: 14,
        ..meeting(walk.today)
    };
    fourteen.votes_for = 13;
    let refusal = walk
        .decide(Command::Appraise(fourteen))
        .expect_err("refused");
    let [only] = &refusal.unmet[..] else {
        panic!("{refusal}")
    };
    assert_eq!(
        (only.rule, only.needed.as_str(), only.found.as_str()),
        ("S27", "15", "14")
    );
    assert_eq!(
        walk.make(Move::Appraise).expect("appraised").name(),
        "APPRAISED"
    );
    assert_eq!(walk.case.category, Some(Category::SuddenHardship));
}

#[test]
fn t5_names_everything_that_is_missing_at_once() {
    let walk = Walk::to(CaseState::WarningListed);
    let nothing = Appraisal {
        held: walk.today + Days::new(1),
        votes_for: 1,
        ..Appraisal::default()
    };
    assert_eq!(
        walk.refused(Command::Appraise(Appraisal {
            votes_abstained: 9,
            ..nothing
        })),
        [
            "S27 VILLAGER_REPRESENTATIVES",
            "S27 TOWNSHIP_LIAISONS",
            "S27 VILLAGE_CADRES",
            "S27 COMMITTEE_MEMBERS",
            "S27 RESIDENT_TEAM",
            "T5 HELD_ON",
            "WF-2 VOTES",
            "WF-2 CONFLICTS_DECLARED",
            "S29 CATEGORY_PROPOSED",
            "WF-10 MINUTES",
        ]
    );
    let overflowing = Appraisal {
        votes_for: u32::MAX,
        ..meeting(walk.today)
    };
    assert_eq!(walk.refused(Command::Appraise(overflowing)), ["WF-2 VOTES"]);
}

#[test]
fn t5x_a_vote_against_ends_the_case_with_its_reason() {
    let mut walk = Walk::to(CaseState::WarningListed);
    let against = Appraisal {
        votes_for: 5,
        votes_against: 9,
        ..meeting(walk.today)
    };
    assert_eq!(
        walk.refused(Command::Appraise(against.clone())),
        ["T5x VOTE_REASON"]
    );
    let against = Appraisal {
        reason: "given".to_owned(),
        ..against
    };
    let event = walk.act(Command::Appraise(against)).expect("a result");
    assert_eq!(event.name(), "NOT_QUALIFIED");
    assert_eq!(walk.case.closed_reason, Some("VOTED_AGAINST"));
}

#[test]
fn org2_every_move_knows_its_roles_and_no_service_decides() {
    let template = shipped("GUIDE2022");
    for step in Move::ALL
        .iter()
        .filter(|step| **step != Move::ListForWarning)
    {
        let roles = &template
            .nearest(*step, CaseState::Declared)
            .expect("a step")
            .roles;
        assert!(
            !roles.is_empty() && !roles.contains(&Role::Service),
            "{step}"
        );
        assert!(!roles.contains(&Role::SystemAdmin), "{step}");
    }
    let walk = Walk::to(CaseState::Authorised);
    let verify = command(Move::Verify, walk.today);
    let refusal = decide(
        &walk.case,
        verify,
        &walk.facts,
        &actor(Role::CountyApprover),
        walk.today,
    );
    assert_eq!(refusal.expect_err("refused").unmet[0].code, "ROLE");
}

#[test]
fn moves_say_what_is_missing_before_anybody_presses_a_button() {
    let mut walk = Walk::to(CaseState::WarningListed);
    walk.later(3);
    let moves = moves(
        &walk.case,
        &walk.facts,
        &actor(Role::VillageCadre),
        walk.today,
    );
    let appraise = moves
        .iter()
        .find(|next| next.step == Move::Appraise)
        .expect("a move");
    assert_eq!(
        (appraise.transition, appraise.to),
        ("T5", CaseState::Appraised)
    );
    assert!(appraise.yours && appraise.unmet.is_empty());
    let representatives = &appraise.to_give[0];
    assert_eq!(
        (
            representatives.needed.as_str(),
            representatives.found.as_str()
        ),
        ("15", "")
    );
    let disqualify = moves
        .iter()
        .find(|next| next.step == Move::Disqualify)
        .expect("a move");
    assert!(!disqualify.yours);
    assert!(moves.iter().all(|next| next.step != Move::Enrol));
}
