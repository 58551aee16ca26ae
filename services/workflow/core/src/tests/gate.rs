//! From the closed notice to enrolment: T8 to T11.

use super::*;

#[test]
fn t8_needs_the_report_the_checklist_and_somebody_who_was_not_there() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    let nothing = Command::ReviewByTownship {
        regular: false,
        complete: false,
        opinion: String::new(),
        evidence: String::new(),
    };
    assert_eq!(
        walk.refused(nothing),
        [
            "S32 VILLAGE_REPORT",
            "S33 PAPERS_REGULAR",
            "S33 PAPERS_COMPLETE",
            "S33 OPINION",
            "S33 CHECKLIST",
        ]
    );
    walk.make(Move::SubmitVillageReport).expect("reported");
    assert_eq!(walk.case.state, CaseState::NoticeClosed);
    // The grid worker who visited now works in the township.
    let visitor = Actor {
        account: "grid_worker".to_owned(),
        role: Role::TownshipOffice,
        on_behalf_of: None,
    };
    let review = command(Move::ReviewByTownship, walk.today);
    let refusal = decide(&walk.case, review, &walk.facts, &visitor, walk.today);
    assert_eq!(refusal.expect_err("refused").unmet[0].rule, "ORG-3");
    walk.make(Move::ReviewByTownship).expect("reviewed");
    assert_eq!(walk.case.reviewers, ["township_office"]);
}

#[test]
fn org3_who_reviewed_does_not_decide_for_the_county() {
    let walk = Walk::to(CaseState::TownshipReviewed);
    let reviewer = Actor {
        account: "township_office".to_owned(),
        role: Role::CountyOfficer,
        on_behalf_of: None,
    };
    for step in [Move::ConfirmComparison, Move::Disqualify] {
        let command = command(step, walk.today);
        let refusal = decide(&walk.case, command, &walk.facts, &reviewer, walk.today);
        let refusal = refusal.expect_err("refused");
        assert_eq!(refusal.unmet[0].code, "COUNTY_IS_A_THIRD_PERSON");
    }
}

#[test]
fn t9_needs_a_whole_fresh_comparison_without_open_hits() {
    let mut walk = Walk::to(CaseState::TownshipReviewed);
    let good = walk.facts.comparison.clone().expect("a comparison");
    let confirm = || Command::ConfirmComparison;
    walk.facts.comparison = None;
    assert_eq!(walk.refused(confirm()), ["S34 COMPARISON_OPENED"]);
    walk.facts.comparison = Some(ComparisonFacts {
        complete: false,
        items_missing: vec![ItemKind::Vehicle, ItemKind::BankDeposit],
        persons_left_out: 1,
        hard_flaws_open: 1,
        reviews_open: 2,
        ..good.clone()
    });
    assert_eq!(
        walk.refused(confirm()),
        [
            "S34 ITEMS_COMPARED",
            "S34 ITEMS_MISSING",
            "CMP-4 PERSONS_LEFT_OUT",
            "S36 HARD_FLAWS_OPEN",
            "CMP-6 REVIEWS_OPEN"
        ]
    );
    let dated = |days| ComparisonFacts {
        oldest_data: walk.today.checked_sub_days(Days::new(days)),
        ..good.clone()
    };
    let (old, fresh) = (dated(31), dated(30));
    walk.facts.comparison = Some(old);
    assert_eq!(walk.refused(confirm()), ["T9 COMPARISON_AGE_DAYS"]);
    walk.facts.comparison = Some(ComparisonFacts {
        oldest_data: None,
        ..good
    });
    assert_eq!(walk.refused(confirm()), ["T9 COMPARISON_DATED"]);
    walk.facts.comparison = Some(fresh);
    walk.act(confirm()).expect("compared");
}

#[test]
fn t9x_needs_a_confirmed_flaw_or_untrue_information() {
    let mut walk = Walk::to(CaseState::TownshipReviewed);
    let flaw = Command::Disqualify {
        ground: DisqualificationGround::HardFlaw,
        reason: String::new(),
        household_informed: None,
        evidence: String::new(),
    };
    assert_eq!(
        walk.refused(flaw),
        [
            "S35 HARD_FLAW_CONFIRMED",
            "S35 DISQUALIFICATION_REASON",
            "S35 HOUSEHOLD_INFORMED",
            "S35 DECISION_LETTER",
        ]
    );
    walk.make(Move::Disqualify).expect("disqualified");
    assert_eq!(walk.case.closed_reason, Some("FALSE_INFORMATION"));
}

#[test]
fn t11_the_category_follows_from_origin_and_line() {
    use Category::*;
    use Origin::*;
    // category, origin, net, reference, unmet with a line of 8 700
    type Row = (Category, Origin, i64, i64, &'static [&'static str]);
    let table: [Row; 10] = [
        (UnstableEscaped, FormerlyRegistered, 8_699, 8_699, &[]),
        (UnstableEscaped, General, 8_000, 8_000, &["S03 ORIGIN"]),
        (
            UnstableEscaped,
            FormerlyRegistered,
            8_700,
            8_000,
            &["S06 NET_BELOW_LINE"],
        ),
        (MarginalVulnerable, General, 8_000, 9_000, &[]),
        (
            MarginalVulnerable,
            FormerlyRegistered,
            8_000,
            8_000,
            &["S04 ORIGIN"],
        ),
        (
            MarginalVulnerable,
            FormerlyRegistered,
            9_000,
            9_000,
            &["S04 ORIGIN", "S06 NET_BELOW_LINE"],
        ),
        (SuddenHardship, General, 16_080, 6_080, &[]),
        (SuddenHardship, FormerlyRegistered, 8_700, 8_699, &[]),
        (
            SuddenHardship,
            General,
            8_000,
            6_000,
            &["S05 NET_NOT_BELOW_LINE"],
        ),
        (
            SuddenHardship,
            General,
            9_000,
            8_700,
            &["S05 REFERENCE_BELOW_LINE"],
        ),
    ];
    for (category, origin, net, reference, unmet) in table {
        let mut walk = Walk::to(CaseState::Compared);
        walk.case.category = Some(category);
        walk.facts.household.origin = Some(origin);
        walk.facts.household.net_pc = Money::from_yuan(net);
        walk.facts.household.reference_pc = Money::from_yuan(reference);
        let enrol = command(Move::Enrol, walk.today);
        if unmet.is_empty() {
            walk.act(enrol)
                .unwrap_or_else(|refusal| panic!("{category} {origin}: {refusal}"));
        } else {
            assert_eq!(
                walk.refused(enrol),
                unmet,
                "{category} {origin} {net} {reference}"
            );
        }
    }
}

#[test]
fn t11_names_everything_that_is_missing_at_once() {
    let mut walk = Walk::to(CaseState::Compared);
    walk.facts.household.line = None;
    walk.facts.measures = MeasureFacts::default();
    assert_eq!(
        walk.refused(command(Move::Enrol, walk.today)),
        [
            "S06 MONITORING_LINE",
            "S36 RESPONSIBLE_PERSON",
            "S36 MEASURE_PLANNED",
            "S36 PLANNED_ELIMINATION",
        ]
    );
    walk.facts = in_need(walk.today);
    walk.facts.measures.planned_elimination = Some(walk.today);
    assert_eq!(
        walk.refused(command(Move::Enrol, walk.today)),
        ["S36 PLANNED_ELIMINATION"]
    );
    walk.facts = in_need(walk.today);
    walk.make(Move::Enrol).expect("enrolled");
    assert_eq!(
        walk.case.planned_elimination,
        walk.facts.measures.planned_elimination
    );
}

#[test]
fn t10_is_there_only_where_the_template_has_it() {
    let walk = Walk::to(CaseState::Compared);
    let mut unmet = walk.refused(command(Move::Approve, walk.today));
    unmet.truncate(1);
    assert_eq!(unmet, ["T10 STATE"]);
    let mut walk = Walk::to(CaseState::Compared);
    walk.case.template = shipped("GUIDE2022");
    assert_eq!(
        walk.refused(command(Move::Enrol, walk.today)),
        ["T11 STATE"]
    );
    walk.make(Move::Approve).expect("approved");
    walk.make(Move::Enrol).expect("enrolled");
}

#[test]
fn s28_no_number_of_households_stops_the_next_one() {
    // Nothing that decide looks at can count households; two thousand of one village all get in.
    for _ in 0..2_000 {
        assert_eq!(
            Walk::to(CaseState::Enrolled).case.state,
            CaseState::Enrolled
        );
    }
}

#[test]
fn t12e_help_first_and_papers_within_thirty_days() {
    let mut walk = Walk::to(CaseState::Declared);
    let unnamed = Command::FlagEmergency {
        event_reference: String::new(),
    };
    assert_eq!(walk.refused(unnamed), ["T12e EVENT_REFERENCE"]);
    walk.make(Move::FlagEmergency).expect("flagged");
    assert_eq!(walk.case.state, CaseState::Declared);
    assert_eq!(due(&walk.case), Some(walk.today + Days::new(30)));
    assert_eq!(
        walk.refused(command(Move::FlagEmergency, walk.today)),
        ["T12e NOT_YET_FLAGGED"]
    );
    walk.make(Move::Authorise).expect("the procedure goes on");
}
