//! What no sequence of commands over any facts can do.

use proptest::{prelude::*, sample::select};

use super::*;

/// One attempt: who tries what, on which day, and which facts are then not as they should be.
#[derive(Debug, Clone)]
struct Attempt {
    days: u64,
    /// The next move of the main line by the right person, else any.
    on_the_line: bool,
    step: Move,
    role: Role,
    natural: bool,
    spoilt: u16,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    (
        prop_oneof![3 => 0u64..9, 1 => 0u64..220],
        prop::bool::weighted(0.8),
        select(Move::ALL),
        select(Role::ALL),
        any::<bool>(),
        // Mostly nothing, now and then one or two things.
        prop_oneof![3 => Just(0u16), 1 => any::<u16>().prop_map(|bits| bits & bits >> 3)],
    )
        .prop_map(|(days, on_the_line, step, role, natural, spoilt)| Attempt {
            days,
            on_the_line,
            step,
            role,
            natural,
            spoilt,
        })
}

fn facts(case: &Case, today: NaiveDate, spoilt: u16) -> Facts {
    let mut facts = if case.enrolled.is_some() {
        recovered(today)
    } else {
        in_need(today)
    };
    let is = |bit: u16| spoilt & (1 << bit) != 0;
    let (household, measures) = (&mut facts.household, &mut facts.measures);
    household.persons_authorised -= u32::from(is(0));
    household.income_complete = !is(1);
    household.guarantees_safe = !is(2);
    household.no_labour = is(3);
    household.social_security_in_place = is(3) || is(4);
    measures.has_responsible = !is(5);
    if is(6) {
        measures.risks_planned.clear();
    }
    if is(7) {
        measures.risks_closed.clear();
    }
    if is(8) {
        household.reference_pc = Money::from_yuan(7_000);
        household.above_line_since = None;
    }
    if is(9) {
        facts.comparison = None;
    }
    if is(10) {
        household.required_places.push(place(3));
    }
    facts
}

/// Everything that happened, and the day on which the last place got its notice.
struct History {
    events: Vec<Event>,
    walk: Walk,
}

fn run(attempts: Vec<Attempt>) -> Result<History, TestCaseError> {
    let mut walk = Walk::declared();
    let first = Event {
        what: What::Decided(Command::Declare(declaration())),
        to: CaseState::Declared,
        on: walk.today,
        actor: "village_cadre".to_owned(),
        on_behalf_of: None,
        noted: Noted::Nothing,
    };
    let mut events = vec![first];
    for attempt in attempts {
        walk.today = walk.today + Days::new(attempt.days);
        walk.facts = facts(&walk.case, walk.today, attempt.spoilt);
        let next = next_on_the_main_line(&walk.case).filter(|_| attempt.on_the_line);
        let step = next.unwrap_or(attempt.step);
        let role = match next {
            Some(step) => first_role(&walk.case, step),
            None => attempt.role,
        };
        let mut command = walk.well_formed(step);
        if let Command::ProposeElimination { kind } = &mut command
            && attempt.natural
        {
            *kind = EliminationKind::Natural;
        }
        let decide = |command| decide(&walk.case, command, &walk.facts, &actor(role), walk.today);
        let decision = decide(command.clone());
        prop_assert_eq!(
            &decision,
            &decide(command),
            "the same question has one answer"
        );
        let listed = moves(&walk.case, &walk.facts, &actor(role), walk.today);
        let listed = listed.iter().find(|listed| listed.step == step);
        match decision {
            Err(refusal) => foreseen(&refusal, listed, attempt.natural)?,
            Ok(Decision { event, .. }) => {
                let is_open = listed.is_some_and(|m| m.yours && m.unmet.is_empty());
                // Elimination by nature waits for less than the one by assistance that is listed.
                prop_assert!(is_open || attempt.natural, "{} was not open", event.name());
                // Beside the objections that a service passes on.
                let decided = role != Role::Service || step == Move::Object;
                prop_assert!(decided, "a service decided {}", event.name());
                prop_assert!(
                    !walk.case.state.is_final() || step == Move::Appeal,
                    "{} after the end",
                    event.name()
                );
                check(&events, &walk, &event)?;
                walk.case.apply(&event);
                events.push(event);
            }
        }
    }
    Ok(History { events, walk })
}

/// Whatever a refusal names, the list of moves had named before anybody pressed a button.
fn foreseen(
    refusal: &Refusal,
    listed: Option<&NextMove>,
    natural: bool,
) -> Result<(), TestCaseError> {
    prop_assert!(!refusal.unmet.is_empty());
    let Some(listed) = listed.filter(|listed| listed.yours && !natural) else {
        return Ok(());
    };
    for unmet in &refusal.unmet {
        let mut named = listed.unmet.iter().chain(&listed.to_give);
        let is_named = named.any(|named| (named.rule, named.code) == (unmet.rule, unmet.code));
        prop_assert!(is_named, "{unmet:?} of {:?} was not listed", listed.step);
    }
    Ok(())
}

/// What must have happened before an event may.
fn check(events: &[Event], walk: &Walk, event: &Event) -> Result<(), TestCaseError> {
    let names: Vec<&str> = events.iter().map(Event::name).collect();
    let in_order = |needed: &[&str]| {
        let mut rest = names.iter();
        needed.iter().all(|name| rest.any(|found| found == name))
    };
    match event.to {
        CaseState::Enrolled if walk.case.state != CaseState::Enrolled => {
            let needed = [
                "AUTHORISED",
                "VERIFIED",
                "WARNING_LISTED",
                "APPRAISED",
                "NOTICE_CLOSED",
                "TOWNSHIP_REVIEWED",
                "COMPARED",
            ];
            prop_assert!(in_order(&needed), "enrolled after {names:?}");
        }
        CaseState::NoticeClosed | CaseState::ElimNoticeClosed
            if matches!(event.what, What::Decided(Command::CloseNotice(_))) =>
        {
            let postings = walk.case.notice.iter().flat_map(|notice| &notice.postings);
            let last = postings.filter(|p| p.hangs()).map(|p| p.posted).max();
            let hung = last.map(|last| (walk.today - kernel::local_date(last)).num_days());
            prop_assert!(hung >= Some(7), "closed after {hung:?} days");
            let open = walk.case.objections.open().count();
            prop_assert_eq!(open, 0, "closed with an open objection");
        }
        CaseState::RiskEliminated => {
            let needed = [
                "ENROLLED",
                "UNDER_ASSISTANCE",
                "ELIMINATION_PROPOSED",
                "ELIM_VERIFIED",
                "ELIM_APPRAISED",
                "ELIM_NOTICE_CLOSED",
                "FILED",
            ];
            prop_assert!(in_order(&needed), "eliminated after {names:?}");
            prop_assert_eq!(walk.case.state, CaseState::Filed);
            let proposed = events.iter().rfind(|e| e.name() == "ELIMINATION_PROPOSED");
            let proposed = proposed.map(|e| e.on);
            let is_let_pass = walk.case.overrides.iter().any(|granted| granted.used);
            if walk.case.elimination_kind == Some(EliminationKind::ByAssistance) && !is_let_pass {
                prop_assert!(
                    proposed >= walk.case.elimination_possible(),
                    "before six months"
                );
            }
        }
        CaseState::EliminationProposed => {
            prop_assert_eq!(walk.case.state, CaseState::UnderAssistance);
            prop_assert!(!walk.facts.household.no_labour);
        }
        _ => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_skips_a_guard(attempts in prop::collection::vec(attempt(), 0..60)) {
        let History { events, walk } = run(attempts)?;
        let replayed = Case::replay(&events, township2021());
        prop_assert_eq!(replayed.as_ref(), Some(&walk.case), "a case is the fold of its events");
        prop_assert_eq!(walk.case.version, events.len() as i64);
    }

    /// REG-12: a move decides nothing. What changes is who is busy with the case, and since when a notice
    /// hangs; what was decided, its guards and its limits stay.
    #[test]
    fn a_move_decides_nothing(attempts in prop::collection::vec(attempt(), 0..60)) {
        let History { walk, .. } = run(attempts)?;
        let mut moved = walk.case.clone();
        moved.apply(&Event {
            what: What::HouseholdMoved { from: "999999001001".parse().expect("a village") },
            to: walk.case.state,
            on: walk.today,
            actor: "service".to_owned(),
            on_behalf_of: None,
            noted: Noted::Nothing,
        });
        let mut expected = Case {
            claim: None,
            version: walk.case.version + 1,
            ..walk.case.clone()
        };
        let hangs = [CaseState::OnNotice, CaseState::ElimOnNotice].contains(&walk.case.state);
        if let Some(notice) = expected.notice.as_mut().filter(|_| hangs) {
            notice.clock_started = None;
        }
        expected.objections.settle(walk.case.state, walk.today);
        prop_assert_eq!(moved, expected);
    }

    #[test]
    fn apply_takes_any_event_in_any_order(
        steps in prop::collection::vec((select(Move::ALL), select(CaseState::ALL), 0u64..400), 0..40)
    ) {
        let mut case = Walk::declared().case;
        for (step, to, days) in steps {
            let on = day("2026-03-02") + Days::new(days);
            let noted = Noted::RequiredPlaces(vec![place(1)]);
            let what = What::Decided(command(step, on));
            let actor = "somebody".to_owned();
            case.apply(&Event { what, to, on, actor, on_behalf_of: None, noted });
            let _ = (due(&case), case.notice_closable(), case.elimination_possible());
        }
    }
}
