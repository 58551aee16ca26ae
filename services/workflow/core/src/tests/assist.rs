//! From help to 风险消除: T12 to T19.

use super::*;

fn propose(kind: EliminationKind) -> Command {
    Command::ProposeElimination { kind }
}

#[test]
fn t12_needs_help_for_each_risk_of_the_kind_that_labour_asks_for() {
    let mut walk = Walk::to(CaseState::Enrolled);
    walk.facts.measures = MeasureFacts::default();
    let start = || Command::StartAssistance;
    assert_eq!(
        walk.refused(start()),
        ["MEA-7 MEASURE_DELIVERED", "S51 DEVELOPMENT_MEASURE"]
    );
    walk.facts.household.no_labour = true;
    assert_eq!(
        walk.refused(start()),
        ["MEA-7 MEASURE_DELIVERED", "S52 SOCIAL_SECURITY"]
    );
    walk.facts.measures.risks_delivered = vec![RiskType::Illness];
    walk.facts.measures.social_security_delivered = true;
    walk.act(start()).expect("started");
}

#[test]
fn s43_without_labour_a_household_is_tracked_and_never_eliminated() {
    let mut walk = Walk::to(CaseState::UnderAssistance);
    assert_eq!(
        walk.refused(Command::Track),
        ["S43 NO_LABOUR", "S43 SOCIAL_SECURITY_IN_PLACE"]
    );
    walk.later(200);
    walk.facts = recovered(walk.today);
    walk.facts.household.no_labour = true;
    walk.facts.household.social_security_in_place = true;
    for kind in [EliminationKind::ByAssistance, EliminationKind::Natural] {
        assert_eq!(walk.refused(propose(kind)), ["S43 LABOUR"]);
    }
    walk.act(Command::Track).expect("tracked");
    let unmet = walk.refused(propose(EliminationKind::ByAssistance));
    assert_eq!(unmet, ["T14 STATE", "S43 LABOUR"]);
    assert_eq!(walk.refused(Command::ResumeAssistance), ["S43 LABOUR"]);
    walk.facts.household.no_labour = false;
    walk.act(Command::ResumeAssistance).expect("resumed");
    assert_eq!(walk.case.state, CaseState::UnderAssistance);
}

#[test]
fn s44_day_170_is_refused_and_day_185_accepted() {
    let mut walk = Walk::to(CaseState::UnderAssistance);
    let enrolled = walk.case.enrolled.expect("enrolled");
    walk.today = enrolled + Days::new(170);
    walk.facts = recovered(walk.today);
    let refusal = walk
        .decide(propose(EliminationKind::ByAssistance))
        .expect_err("too early");
    let [only] = &refusal.unmet[..] else {
        panic!("{refusal}")
    };
    assert_eq!((only.rule, only.found.as_str()), ("S44", "170"));
    assert_eq!(only.possible_from, walk.case.elimination_possible());
    // By itself it may go away at any time.
    assert!(walk.decide(propose(EliminationKind::Natural)).is_ok());
    walk.today = enrolled + Days::new(185);
    walk.facts = recovered(walk.today);
    walk.act(propose(EliminationKind::ByAssistance))
        .expect("proposed");
}

#[test]
fn t14_names_everything_that_is_missing_at_once() {
    let mut walk = Walk::to(CaseState::UnderAssistance);
    walk.facts = in_need(walk.today);
    walk.facts.household.net_pc = Money::from_yuan(5_000);
    walk.facts.household.guarantees_safe = false;
    walk.facts.measures.risks_delivered.clear();
    assert_eq!(
        walk.refused(propose(EliminationKind::ByAssistance)),
        [
            "S39 GUARANTEES_SAFE",
            "S39 NET_NOT_BELOW_LINE",
            "S39 REFERENCE_NOT_BELOW_LINE",
            "S39 STABLE_MONTHS",
            "S39 RISK_CLOSED",
            "S44 HOLD_MONTHS",
            "ELI-6 MEASURE_DELIVERED",
        ]
    );
}

#[test]
fn s39_income_has_to_be_stable_and_the_day_is_named() {
    let mut walk = Walk::to(CaseState::UnderAssistance);
    walk.later(300);
    walk.facts = recovered(walk.today);
    let since = walk.today - Days::new(30);
    walk.facts.household.above_line_since = Some(since);
    let refusal = walk
        .decide(propose(EliminationKind::Natural))
        .expect_err("not yet stable");
    assert_eq!(refusal.unmet[0].code, "STABLE_MONTHS");
    let months = chrono::Months::new(6);
    assert_eq!(
        refusal.unmet[0].possible_from,
        since.checked_add_months(months)
    );
}

#[test]
fn moves_show_the_first_day_of_elimination() {
    let walk = Walk::to(CaseState::UnderAssistance);
    let moves = moves(
        &walk.case,
        &walk.facts,
        &actor(Role::ResponsiblePerson),
        walk.today,
    );
    let propose = moves
        .iter()
        .find(|n| n.step == Move::ProposeElimination)
        .expect("a move");
    let hold = propose
        .unmet
        .iter()
        .find(|r| r.rule == "S44")
        .expect("the hold");
    assert_eq!(hold.possible_from, walk.case.elimination_possible());
}

#[test]
fn s42_an_unstable_household_is_helped_on() {
    for state in [
        CaseState::EliminationProposed,
        CaseState::ElimVerified,
        CaseState::ElimAppraised,
        CaseState::ElimOnNotice,
        CaseState::ElimNoticeClosed,
        CaseState::Filed,
    ] {
        let mut walk = Walk::to(state);
        let empty = Command::ReturnToAssistance {
            reason: String::new(),
            next_review: walk.today,
        };
        assert_eq!(
            walk.refused(empty),
            ["S42 RETURN_REASON", "S42 NEXT_REVIEW"]
        );
        walk.make(Move::ReturnToAssistance).expect("returned");
        assert_eq!(walk.case.state, CaseState::UnderAssistance);
        assert_eq!(due(&walk.case), Some(walk.today + Days::new(90)));
    }
}

#[test]
fn t15_a_vote_against_means_more_help() {
    let mut walk = Walk::to(CaseState::ElimVerified);
    let against = Appraisal {
        votes_for: 5,
        votes_against: 9,
        reason: "given".to_owned(),
        ..meeting(walk.today)
    };
    walk.act(Command::Appraise(against)).expect("a result");
    assert_eq!(walk.case.state, CaseState::UnderAssistance);
    assert_eq!(
        walk.case.category,
        Some(Category::SuddenHardship),
        "what was identified stays"
    );
}

#[test]
fn t15_has_the_guards_of_the_first_time() {
    let mut walk = Walk::to(CaseState::EliminationProposed);
    walk.facts.household.guarantees_safe = false;
    walk.facts.household.income_complete = false;
    let alone = Visit {
        visitors: vec!["one".to_owned()],
        ..visit(walk.today)
    };
    assert_eq!(
        walk.refused(Command::Verify(alone)),
        ["S06 INCOME_COMPLETE", "S39 GUARANTEES_SAFE", "T3 VISITORS"]
    );
    let walk = Walk::to(CaseState::ElimVerified);
    let fourteen = Appraisal {
        villager_representatives: 14,
        votes_for: 14,
        votes_abstained: 0,
        ..meeting(walk.today)
    };
    assert_eq!(
        walk.refused(Command::Appraise(fourteen)),
        ["S27 VILLAGER_REPRESENTATIVES"]
    );
}

#[test]
fn t16_and_t17_need_document_after_values_contact_and_filing() {
    let mut walk = Walk::to(CaseState::ElimNoticeClosed);
    let empty = Command::File {
        document_number: String::new(),
        evidence: String::new(),
    };
    assert_eq!(
        walk.refused(empty),
        ["S41 DOCUMENT_NUMBER", "S41 DOCUMENT_SCAN"]
    );
    walk.make(Move::File).expect("filed");
    walk.facts.household.income_complete = false;
    walk.facts.household.guarantees_complete = false;
    let empty = Command::Eliminate {
        filing_number: String::new(),
        contact_given: false,
    };
    assert_eq!(
        walk.refused(empty),
        [
            "1_11_004 INCOME_COMPLETE",
            "1_11_004 GUARANTEES_CHECKED",
            "S41 FILING_NUMBER",
            "1_11_011 MONITORING_CONTACT",
        ]
    );
    walk.facts = recovered(walk.today);
    walk.make(Move::Eliminate).expect("eliminated");
    assert_eq!(walk.case.eliminated, Some(walk.today));
    assert!(
        moves(
            &walk.case,
            &walk.facts,
            &actor(Role::CountyOfficer),
            walk.today
        )
        .is_empty()
    );
}

#[test]
fn t19_and_t20_end_any_open_case_with_a_proof() {
    for state in [
        CaseState::Declared,
        CaseState::OnNotice,
        CaseState::Enrolled,
        CaseState::Filed,
    ] {
        let walk = Walk::to(state);
        let withdraw = Command::Withdraw {
            statement: String::new(),
        };
        assert_eq!(walk.refused(withdraw), ["T20 OWN_STATEMENT"]);
        let gone = Command::CloseNatural {
            reason: NaturalEnd::Died,
            evidence: String::new(),
        };
        assert_eq!(walk.refused(gone), ["T19 NATURAL_PROOF"]);
        assert!(walk.decide(command(Move::Withdraw, walk.today)).is_ok());
        assert!(walk.decide(command(Move::CloseNatural, walk.today)).is_ok());
    }
}

#[test]
fn steps_have_their_days() {
    let due_in = |state| due(&Walk::to(state).case);
    let days = |state, days| {
        let walk = Walk::to(state);
        assert_eq!(
            due(&walk.case),
            Some(walk.case.reached + Days::new(days)),
            "{state}"
        );
    };
    // Declared on a Monday: five working days.
    assert_eq!(due_in(CaseState::Declared), Some(day("2026-03-09")));
    days(CaseState::OnNotice, 7);
    days(CaseState::NoticeClosed, 2);
    days(CaseState::TownshipReviewed, 5);
    days(CaseState::Compared, 5);
    assert_eq!(due_in(CaseState::Verified), None);
    let walk = Walk::to(CaseState::UnderAssistance);
    assert_eq!(due(&walk.case), walk.case.planned_elimination);
}
