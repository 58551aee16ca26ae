//! Turns, claims, deputies (WF-12, ORG-4), and the separation of duties that none of them bends
//! (ORG-3).

use std::collections::BTreeSet;

use kernel::{LeadId, Principal, Scope};
use proptest::{prelude::*, sample::select};

use super::*;
use crate::lead::{Lead, LeadCommand, Source, decide_lead};

fn somebody(account: &str, role: Role) -> Actor {
    Actor {
        account: account.to_owned(),
        role,
        on_behalf_of: None,
    }
}

fn deputy(account: &str, role: Role, of: &str) -> Actor {
    Actor {
        on_behalf_of: Some(of.to_owned()),
        ..somebody(account, role)
    }
}

fn codes<T>(answer: Result<T, Refusal>) -> Vec<String> {
    let refusal = answer.err().expect("must be refused");
    let unmet = refusal.unmet.iter();
    unmet.map(|r| format!("{} {}", r.rule, r.code)).collect()
}

fn roles(case: &Case) -> Vec<&'static str> {
    turns(case).iter().map(|turn| turn.role.as_str()).collect()
}

#[test]
fn wf12_it_is_the_villages_turn_then_the_townships_then_the_countys() {
    let village = ["VILLAGE_CADRE", "FIRST_SECRETARY"];
    assert_eq!(roles(&Walk::declared().case), village);
    let mut walk = Walk::to(CaseState::NoticeClosed);
    assert_eq!(roles(&walk.case), village, "the report is missing (S32)");
    walk.make(Move::SubmitVillageReport).expect("reported");
    assert_eq!(roles(&walk.case), ["TOWNSHIP_OFFICE"]);
    let turn = &turns(&walk.case)[0];
    assert_eq!(turn.steps, [Move::ReviewByTownship]);
    assert_eq!(turn.barred, ["grid_worker", "village_cadre"]);
    walk.make(Move::ReviewByTownship).expect("reviewed");
    assert_eq!(roles(&walk.case), ["COUNTY_OFFICER"]);
    let turn = &turns(&walk.case)[0];
    assert_eq!(
        turn.barred,
        ["grid_worker", "township_office", "village_cadre"]
    );
    assert!(turns(&Walk::to(CaseState::RiskEliminated).case).is_empty());
}

#[test]
fn wf12_a_claim_keeps_others_from_the_task_until_it_is_taken_over_or_expires() {
    let mut walk = Walk::declared();
    let (cadre, secretary) = (actor(Role::VillageCadre), actor(Role::FirstSecretary));
    let claimed = claim_case(&walk.case, &cadre, None, walk.today).expect("claimed");
    assert_eq!(claimed.name(), "CLAIMED");
    walk.case.apply(&claimed);
    let command = walk.well_formed(Move::Authorise);
    let act = |walk: &Walk, actor: &Actor, today| {
        decide(&walk.case, command.clone(), &walk.facts, actor, today)
    };
    let refusal = act(&walk, &secretary, walk.today).expect_err("refused");
    let until = walk.today + Days::new(CLAIM_DAYS);
    let unmet = &refusal.unmet[0];
    assert_eq!((unmet.rule, unmet.code), ("WF-12", "CLAIMED_BY_ANOTHER"));
    assert_eq!(unmet.found, "village_cadre 2026-03-02");
    assert_eq!(unmet.possible_from, until.succ_opt());
    // What is missing is told before anybody presses a button.
    let listed = moves(&walk.case, &walk.facts, &secretary, walk.today);
    assert!(listed[0].yours && listed[0].unmet.contains(unmet));
    // The holder acts; so does everybody once it has expired.
    act(&walk, &cadre, walk.today).expect("accepted");
    act(&walk, &secretary, until).expect_err("refused on the last day");
    act(&walk, &secretary, until + Days::new(1)).expect("accepted");

    let taken = claim_case(&walk.case, &secretary, None, walk.today);
    assert_eq!(codes(taken), ["WF-12 CLAIMED_BY_ANOTHER"]);
    let taken = claim_case(&walk.case, &secretary, Some(" ill"), walk.today);
    assert_eq!(codes(taken), ["WF-12 CLAIM_REASON"]);
    let taken = claim_case(&walk.case, &secretary, Some("ill at home"), walk.today);
    let taken = taken.expect("taken over");
    assert_eq!(taken.name(), "TAKEN_OVER");
    walk.case.apply(&taken);
    act(&walk, &cadre, walk.today).expect_err("refused");
    let released = release_case(&walk.case, &cadre, walk.today);
    assert_eq!(codes(released), ["WF-12 OWN_CLAIM"]);
    let event = act(&walk, &secretary, walk.today).expect("accepted").event;
    walk.case.apply(&event);
    assert_eq!(walk.case.claim, None, "the task is done");
}

#[test]
fn wf12_a_way_out_of_the_procedure_waits_for_no_claim() {
    let mut walk = Walk::declared();
    let cadre = actor(Role::VillageCadre);
    let claimed = claim_case(&walk.case, &cadre, None, walk.today).expect("claimed");
    walk.case.apply(&claimed);
    let office = actor(Role::TownshipOffice);
    let flag = walk.well_formed(Move::FlagEmergency);
    let flagged = decide(&walk.case, flag, &walk.facts, &office, walk.today).expect("flagged");
    walk.case.apply(&flagged.event);
    let held = walk.case.claim.as_ref().map(|claim| claim.account.as_str());
    assert_eq!(held, Some("village_cadre"), "the task is still open");
}

#[test]
fn wf12_only_whose_turn_it_is_claims_and_org3_holds_before_the_work() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    let office = actor(Role::TownshipOffice);
    let early = claim_case(&walk.case, &office, None, walk.today);
    assert_eq!(codes(early), ["ORG-2 ROLE"]);
    walk.make(Move::SubmitVillageReport).expect("reported");
    let visitor = somebody("grid_worker", Role::TownshipOffice);
    let claimed = claim_case(&walk.case, &visitor, None, walk.today);
    assert_eq!(codes(claimed), ["ORG-3 REVIEWER_DID_NOT_VISIT"]);
    let stand_in = deputy("clerk", Role::TownshipOffice, "grid_worker");
    let claimed = claim_case(&walk.case, &stand_in, None, walk.today);
    assert_eq!(codes(claimed), ["ORG-3 REVIEWER_DID_NOT_VISIT"]);
    claim_case(&walk.case, &office, None, walk.today).expect("claimed");
}

#[test]
fn org4_a_claim_is_handed_over_and_freed_where_the_other_may_not_have_it() {
    let mut walk = Walk::to(CaseState::NoticeClosed);
    walk.make(Move::SubmitVillageReport).expect("reported");
    let leader = actor(Role::TownshipLeader);
    assert_eq!(hand_over_case(&walk.case, "b", &leader, walk.today), None);
    let office = actor(Role::TownshipOffice);
    let claimed = claim_case(&walk.case, &office, None, walk.today).expect("claimed");
    walk.case.apply(&claimed);
    let handed = hand_over_case(&walk.case, "b", &leader, walk.today).expect("handed over");
    assert_eq!(handed.name(), "HANDED_OVER");
    let What::Claimed { claim, from } = &handed.what else {
        panic!("a claim")
    };
    assert_eq!(
        (claim.account.as_str(), from.as_deref()),
        ("b", Some("township_office"))
    );
    let to_visitor = hand_over_case(&walk.case, "grid_worker", &leader, walk.today);
    assert_eq!(to_visitor.expect("freed").name(), "RELEASED");
}

#[test]
fn wf12_leads_are_claimed_like_cases() {
    let source = Source {
        channel: LeadChannel::DepartmentAlert,
        reference: "A-1".to_owned(),
        department: None,
        severity: None,
        received: day("2026-03-02"),
    };
    let lead = Lead::receive(source.clone(), None);
    let today = day("2026-03-03");
    let (cadre, secretary) = (actor(Role::VillageCadre), actor(Role::FirstSecretary));
    let (lead, from) = claim_lead(&lead, &cadre, None, today).expect("claimed");
    assert_eq!(from, None);
    let order = |actor: &Actor| decide_lead(&lead, &LeadCommand::OrderVisit, actor, today);
    assert_eq!(codes(order(&secretary)), ["WF-12 CLAIMED_BY_ANOTHER"]);
    let ordered = order(&cadre).expect("ordered");
    assert_eq!(ordered.claim, None);
    assert_eq!(lead.turns()[0].steps, ["ORDER_VISIT", "DISMISS", "FORWARD"]);
    assert_eq!(ordered.turns()[0].steps, ["RECORD_VISIT"]);
    let handed = hand_over_lead(&lead, "b", today).expect("handed over");
    assert_eq!(
        handed.claim.map(|claim| claim.account),
        Some("b".to_owned())
    );
    let linked = Lead::receive(source, Some(LeadId(Uuid::from_u128(1))));
    assert!(linked.turns().is_empty());
    let claimed = claim_lead(&linked, &cadre, None, today);
    assert_eq!(codes(claimed), ["ORG-2 ROLE"]);
}

fn principal(subject: &str, role: Role, division: &str) -> Principal {
    Principal {
        subject: subject.to_owned(),
        role,
        scope: Scope {
            division: division.parse().expect("a division"),
            department: None,
        },
    }
}

fn appointment() -> Appointment {
    Appointment {
        account: "x".to_owned(),
        on_behalf_of: "a".to_owned(),
        role: Role::TownshipOffice,
        division: "999999001000".parse().expect("a division"),
        from: day("2026-03-10"),
        until: day("2026-03-20"),
        revoked: None,
    }
}

#[test]
fn org4_a_leader_appoints_for_roles_below_and_never_oneself() {
    let today = day("2026-03-02");
    let leader = principal("l", Role::TownshipLeader, "999999001000");
    let county = principal("c", Role::CountyApprover, "999999000000");
    let good = appointment();
    good.appoint(&leader, "on leave", today).expect("appointed");
    good.appoint(&county, "on leave", today).expect("appointed");
    let refused = |wrong: Appointment, by: &Principal| codes(wrong.appoint(by, "on leave", today));
    let with = |role| Appointment {
        role,
        ..appointment()
    };
    for role in [Role::CountyOfficer, Role::Auditor, Role::SystemAdmin] {
        assert_eq!(refused(with(role), &leader), ["ORG-2 ROLE"]);
    }
    let cadre = principal("v", Role::VillageCadre, "999999001000");
    assert_eq!(refused(appointment(), &cadre), ["ORG-2 ROLE"]);
    let own = Appointment {
        account: "l".to_owned(),
        ..appointment()
    };
    assert_eq!(refused(own, &leader), ["ORG-4 DEPUTY_IS_ANOTHER"]);
    let late = Appointment {
        until: day("2026-03-09"),
        ..appointment()
    };
    assert_eq!(refused(late, &leader), ["ORG-4 DEPUTY_DAYS"]);
    let long = Appointment {
        until: day("2026-06-11"),
        ..appointment()
    };
    assert_eq!(refused(long, &leader), ["ORG-4 DEPUTY_DAYS"]);
    let silent = appointment().appoint(&leader, "", today);
    assert_eq!(codes(silent), ["ORG-4 DEPUTY_REASON"]);
}

#[test]
fn org4_an_appointment_lends_a_role_for_its_days_and_no_view() {
    let x = principal("x", Role::VillageCadre, "999999001001");
    let lent = |principal: &Principal, on: &str| appointment().lend(principal, day(on));
    let acting = lent(&x, "2026-03-10").expect("in force").expect("own");
    assert_eq!(acting.role, Role::TownshipOffice);
    assert_eq!(acting.scope, x.scope, "no more than the own village");
    let wide = principal("x", Role::CountyOfficer, "999999000000");
    let acting = lent(&wide, "2026-03-20").expect("in force").expect("own");
    assert_eq!(acting.scope.division, appointment().division);
    for on in ["2026-03-09", "2026-03-21"] {
        assert_eq!(codes(lent(&x, on)), ["ORG-4 DEPUTY_IN_FORCE"]);
    }
    let taken_back = Appointment {
        revoked: Some(day("2026-03-11")),
        ..appointment()
    };
    assert_eq!(
        codes(taken_back.lend(&x, day("2026-03-12"))),
        ["ORG-4 DEPUTY_IN_FORCE"]
    );
    let other = principal("y", Role::VillageCadre, "999999001001");
    let elsewhere = principal("x", Role::VillageCadre, "999999002001");
    for nobody in [other, elsewhere] {
        assert_eq!(lent(&nobody, "2026-03-12"), Ok(None));
    }
}

/// Who tries what: any of six people, in any role, in anybody's place or in none.
#[derive(Debug, Clone)]
struct Attempt {
    on_the_line: bool,
    step: Move,
    person: usize,
    role: Role,
    place_of: Option<usize>,
    visitors: [usize; 2],
    claims: bool,
    days: u64,
}

const PEOPLE: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn attempt() -> impl Strategy<Value = Attempt> {
    (
        prop::bool::weighted(0.9),
        select(Move::ALL),
        0..PEOPLE.len(),
        select(Role::ALL),
        prop::option::weighted(0.3, 0..PEOPLE.len()),
        [0..PEOPLE.len(), 0..PEOPLE.len()],
        prop::bool::weighted(0.2),
        prop_oneof![3 => 0u64..9, 1 => 0u64..220],
    )
        .prop_map(
            |(on_the_line, step, person, role, place_of, visitors, claims, days)| Attempt {
                on_the_line,
                step,
                person,
                role,
                place_of,
                visitors,
                claims,
                days,
            },
        )
}

/// What everybody did in a case, from the events alone.
#[derive(Default)]
struct Did {
    visited: BTreeSet<String>,
    reviewed: BTreeSet<String>,
    decided: BTreeSet<String>,
}

impl Did {
    fn note(&mut self, event: &Event) {
        let What::Decided(command) = &event.what else {
            return;
        };
        let doers = [Some(&event.actor), event.on_behalf_of.as_ref()];
        let doers = doers.into_iter().flatten().cloned();
        match command {
            Command::Verify(visit) => {
                self.visited.extend(visit.visitors.iter().cloned());
                if visit.visitors.contains(&event.actor) {
                    self.visited.extend(event.on_behalf_of.clone());
                }
            }
            Command::ReviewByTownship { .. } | Command::File { .. } => self.reviewed.extend(doers),
            Command::ConfirmComparison
            | Command::Disqualify { .. }
            | Command::Approve { .. }
            | Command::Eliminate { .. } => self.decided.extend(doers),
            _ => {}
        }
    }

    fn is_separate(&self) -> bool {
        self.visited.is_disjoint(&self.reviewed)
            && self.visited.is_disjoint(&self.decided)
            && self.reviewed.is_disjoint(&self.decided)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn org3_no_role_deputy_or_claim_lets_one_person_have_two_duties(
        template in select(SHIPPED.iter().cloned().collect::<Vec<_>>()),
        attempts in prop::collection::vec(attempt(), 0..80),
    ) {
        let mut walk = Walk::on(template);
        let mut did = Did::default();
        for attempt in attempts {
            walk.later(attempt.days);
            walk.facts = match walk.case.enrolled {
                Some(_) => recovered(walk.today),
                None => in_need(walk.today),
            };
            let next = next_on_the_main_line(&walk.case).filter(|_| attempt.on_the_line);
            let step = next.unwrap_or(attempt.step);
            let actor = Actor {
                account: PEOPLE[attempt.person].to_owned(),
                role: next.map_or(attempt.role, |step| first_role(&walk.case, step)),
                on_behalf_of: attempt.place_of.map(|of| PEOPLE[of].to_owned()),
            };
            if attempt.claims {
                let reason = Some("somebody is ill");
                let listed = turns(&walk.case);
                let claimed = claim_case(&walk.case, &actor, reason, walk.today);
                let own = listed.iter().find(|turn| turn.role == actor.role);
                let may = own.is_some_and(|turn| !turn.bars(&actor));
                prop_assert_eq!(claimed.is_ok(), may, "the queue and the claim say the same");
                if let Ok(event) = claimed {
                    walk.case.apply(&event);
                }
            }
            let mut command = walk.well_formed(step);
            if let Command::Verify(visit) = &mut command {
                visit.visitors = attempt.visitors.map(|at| PEOPLE[at].to_owned()).to_vec();
            }
            let decided = decide(&walk.case, command, &walk.facts, &actor, walk.today);
            if let Ok(Decision { event, .. }) = decided {
                did.note(&event);
                prop_assert!(did.is_separate(), "{} by {actor:?}", event.name());
                let held = walk.case.claim.clone().filter(|claim| claim.lasts(walk.today));
                let by_another = held.is_some_and(|c| actor.persons().all(|p| p != c.account));
                let of_the_village = matches!(step, Move::ListForWarning | Move::Appraise);
                let waits = step.leads_on() && !of_the_village;
                prop_assert!(!(by_another && waits), "{} on a claimed task", event.name());
                walk.case.apply(&event);
            }
        }
    }
}

/// The property above is about something: cases do get through when people are different.
#[test]
fn org3_six_people_lead_a_case_to_the_end() {
    let walk = Walk::to(CaseState::RiskEliminated);
    assert!(!walk.case.visitors.is_empty());
    assert_eq!(walk.case.reviewers, ["township_office", "township_leader"]);
    assert!(!walk.case.deciders.is_empty());
}
