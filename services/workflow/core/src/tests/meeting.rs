//! One meeting decides about many households (S27, WF-2, WF-13).

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

fn attended() -> Meeting {
    use Capacity as C;
    let mut attendees = vec![vec![C::VillagerRepresentative]; 16];
    attendees.extend([
        vec![C::TownshipLiaison],
        vec![C::VillageCadre, C::CommitteeMember],
        vec![C::ResidentTeam],
    ]);
    Meeting {
        held: day("2026-03-05"),
        attendees,
        conflicts_declared: true,
        evidence: vec!["minutes".to_owned()],
    }
}

#[test]
fn wf2_a_relative_counts_neither_as_present_nor_as_a_voter() {
    let mut walk = Walk::to(CaseState::WarningListed);
    walk.later(3);
    let meeting = attended();
    let ballot = |conflicted: &[usize], votes_for| Ballot {
        conflicted: conflicted.to_vec(),
        votes_for,
        category: Some(Category::SuddenHardship),
        ..Ballot::default()
    };
    let two_relatives = meeting.appraisal(&ballot(&[0, 15], 14));
    assert_eq!(two_relatives.villager_representatives, 14);
    assert_eq!(
        walk.refused(Command::Appraise(two_relatives)),
        ["S27 VILLAGER_REPRESENTATIVES"]
    );
    // The vote of a relative is one too many.
    let voted = meeting.appraisal(&ballot(&[0], 16));
    assert_eq!(walk.refused(Command::Appraise(voted)), ["WF-2 VOTES"]);
    // The only cadre is the applicant's brother.
    let cadre = meeting.appraisal(&ballot(&[17], 16));
    assert_eq!(
        walk.refused(Command::Appraise(cadre)),
        ["S27 VILLAGE_CADRES", "S27 COMMITTEE_MEMBERS"]
    );
    let one_relative = meeting.appraisal(&ballot(&[3], 15));
    walk.act(Command::Appraise(one_relative)).expect("enough");
}

proptest! {
    #[test]
    fn nobody_counts_twice_and_no_relative_counts(
        attendees in vec(vec(select(Capacity::ALL), 1..3), 0..40),
        conflicted in vec(0usize..45, 0..10),
    ) {
        let meeting = Meeting { attendees: attendees.clone(), ..attended() };
        let ballot = Ballot { conflicted: conflicted.clone(), ..Ballot::default() };
        let appraisal = meeting.appraisal(&ballot);
        let free = (0..attendees.len()).filter(|at| !conflicted.contains(at)).count() as u32;
        for counted in [
            appraisal.villager_representatives,
            appraisal.township_liaisons,
            appraisal.village_cadres,
            appraisal.committee_members,
            appraisal.resident_team,
        ] {
            prop_assert!(counted <= free);
        }
        let everybody = Meeting { attendees, ..attended() }.appraisal(&Ballot::default());
        prop_assert!(appraisal.villager_representatives <= everybody.villager_representatives);
    }
}
