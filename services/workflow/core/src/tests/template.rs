//! Templates: what is shipped is sound, and what is not sound is refused when it is loaded (WF-1).

use proptest::{prelude::*, sample::Index};

use super::*;

fn faults(template: &Template) -> Vec<Fault> {
    Template::read(&template.to_json())
        .err()
        .unwrap_or_default()
}

fn codes(template: &Template) -> Vec<&'static str> {
    faults(template).iter().map(|fault| fault.code).collect()
}

fn changed(id: &str, change: impl FnOnce(&mut Template)) -> Template {
    let mut template = Template::clone(&shipped(id));
    change(&mut template);
    template
}

fn step(template: &mut Template, step: Move) -> &mut Step {
    let found = template.steps.iter_mut().find(|s| s.step == step);
    found.expect("a step")
}

#[test]
fn wf1_every_shipped_template_is_sound_and_reads_back() {
    let ids: Vec<&str> = SHIPPED
        .iter()
        .map(|template| template.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["TOWNSHIP2021", "GUIDE2022", "COMPARE_FIRST", "NINE_STEP"]
    );
    for template in SHIPPED.iter() {
        assert_eq!(
            Template::read(&template.to_json()).as_ref(),
            Ok(&**template)
        );
    }
}

#[test]
fn wf1_every_shipped_template_leads_from_declaration_to_elimination() {
    for template in SHIPPED.iter() {
        let walk = Walk::on(template.clone()).until(CaseState::RiskEliminated);
        assert_eq!(
            walk.case.state,
            CaseState::RiskEliminated,
            "{}",
            template.id
        );
    }
}

#[test]
fn wf1_each_order_is_its_own() {
    let order = |id: &str| {
        let mut walk = Walk::on(shipped(id));
        let mut states = Vec::new();
        while walk.case.state != CaseState::Enrolled {
            walk = walk.onward();
            if states.last() != Some(&walk.case.state) {
                states.push(walk.case.state);
            }
        }
        states
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        order("COMPARE_FIRST"),
        "AUTHORISED VERIFIED COMPARED APPRAISED ON_NOTICE NOTICE_CLOSED TOWNSHIP_REVIEWED \
         APPROVED ENROLLED"
    );
    assert_eq!(
        order("NINE_STEP"),
        "WARNING_LISTED VERIFIED AUTHORISED COMPARED APPRAISED ON_NOTICE NOTICE_CLOSED \
         TOWNSHIP_REVIEWED APPROVED ENROLLED"
    );
}

#[test]
fn wf1_no_way_to_enrolment_leaves_anything_out() {
    for (skipped, code) in [
        (Move::Authorise, "SKIPS_AUTHORISATION"),
        (Move::Verify, "SKIPS_VERIFICATION"),
        (Move::Appraise, "SKIPS_APPRAISAL"),
        (Move::CloseNotice, "SKIPS_NOTICE"),
        (Move::ConfirmComparison, "SKIPS_COMPARISON"),
    ] {
        for template in SHIPPED.iter() {
            // Whatever may be done after the skipped step may now also be done before it.
            let skipping = changed(&template.id, |t| {
                let own = step(t, skipped).clone();
                let (to, _) = skipped.outcomes(own.from[0]);
                for other in t.steps.iter_mut().filter(|s| s.from.contains(&to)) {
                    other.from.extend(&own.from);
                }
                // Two steps of one move in one state is another fault.
                let mut seen = Vec::new();
                for s in &mut t.steps {
                    let step = s.step;
                    s.from.sort_unstable();
                    s.from.dedup();
                    s.from.retain(|state| !seen.contains(&(step, *state)));
                    seen.extend(s.from.iter().map(|state| (step, *state)));
                }
            });
            let found = codes(&skipping);
            assert!(
                found.contains(&code),
                "{}: {skipped} gives {found:?}",
                template.id
            );
        }
    }
}

#[test]
fn s43_no_way_leads_from_tracking_to_elimination() {
    let template = changed("TOWNSHIP2021", |t| {
        step(t, Move::ProposeElimination)
            .from
            .push(CaseState::SustainedTracking);
    });
    assert_eq!(codes(&template), ["TRACKED"]);
    let fault = &faults(&template)[0];
    assert!(
        fault
            .expected
            .ends_with("UNDER_ASSISTANCE > SUSTAINED_TRACKING > ELIMINATION_PROPOSED"),
        "{}",
        fault.expected
    );
}

#[test]
fn cmp9_a_subject_is_never_turned_away() {
    let template = changed("TOWNSHIP2021", |t| {
        step(t, Move::Disqualify)
            .from
            .push(CaseState::UnderAssistance);
    });
    assert_eq!(codes(&template), ["DROPS_A_SUBJECT"]);
}

#[test]
fn t20_the_farmer_can_always_withdraw_and_no_case_is_stuck() {
    let template = changed("TOWNSHIP2021", |t| {
        step(t, Move::Withdraw)
            .from
            .retain(|state| *state != CaseState::OnNotice);
        step(t, Move::ReturnToAssistance).from.clear();
        t.steps
            .retain(|s| !matches!(s.step, Move::Eliminate | Move::ReturnToAssistance));
    });
    let found: Vec<_> = faults(&template)
        .iter()
        .map(|f| format!("{} {}", f.code, f.expected))
        .collect();
    for expected in [
        "UNREACHABLE a way to RISK_ELIMINATED",
        "MISSING WITHDRAW from ON_NOTICE",
        "DEAD_END a way on from FILED",
    ] {
        assert!(found.iter().any(|f| f == expected), "{found:?}");
    }
}

#[test]
fn t7o_no_notice_closes_with_an_open_objection() {
    for shipped in SHIPPED.iter() {
        for at in 0..2 {
            let template = changed(&shipped.id, |t| {
                let mut closings = t.steps.iter_mut().filter(|s| s.step == Move::CloseNotice);
                let closing = closings.nth(at).expect("a closing");
                closing.guards.retain(|g| *g != Guard::NoOpenObjection);
            });
            let [fault] = &faults(&template)[..] else {
                panic!("{:?}", faults(&template))
            };
            let told = (fault.code, fault.expected.as_str());
            assert_eq!(told, ("MISSING", "NO_OPEN_OBJECTION"));
        }
    }
}

#[test]
fn t7o_wherever_a_notice_hangs_somebody_may_object_and_is_answered_by_others() {
    for way in [Move::Object, Move::Recheck, Move::AnswerObjection] {
        let template = changed("GUIDE2022", |t| {
            step(t, way)
                .from
                .retain(|state| *state != CaseState::ElimOnNotice);
        });
        let found: Vec<_> = faults(&template).into_iter().map(|f| f.expected).collect();
        assert_eq!(found, [format!("{way} from ELIM_ON_NOTICE")]);
    }
    let template = changed("TOWNSHIP2021", |t| {
        step(t, Move::AnswerObjection)
            .roles
            .push(Role::VillageCadre);
    });
    assert_eq!(codes(&template), ["JUDGES_ITSELF"]);
    // An upheld objection never turns a subject away.
    let template = changed("TOWNSHIP2021", |t| {
        step(t, Move::AnswerObjection)
            .from
            .push(CaseState::Enrolled);
    });
    assert_eq!(codes(&template), ["DROPS_A_SUBJECT"]);
}

#[test]
fn the_laws_bounds_hold_in_every_template() {
    let template = changed("TOWNSHIP2021", |t| {
        t.id = "lower case".to_owned();
        t.version = 0;
        t.parameters.villager_representatives_min = 14;
        t.parameters.notice_days = 4;
        t.parameters.hold = Hold::Quarters(1);
        t.limits[0].within = Within::Days(0);
        let authorise = step(t, Move::Authorise);
        authorise.guards.clear();
        authorise.evidence.clear();
        authorise.roles.push(Role::Service);
        step(t, Move::ListForWarning)
            .evidence
            .push(Evidence::Minutes);
        let twice = step(t, Move::Enrol).clone();
        t.steps.push(twice);
    });
    let found: Vec<_> = faults(&template)
        .iter()
        .map(|f| format!("{} {}", f.path, f.code))
        .collect();
    assert_eq!(
        found,
        [
            "id MALFORMED",
            "version OUT_OF_RANGE",
            "parameters.villager_representatives_min OUT_OF_RANGE",
            "parameters.notice_days OUT_OF_RANGE",
            "parameters.hold OUT_OF_RANGE",
            "steps[1].roles DECIDES_NOTHING",
            "steps[1].guards MISSING",
            "steps[1].evidence MISSING",
            "steps[3].evidence NOT_BROUGHT",
            "steps[36].from TWICE",
            "limits[0].within OUT_OF_RANGE",
        ]
    );
}

#[test]
fn what_does_not_read_is_named_by_its_place() {
    let good = shipped("TOWNSHIP2021").to_json();
    let place = |json: &str| Template::read(json).expect_err("refused")[0].path.clone();
    assert_eq!(place("{"), "");
    assert_eq!(
        place(&good.replacen("VISIT_FORM", "SELFIE", 1)),
        "steps[2].evidence[0]"
    );
    assert_eq!(
        place(&good.replacen("\"notice_days\": 7", "\"notice_days\": -7", 1)),
        "parameters.notice_days"
    );
    assert_eq!(place(&good.replacen("\"title\"", "\"name\"", 1)), "name");
    assert_eq!(place(&format!("{good} {{}}")), "");
    assert_eq!(place(&good.replacen(' ', &" ".repeat(200_000), 1)), "");
}

#[test]
fn s44_two_quarters_can_be_calendar_quarters() {
    let mut walk = Walk::to(CaseState::Enrolled);
    walk.case.enrolled = Some(day("2026-03-31"));
    assert_eq!(walk.case.elimination_possible(), Some(day("2026-09-30")));
    walk.case.template = Arc::new(changed("TOWNSHIP2021", |t| {
        t.parameters.hold = Hold::Quarters(2)
    }));
    assert_eq!(walk.case.elimination_possible(), Some(day("2026-10-01")));
    walk.case.enrolled = Some(day("2026-11-20"));
    assert_eq!(walk.case.elimination_possible(), Some(day("2027-07-01")));
}

/// A change of a template's order that its author may have meant or not.
#[derive(Debug, Clone)]
enum Mutation {
    AddFrom(Index, Index),
    DropFrom(Index, Index),
    DropStep(Index),
    DropGuard(Index),
    Swap(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<Index>;
    prop_oneof![
        3 => (index(), index()).prop_map(|(step, state)| Mutation::AddFrom(step, state)),
        2 => (index(), index()).prop_map(|(step, state)| Mutation::DropFrom(step, state)),
        1 => index().prop_map(Mutation::DropStep),
        1 => index().prop_map(Mutation::DropGuard),
        2 => (index(), index()).prop_map(|(one, other)| Mutation::Swap(one, other)),
    ]
}

fn mutate(template: &mut Template, mutation: &Mutation) {
    let steps = template.steps.len();
    match mutation {
        Mutation::AddFrom(step, state) => {
            let state = *state.get(CaseState::ALL);
            let step = &mut template.steps[step.index(steps)];
            if !step.from.contains(&state) {
                step.from.push(state);
            }
        }
        Mutation::DropFrom(step, state) => {
            let from = &mut template.steps[step.index(steps)].from;
            if !from.is_empty() {
                from.remove(state.index(from.len()));
            }
        }
        Mutation::DropStep(step) => {
            template.steps.remove(step.index(steps));
        }
        Mutation::DropGuard(step) => template.steps[step.index(steps)].guards.truncate(0),
        Mutation::Swap(one, other) => {
            let (one, other) = (one.index(steps), other.index(steps));
            let from = template.steps[one].from.clone();
            template.steps[one].from = std::mem::replace(&mut template.steps[other].from, from);
        }
    }
}

/// Random walks over a template that was let in: an independent look at what the check promises.
fn wander(template: &Template, choices: &[Index]) -> Vec<Move> {
    let (mut state, mut done) = (CaseState::Declared, Vec::new());
    for choice in choices {
        let open: Vec<&Step> = template.steps_from(state).collect();
        if open.is_empty() {
            break;
        }
        let step = choice.get(&open).step;
        let (to, otherwise) = step.outcomes(state);
        let against = otherwise.filter(|_| choice.index(5) == 0);
        if against.is_none() {
            done.push(step);
        }
        state = against.unwrap_or(to);
        if step == Move::Enrol {
            for needed in [
                Move::Authorise,
                Move::Verify,
                Move::Appraise,
                Move::CloseNotice,
                Move::ConfirmComparison,
            ] {
                assert!(
                    done.contains(&needed),
                    "enrolled without {needed}: {done:?}"
                );
            }
        }
        if state == CaseState::RiskEliminated {
            let last = |step: Move| done.iter().rposition(|s| *s == step);
            assert!(last(Move::Enrol).is_some(), "{done:?}");
            assert!(
                last(Move::Track) <= last(Move::ResumeAssistance),
                "tracked: {done:?}"
            );
            assert!(
                last(Move::ProposeElimination) > last(Move::Enrol),
                "{done:?}"
            );
        }
    }
    done
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn wf1_whatever_is_let_in_skips_nothing(
        which in any::<Index>(),
        mutations in prop::collection::vec(mutation(), 1..4),
        walks in prop::collection::vec(prop::collection::vec(any::<Index>(), 40), 20),
    ) {
        let mut template = Template::clone(&SHIPPED[which.index(SHIPPED.len())]);
        for mutation in &mutations {
            mutate(&mut template, mutation);
        }
        if faults(&template).is_empty() {
            for choices in &walks {
                wander(&template, choices);
            }
        }
    }
}
