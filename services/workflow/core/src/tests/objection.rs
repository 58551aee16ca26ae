//! Objections: taken in while a notice hangs, looked into by others, answered before it closes (T7o).

use super::*;

fn answer(numbers: &[u32], verdict: Verdict, today: NaiveDate) -> Command {
    let Command::AnswerObjection(answering) = command(Move::AnswerObjection, today) else {
        unreachable!()
    };
    Command::AnswerObjection(Answering {
        numbers: numbers.to_vec(),
        verdict,
        ..answering
    })
}

fn objecting(change: impl FnOnce(&mut Objecting), today: NaiveDate) -> Command {
    let Command::Object(mut objecting) = command(Move::Object, today) else {
        unreachable!()
    };
    change(&mut objecting);
    Command::Object(objecting)
}

fn visiting(visitors: &[&str], visited: NaiveDate) -> Command {
    Command::Recheck(Recheck {
        visitors: visitors.iter().map(|v| (*v).to_owned()).collect(),
        visited,
        evidence: vec!["form".to_owned()],
    })
}

#[test]
fn t7o_nothing_closes_with_an_open_objection() {
    for on_notice in [CaseState::OnNotice, CaseState::ElimOnNotice] {
        let mut walk = Walk::to(on_notice);
        let closable = walk.case.notice_closable();
        walk.later(3);
        walk.make(Move::Object).expect("taken in");
        assert_eq!(walk.case.state, on_notice);
        walk.later(5);
        let unmet = walk.refused(command(Move::CloseNotice, walk.today));
        assert_eq!(unmet, ["T7o OBJECTIONS_OPEN"]);
        assert_eq!(
            walk.refused(answer(&[1], Verdict::Dismissed, walk.today)),
            ["T7o OBJECTION_RECHECKED", "T7o OBJECTIONS_NAMED"]
        );
        walk.make(Move::Recheck).expect("visited");
        assert!(walk.decide(command(Move::CloseNotice, walk.today)).is_err());
        let answered = walk.make(Move::AnswerObjection).expect("answered");
        assert_eq!(answered.name(), "OBJECTION_ANSWERED");
        assert_eq!(walk.case.state, on_notice, "the notice goes on");
        assert_eq!(
            walk.case.notice_closable(),
            closable,
            "and so have its days: it hung"
        );
        let yesterday = walk.today - Days::new(1);
        let before = [1, 2].map(|number| taken_down(place(number), yesterday));
        assert_eq!(
            walk.refused(Command::CloseNotice(before.to_vec())),
            ["S31 REMOVED_AT"]
        );
        walk.make(Move::CloseNotice).expect("closed");
    }
}

#[test]
fn t7o_an_upheld_objection_ends_what_was_announced() {
    let mut walk = Walk::to(CaseState::OnNotice);
    walk.make(Move::Object).expect("taken in");
    walk.make(Move::Object).expect("taken in");
    walk.make(Move::Recheck).expect("visited");
    walk.act(answer(&[2], Verdict::Upheld, walk.today))
        .expect("answered");
    assert_eq!(walk.case.state, CaseState::NotQualified);
    assert_eq!(walk.case.closed_reason, Some("OBJECTION_UPHELD"));
    let outcomes: Vec<_> = walk.case.objections.all.iter().map(|o| o.ended).collect();
    let ended = |outcome| Some((outcome, walk.today));
    assert_eq!(
        outcomes,
        [
            ended(ObjectionOutcome::Superseded),
            ended(ObjectionOutcome::Upheld)
        ]
    );

    let mut walk = Walk::to(CaseState::ElimOnNotice);
    walk.make(Move::Object).expect("taken in");
    walk.make(Move::Recheck).expect("visited");
    let Command::AnswerObjection(bare) = answer(&[1], Verdict::Upheld, walk.today) else {
        unreachable!()
    };
    let bare = Command::AnswerObjection(Answering {
        household_informed: None,
        next_review: None,
        informed: None,
        reason: " ".to_owned(),
        evidence: String::new(),
        ..bare
    });
    assert_eq!(
        walk.refused(bare),
        [
            "T7o ANSWER_REASON",
            "T7o OBJECTOR_INFORMED",
            "T3x FARMER_INFORMED",
            "S42 NEXT_REVIEW",
            "T7o ANSWER_LETTER"
        ]
    );
    let event = walk.act(answer(&[1], Verdict::Upheld, walk.today));
    assert_eq!(event.expect("answered").name(), "UNDER_ASSISTANCE");
    assert_eq!(walk.case.elimination_kind, None);
    assert_eq!(
        walk.case.next_review,
        walk.today.checked_add_days(Days::new(90))
    );
}

#[test]
fn t7o_only_what_hangs_can_be_objected_to_and_by_whom_or_nobody() {
    let mut walk = Walk::to(CaseState::Appraised);
    let today = walk.today;
    let unmet = walk.refused(command(Move::Object, today));
    assert_eq!(unmet, ["T7o NOTICE_HANGS"]);
    // One place is enough to be read.
    walk.make(Move::PostNotice).expect("posted");
    assert_eq!(walk.case.state, CaseState::Appraised);
    for (change, expected) in [
        (
            Box::new(|o: &mut Objecting| o.text = "\n".to_owned()) as Box<dyn FnOnce(&mut _)>,
            "T7o OBJECTION_TEXT",
        ),
        (
            Box::new(|o: &mut Objecting| o.anonymous = false),
            "T7o OBJECTOR_CONTACT",
        ),
        (
            Box::new(move |o: &mut Objecting| o.received = today - Days::new(1)),
            "T7o RECEIVED_ON",
        ),
        (
            Box::new(move |o: &mut Objecting| o.received = today + Days::new(1)),
            "T7o RECEIVED_ON",
        ),
    ] {
        assert_eq!(walk.refused(objecting(change, today)), [expected]);
    }
    walk.make(Move::Object).expect("taken in");
    let removed = taken_down(place(1), today);
    walk.act(Command::RemoveNotice(removed))
        .expect("taken down");
    let unmet = walk.refused(command(Move::Object, today));
    assert_eq!(unmet, ["T7o NOTICE_HANGS"]);
    // That it came down answers nobody.
    walk.make(Move::Recheck).expect("visited");
    walk.make(Move::AnswerObjection).expect("answered");
    let walk = Walk::to(CaseState::NoticeClosed);
    let unmet = walk.refused(command(Move::Object, walk.today));
    assert_eq!(unmet, ["T7o STATE", "T7o NOTICE_HANGS"]);
}

#[test]
fn t7o_whoever_passes_on_from_the_public_door_needs_no_role_and_decides_nothing_else() {
    let mut walk = Walk::to(CaseState::OnNotice);
    let service = actor(Role::Service);
    let by_service = |walk: &Walk, step| {
        let command = walk.well_formed(step);
        decide(&walk.case, command, &walk.facts, &service, walk.today)
    };
    let event = by_service(&walk, Move::Object).expect("passed on").event;
    walk.case.apply(&event);
    assert!(by_service(&walk, Move::Recheck).is_err());
    walk.make(Move::Recheck).expect("visited");
    assert!(by_service(&walk, Move::AnswerObjection).is_err());
    assert!(by_service(&walk, Move::Withdraw).is_err());
}

#[test]
fn org3_who_visited_does_not_look_into_objections_to_it() {
    let mut walk = Walk::to(CaseState::OnNotice);
    walk.make(Move::Object).expect("taken in");
    let today = walk.today;
    // The grid worker had been there, one comes twice, one has no name.
    for few in [
        &["township_leader", "grid_worker"][..],
        &["township_leader", " township_leader"],
        &["township_leader", " "],
        &[],
    ] {
        let unmet = walk.refused(visiting(few, today));
        assert_eq!(unmet, ["ORG-3 RECHECK_VISITORS"]);
    }
    let early = visiting(&["township_leader", "other"], today - Days::new(1));
    assert_eq!(walk.refused(early), ["T7o RECHECKED_ON"]);
    let visitor = Actor {
        account: "grid_worker".to_owned(),
        role: Role::TownshipOffice,
        on_behalf_of: None,
    };
    let own = decide(
        &walk.case,
        visiting(&["township_leader", "other"], today),
        &walk.facts,
        &visitor,
        today,
    );
    let refusal = own.expect_err("must be refused");
    assert_eq!(refusal.unmet[0].code, "ANSWERS_FOR_OTHERS");
    // A visit is a visit: who made this one does not review the papers.
    walk.act(visiting(&["township_office", "other"], today))
        .expect("visited");
    walk.make(Move::AnswerObjection).expect("answered");
    walk.later(7);
    walk.make(Move::CloseNotice).expect("closed");
    walk.make(Move::SubmitVillageReport).expect("reported");
    let unmet = walk.refused(command(Move::ReviewByTownship, walk.today));
    assert_eq!(unmet, ["ORG-3 REVIEWER_DID_NOT_VISIT"]);
}

#[test]
fn org3_who_has_decided_does_not_visit_and_the_list_says_so_before_anybody_is_named() {
    let named = |walk: &Walk| {
        let listed = moves(
            &walk.case,
            &walk.facts,
            &actor(Role::TownshipLeader),
            walk.today,
        );
        let recheck = listed.into_iter().find(|m| m.step == Move::Recheck);
        let to_give = recheck.expect("listed").to_give;
        to_give.iter().any(|r| r.code == "VISITOR_DID_NOT_DECIDE")
    };
    let mut walk = Walk::to(CaseState::OnNotice);
    walk.make(Move::Object).expect("taken in");
    assert!(!named(&walk), "nobody has decided anything");

    let mut walk = Walk::to(CaseState::ElimOnNotice);
    walk.make(Move::Object).expect("taken in");
    assert!(named(&walk));
    let reviewer = walk.case.reviewers[0].clone();
    let unmet = walk.refused(visiting(&[&reviewer, "other"], walk.today));
    assert_eq!(unmet, ["ORG-3 VISITOR_DID_NOT_DECIDE"]);
    walk.act(visiting(&["other", "another"], walk.today))
        .expect("visited by others");
}

#[test]
fn t7o_each_is_answered_after_the_visit_that_looked_into_it() {
    let mut walk = Walk::to(CaseState::OnNotice);
    walk.make(Move::Object).expect("taken in");
    walk.make(Move::Object).expect("taken in");
    walk.make(Move::Recheck).expect("visited");
    walk.later(1);
    walk.make(Move::Object).expect("taken in");
    for wrong in [&[][..], &[3], &[1, 3], &[4], &[0]] {
        let unmet = walk.refused(answer(wrong, Verdict::Dismissed, walk.today));
        assert_eq!(unmet, ["T7o OBJECTIONS_NAMED"], "{wrong:?}");
    }
    walk.act(answer(&[1, 2], Verdict::Dismissed, walk.today))
        .expect("both say the same");
    assert_eq!(walk.case.objections.open().count(), 1);
    walk.make(Move::Recheck).expect("visited again");
    let again = walk.refused(answer(&[1], Verdict::Dismissed, walk.today));
    assert_eq!(again, ["T7o OBJECTIONS_NAMED"], "it has its answer");
    walk.act(answer(&[3], Verdict::Dismissed, walk.today))
        .expect("answered");
}

#[test]
fn t7o_a_flood_waits_until_the_township_has_answered_what_is_there() {
    let mut walk = Walk::to(CaseState::OnNotice);
    for _ in 0..50 {
        walk.make(Move::Object).expect("taken in");
    }
    let unmet = walk.refused(command(Move::Object, walk.today));
    assert_eq!(unmet, ["T7o OBJECTIONS_WAITING"]);
    walk.make(Move::Recheck).expect("one visit for all");
    walk.make(Move::AnswerObjection).expect("one answer to all");
    walk.make(Move::Object).expect("taken in");
    assert_eq!(walk.case.objections.all.len(), 51);
}

#[test]
fn t7o_what_is_still_objected_is_settled_when_nothing_is_announced_any_more() {
    let mut walk = Walk::to(CaseState::ElimOnNotice);
    walk.make(Move::Object).expect("taken in");
    walk.make(Move::ReturnToAssistance).expect("returned");
    let [objection] = &walk.case.objections.all[..] else {
        panic!("one")
    };
    assert_eq!(
        objection.ended.map(|(outcome, _)| outcome),
        Some(ObjectionOutcome::Superseded)
    );
}

#[test]
fn wf6_five_days_for_an_answer_and_the_township_is_told() {
    let mut walk = Walk::to(CaseState::OnNotice);
    let posted = walk.today;
    assert_eq!(due(&walk.case), Some(posted + Days::new(7)));
    walk.later(1);
    let objected = walk.today;
    walk.make(Move::Object).expect("taken in");
    walk.later(1);
    walk.make(Move::Object).expect("taken in");
    assert_eq!(due(&walk.case), Some(objected + Days::new(5)));
    assert_eq!(last_chance(&walk.case), Some(objected + Days::new(5)));
    let warned = notification(&walk.case, objected + Days::new(4)).expect("a warning");
    assert!(
        warned.roles.contains(&Role::TownshipOffice),
        "{:?}",
        warned.roles
    );
    walk.make(Move::Recheck).expect("visited");
    walk.make(Move::AnswerObjection).expect("answered");
    assert_eq!(due(&walk.case), Some(posted + Days::new(7)));
    let warned = notification(&walk.case, posted + Days::new(7)).expect("a warning");
    assert!(
        !warned.roles.contains(&Role::TownshipOffice),
        "{:?}",
        warned.roles
    );
}
