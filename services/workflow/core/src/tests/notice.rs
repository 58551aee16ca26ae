//! Notices: where they hang, and when their days are over (T6, T7).

use super::*;

fn remove(place_number: u128, removed: NaiveDate) -> Command {
    Command::RemoveNotice(taken_down(place(place_number), removed))
}

fn post(place_number: u128, posted: NaiveDate) -> Command {
    Command::PostNotice {
        place: place(place_number),
        posted: noon(posted),
        evidence: "photo".to_owned(),
    }
}

#[test]
fn s30_the_clock_starts_with_the_last_required_place() {
    let mut walk = Walk::to(CaseState::Appraised);
    walk.make(Move::PostNotice).expect("posted");
    assert_eq!(walk.case.state, CaseState::Appraised);
    assert_eq!(walk.case.notice_closable(), None);
    walk.later(20);
    let unmet = walk.refused(command(Move::CloseNotice, walk.today));
    assert_eq!(
        unmet,
        ["T7 STATE", "S30 NOTICE_AT_EVERY_PLACE", "S31 NOTICE_DAYS"]
    );
    walk.make(Move::PostNotice).expect("posted");
    assert_eq!(walk.case.state, CaseState::OnNotice);
    assert_eq!(walk.case.notice_closable(), Some(walk.today + Days::new(7)));
}

#[test]
fn s30_other_places_taken_places_and_wrong_days_are_refused() {
    let mut walk = Walk::to(CaseState::Appraised);
    let (today, held) = (walk.today, walk.case.reached);
    assert_eq!(walk.refused(post(3, today)), ["S30 REQUIRED_PLACE"]);
    assert_eq!(
        walk.refused(post(1, today + Days::new(1))),
        ["S31 POSTED_AT"]
    );
    assert_eq!(
        walk.refused(post(1, held - Days::new(1))),
        ["S31 POSTED_AT"]
    );
    let no_photo = Command::PostNotice {
        place: place(1),
        posted: noon(today),
        evidence: String::new(),
    };
    assert_eq!(walk.refused(no_photo), ["WF-10 POSTING_PHOTO"]);
    walk.act(post(1, today)).expect("posted");
    assert_eq!(walk.refused(post(1, today)), ["S30 REQUIRED_PLACE"]);
    walk.facts.household.required_places.clear();
    assert_eq!(walk.refused(post(2, today)), ["S30 REQUIRED_PLACE"]);
}

#[test]
fn s31_a_notice_comes_down_after_it_went_up_and_goes_up_after_it_came_down() {
    let mut walk = Walk::to(CaseState::OnNotice);
    let today = walk.today;
    let at = |hour: i64| kernel::day_start(today) + TimeDelta::hours(hour);
    let removed = |hour| {
        Command::RemoveNotice(Removal {
            removed: at(hour),
            // The wind left nothing to take a photo of.
            evidence: String::new(),
            ..taken_down(place(2), today)
        })
    };
    let posted = |hour| Command::PostNotice {
        place: place(2),
        posted: at(hour),
        evidence: "photo".to_owned(),
    };
    // They went up at noon.
    assert_eq!(walk.refused(removed(11)), ["S31 REMOVED_EARLY_AT"]);
    walk.act(removed(15)).expect("recorded");
    assert_eq!(walk.refused(posted(14)), ["S31 POSTED_AT"]);
    assert_eq!(walk.refused(posted(24)), ["S31 POSTED_AT"], "tomorrow");
    walk.act(posted(16)).expect("hangs again");
    let notice = walk.case.notice.as_ref().expect("a notice");
    let times: Vec<_> = notice.postings.iter().map(|p| p.posted).collect();
    assert_eq!(times, [at(12), at(12), at(16)]);
}

#[test]
fn s31_seven_full_days_from_the_last_posting() {
    let mut walk = Walk::to(CaseState::OnNotice);
    let closable = walk.today + Days::new(7);
    for _ in 0..7 {
        let refusal = walk
            .decide(command(Move::CloseNotice, walk.today))
            .expect_err("too early");
        let [only] = &refusal.unmet[..] else {
            panic!("{refusal}")
        };
        assert_eq!((only.rule, only.code), ("S31", "NOTICE_DAYS"));
        assert_eq!(only.possible_from, Some(closable));
        walk.later(1);
    }
    // A day too early at one of them, left hanging at one, and taken down where it did not hang.
    let down = |number, on| taken_down(place(number), on);
    let early = vec![down(1, walk.today), down(2, closable - Days::new(1))];
    let closing = |removals| walk.refused(Command::CloseNotice(removals));
    assert_eq!(closing(early), ["S31 REMOVED_AT"]);
    for wrong in [&[1][..], &[1, 2, 3], &[1, 1], &[1, 3]] {
        let removals = wrong.iter().map(|number| down(*number, walk.today));
        let unmet = closing(removals.collect());
        assert_eq!(unmet, ["S30 REMOVED_AT_EVERY_PLACE"], "{wrong:?}");
    }
    let unmet = closing(Vec::new());
    assert_eq!(unmet, ["S30 REMOVED_AT_EVERY_PLACE", "WF-10 REMOVAL_PHOTO"]);
    let no_photo = Removal {
        evidence: String::new(),
        ..down(2, walk.today)
    };
    let unmet = closing(vec![down(1, walk.today), no_photo]);
    assert_eq!(unmet, ["WF-10 REMOVAL_PHOTO"]);
    walk.act(Command::CloseNotice(vec![
        down(2, walk.today),
        down(1, closable),
    ]))
    .expect("closed");
    assert_eq!(walk.case.state, CaseState::NoticeClosed);
}

#[test]
fn scenario_7_a_notice_that_comes_down_on_day_six_begins_again() {
    let mut walk = Walk::to(CaseState::OnNotice);
    walk.later(6);
    let down = walk.today;
    walk.act(remove(2, down)).expect("recorded");
    assert_eq!(walk.case.state, CaseState::Appraised);
    walk.later(2);
    assert!(walk.decide(command(Move::CloseNotice, walk.today)).is_err());
    // Nobody dates the new one back behind the gap.
    assert_eq!(
        walk.refused(post(2, down - Days::new(3))),
        ["S31 POSTED_AT"]
    );
    walk.act(post(2, walk.today)).expect("hangs again");
    assert_eq!(walk.case.state, CaseState::OnNotice);
    assert_eq!(walk.case.notice_closable(), Some(walk.today + Days::new(7)));
    let notice = walk.case.notice.as_ref().expect("a notice");
    assert_eq!(
        notice.postings.len(),
        3,
        "the removed one stays on the record"
    );
    walk.later(6);
    assert!(walk.decide(command(Move::CloseNotice, walk.today)).is_err());
    walk.later(1);
    walk.make(Move::CloseNotice).expect("closed");
}

#[test]
fn s31_a_notice_that_has_had_its_time_is_closed_and_not_removed() {
    let mut walk = Walk::to(CaseState::OnNotice);
    let posted = walk.today;
    assert_eq!(walk.refused(remove(3, posted)), ["S30 NOTICE_HANGS_THERE"]);
    walk.later(9);
    assert_eq!(
        walk.refused(remove(1, posted + Days::new(7))),
        ["S31 REMOVED_EARLY_AT"]
    );
    assert_eq!(
        walk.refused(remove(1, posted - Days::new(1))),
        ["S31 REMOVED_EARLY_AT"]
    );
    // Seen late that it came down early: the days begin again all the same.
    walk.act(remove(1, posted + Days::new(5)))
        .expect("recorded");
    assert_eq!(walk.case.state, CaseState::Appraised);
}

#[test]
fn s30_a_place_that_becomes_a_required_one_meanwhile_has_to_be_posted_too() {
    let mut walk = Walk::to(CaseState::OnNotice);
    walk.later(7);
    walk.facts.household.required_places.push(place(3));
    assert_eq!(
        walk.refused(command(Move::CloseNotice, walk.today)),
        ["S30 NOTICE_AT_EVERY_PLACE"]
    );
    walk.act(post(3, walk.today)).expect("posted");
    assert_eq!(walk.case.state, CaseState::OnNotice);
    assert_eq!(walk.case.notice_closable(), Some(walk.today + Days::new(7)));
}

#[test]
fn t15_the_elimination_has_a_notice_of_its_own() {
    let mut walk = Walk::to(CaseState::ElimAppraised);
    assert_eq!(walk.case.notice, None);
    walk.make(Move::PostNotice).expect("posted");
    walk.make(Move::PostNotice).expect("posted");
    assert_eq!(walk.case.state, CaseState::ElimOnNotice);
    let notice = walk.case.notice.as_ref().expect("a notice");
    assert_eq!(notice.kind, kernel::NoticeKind::Elimination);
    assert!(walk.decide(command(Move::CloseNotice, walk.today)).is_err());
    walk.later(7);
    walk.make(Move::CloseNotice).expect("closed");
    assert_eq!(walk.case.state, CaseState::ElimNoticeClosed);
}

#[test]
fn reg12_a_notice_of_the_old_village_tells_the_new_neighbours_nothing() {
    let mut walk = Walk::to(CaseState::OnNotice);
    let moved = Event {
        what: What::HouseholdMoved {
            from: "999999001001".parse().expect("a village"),
        },
        to: walk.case.state,
        on: walk.today,
        actor: "service".to_owned(),
        on_behalf_of: None,
        noted: Noted::Nothing,
    };
    assert_eq!(moved.name(), "HOUSEHOLD_MOVED");
    walk.case.apply(&moved);
    assert_eq!(walk.case.state, CaseState::OnNotice, "it decides nothing");
    assert_eq!(walk.case.notice_closable(), None);
    walk.later(20);
    // Another board, of another village; what hangs in the old one has to come down as well.
    walk.facts.household.required_places = vec![place(3)];
    let unmet = walk.refused(command(Move::CloseNotice, walk.today));
    assert_eq!(unmet, ["S30 NOTICE_AT_EVERY_PLACE", "S31 NOTICE_DAYS"]);
    walk.act(post(3, walk.today)).expect("posted");
    assert_eq!(walk.case.state, CaseState::OnNotice);
    assert_eq!(walk.case.notice_closable(), Some(walk.today + Days::new(7)));
    let hanging = walk.case.notice.iter().flat_map(Notice::hanging_anywhere);
    assert_eq!(hanging.count(), 3);
}

#[test]
fn reg12_once_the_notice_is_closed_a_move_leaves_it_alone() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    let before = walk.case.notice.clone();
    walk.case.apply(&Event {
        what: What::HouseholdMoved {
            from: "999999001001".parse().expect("a village"),
        },
        to: walk.case.state,
        on: walk.today,
        actor: "service".to_owned(),
        on_behalf_of: None,
        noted: Noted::Nothing,
    });
    assert_eq!(walk.case.notice, before);
}
