//! Limits: by when, who is told, and who is going to be late (WF-6, WF-7).

use super::*;

#[test]
fn wf6_working_days_of_the_visit_leave_out_holidays() {
    let mut walk = Walk::declared();
    // 2026-04-30 is a Thursday; 1 to 5 May are off, Saturday 9 May is worked.
    walk.case.declared = day("2026-04-30");
    assert_eq!(due(&walk.case), Some(day("2026-05-11")));
}

#[test]
fn wf7_each_alarm_is_raised_once_and_to_those_above() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    let limit = walk.today + Days::new(2);
    assert_eq!(due(&walk.case), Some(limit));
    let mut told = Vec::new();
    for _ in 0..12 {
        if let Some(found) = notification(&walk.case, walk.today) {
            assert_eq!((found.on, found.due), (walk.today, limit));
            told.push((
                found.alarm,
                (walk.today - limit).num_days(),
                found.roles.clone(),
            ));
            let event = found.event(&walk.case, "service:workflow", walk.today);
            assert_eq!(event.name(), "ALARM_RAISED");
            walk.case.apply(&event);
            assert_eq!(notification(&walk.case, walk.today), None, "once");
        }
        walk.later(1);
    }
    let (village, township) = (Role::VillageCadre, Role::TownshipOffice);
    assert_eq!(
        told,
        [
            (
                Alarm::Warning,
                -1,
                vec![village, Role::FirstSecretary, township]
            ),
            (Alarm::Orange, 1, vec![township]),
            (
                Alarm::Red,
                6,
                vec![Role::TownshipLeader, Role::CountyOfficer]
            ),
        ]
    );
    assert_eq!(alarm(&walk.case), Some(Alarm::Red));
    assert_eq!(next_alarm(&walk.case), None);
    // A step made is a new limit: nothing is red about it.
    walk.make(Move::SubmitVillageReport).expect("reported");
    walk.make(Move::ReviewByTownship).expect("reviewed");
    assert_eq!(alarm(&walk.case), None);
    assert!(next_alarm(&walk.case) > Some(walk.today));
}

#[test]
fn wf7_whoever_slept_for_a_week_is_told_the_worst_only() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    walk.later(30);
    let found = notification(&walk.case, walk.today).expect("late");
    assert_eq!(found.alarm, Alarm::Red);
    walk.case
        .apply(&found.event(&walk.case, "service:workflow", walk.today));
    assert_eq!(notification(&walk.case, walk.today), None);
}

#[test]
fn wf6_a_case_that_must_be_late_is_known_before_it_is() {
    // Fifteen days from the declaration to the end of identification, five of them the notice.
    let mut walk = Walk::on(shipped("GUIDE2022")).until(CaseState::Appraised);
    let end = walk.case.declared + Days::new(15);
    assert_eq!(last_chance(&walk.case), Some(end - Days::new(5)));
    walk.today = end - Days::new(4);
    walk = walk.until(CaseState::OnNotice);
    assert!(
        last_chance(&walk.case) < Some(walk.today),
        "the notice cannot hang in time"
    );

    let walk = Walk::on(shipped("GUIDE2022")).until(CaseState::OnNotice);
    assert_eq!(
        last_chance(&walk.case),
        Some(walk.case.declared + Days::new(15))
    );
}

#[test]
fn a_case_that_has_ended_is_due_no_more() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    walk.later(30);
    walk.make(Move::Withdraw).expect("withdrawn");
    assert_eq!((due(&walk.case), next_alarm(&walk.case)), (None, None));
}
