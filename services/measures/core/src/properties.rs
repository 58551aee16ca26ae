//! Sample values for the tests of the rules, and what holds for every plan whatever is done to it.

use chrono::{DateTime, Days, Months, NaiveDate};
use kernel::{Code, MeasureId, Money, Month, Refusal, RiskType, local_date};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    CaseNews, ClosedRisk, Command, Delivery, Event, Manner, Measure, MeasureKind, Monitoring, Plan,
    Planned, Responsible, Stage,
};

pub fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

pub fn measure_id(number: u128) -> MeasureId {
    MeasureId(Uuid::from_u128(number))
}

/// The plan of a case with illness as its risk.
pub fn plan(enrolled_on: &str) -> Plan {
    let news = CaseNews {
        stage: Stage::Monitored,
        risks: vec![RiskType::Illness],
        enrolled_on: Some(day(enrolled_on)),
        has_labour: None,
        day: day(enrolled_on),
    };
    let division = "999999001001".parse().expect("a division");
    Plan::open(
        Uuid::from_u128(1).into(),
        Uuid::from_u128(2).into(),
        division,
        news,
    )
}

pub fn measure(kind: MeasureKind, risk: RiskType) -> Measure {
    Measure {
        id: measure_id(kind as u128),
        kind,
        risk,
        description: String::new(),
        department: String::new(),
        planned_on: day("2026-06-15"),
        due_on: day("2026-07-15"),
        deliveries: Vec::new(),
    }
}

pub fn planned(id: u128, risk: RiskType) -> Planned {
    Planned {
        id: measure_id(id),
        kind: MeasureKind::SocialHelp,
        risk,
        description: "what is missing".to_owned(),
        department: String::new(),
        due_on: day("2027-12-31"),
        planned_elimination_on: None,
    }
}

pub fn delivery(on: &str, fen: i64) -> Delivery {
    Delivery {
        delivered_on: day(on),
        amount: Money::from_fen(fen),
        confirmed: true,
        evidence_sha256: String::new(),
    }
}

pub fn closed(risk: RiskType) -> ClosedRisk {
    ClosedRisk {
        risk,
        closed_on: day("2026-07-01"),
        reason: "recovered".to_owned(),
    }
}

pub fn monitored(month: &str, visited_on: &str, recorded_at: &str) -> Monitoring {
    Monitoring {
        month: month.parse().expect("a month"),
        visited_on: day(visited_on),
        manner: Manner::Visit,
        finding: "nothing new".to_owned(),
        worse: false,
        recorded_by: "cadre".to_owned(),
        recorded_at: recorded_at.parse().expect("an instant"),
    }
}

/// "rule code" of everything unmet.
pub fn codes(decided: Result<Event, Refusal>) -> Vec<String> {
    let refusal = decided.expect_err("refused");
    refusal
        .unmet
        .iter()
        .map(|r| format!("{} {}", r.rule, r.code))
        .collect()
}

const FIRST_DAY: &str = "2026-06-15";

fn any_day() -> impl Strategy<Value = NaiveDate> {
    (0u64..600).prop_map(|days| day("2026-05-01") + Days::new(days))
}

fn any_risk() -> impl Strategy<Value = RiskType> {
    proptest::sample::select(&RiskType::ALL[..4])
}

fn any_command() -> impl Strategy<Value = Command> {
    let responsible = ("[abc]", any_day(), "[x ]?").prop_map(|(account, from, note)| {
        Command::AssignResponsible(Responsible {
            account,
            unit: "unit".to_owned(),
            from,
            to: None,
            hand_over_note: note,
        })
    });
    let kind = proptest::sample::select(MeasureKind::ALL);
    let measure = (0u128..6, kind, any_risk(), any_day()).prop_map(|(id, kind, risk, due_on)| {
        Command::PlanMeasure(Planned {
            kind,
            due_on,
            ..planned(id, risk)
        })
    });
    let delivered = (0u128..6, any_day(), -5i64..50).prop_map(|(id, delivered_on, fen)| {
        let delivery = Delivery {
            delivered_on,
            ..delivery(FIRST_DAY, fen)
        };
        Command::RecordDelivery(measure_id(id), delivery)
    });
    let gone = (any_risk(), any_day()).prop_map(|(risk, closed_on)| {
        Command::CloseRisk(ClosedRisk {
            closed_on,
            ..closed(risk)
        })
    });
    let month = (any_day(), 0u64..40, any_day()).prop_map(|(visited_on, later, other)| {
        let month = Month::of(if later % 4 == 0 { other } else { visited_on });
        let recorded_on = visited_on + Days::new(later);
        let noon = recorded_on.and_hms_opt(4, 0, 0).expect("a time").and_utc();
        Command::RecordMonitoring(Monitoring {
            month,
            visited_on,
            recorded_at: noon,
            ..monitored("2026-06", FIRST_DAY, "2026-06-15T04:00:00Z")
        })
    });
    prop_oneof![responsible, measure, delivered, gone, month]
}

/// A clock that only goes forward, and what is tried on each day.
fn any_history() -> impl Strategy<Value = Vec<(NaiveDate, Command)>> {
    proptest::collection::vec((any_day(), any_command()), 0..60).prop_map(|mut steps| {
        steps.sort_by_key(|(today, _)| *today);
        steps
    })
}

fn live(history: Vec<(NaiveDate, Command)>) -> Plan {
    let mut plan = plan(FIRST_DAY);
    plan.risks = RiskType::ALL[..3].to_vec();
    for (today, command) in history {
        if let Ok(event) = plan.decide(command, today) {
            plan.apply(event);
        }
    }
    plan
}

fn recorded_in_time(plan: &Plan, month: Month) -> bool {
    let in_time = |at: DateTime<_>| Month::of(local_date(at)) == month;
    plan.monitoring
        .iter()
        .any(|m| m.month == month && in_time(m.recorded_at))
}

proptest! {
    #[test]
    fn responsible_persons_follow_each_other_without_overlap_or_gap(history in any_history()) {
        let plan = live(history);
        for pair in plan.responsible.windows(2) {
            prop_assert!(pair[0].from < pair[1].from);
            prop_assert_eq!(pair[0].to, pair[1].from.pred_opt());
            prop_assert!(!pair[1].hand_over_note.trim().is_empty());
        }
        prop_assert!(plan.responsible.last().is_none_or(|last| last.to.is_none()));
    }

    #[test]
    fn a_month_has_one_record_at_most_and_the_visit_lies_in_it(history in any_history()) {
        let plan = live(history);
        prop_assert!(plan.monitoring.is_sorted_by(|a, b| a.month < b.month));
        for record in &plan.monitoring {
            prop_assert_eq!(Month::of(record.visited_on), record.month);
            prop_assert!(record.visited_on <= local_date(record.recorded_at));
        }
    }

    #[test]
    fn a_month_is_missed_or_recorded_in_time_and_never_both(
        history in any_history(), today in any_day(),
    ) {
        let plan = live(history);
        let missed = plan.missed_months(today);
        let mut month = Month::of(day(FIRST_DAY)).next();
        while month < Month::of(today) {
            prop_assert_eq!(missed.contains(&month), !recorded_in_time(&plan, month));
            month = month.next();
        }
        prop_assert!(missed.iter().all(|missed| *missed < month));
    }

    #[test]
    fn what_is_missed_stays_missed(history in any_history(), today in any_day(), more in any_history()) {
        let mut plan = live(history.into_iter().filter(|(on, _)| *on <= today).collect());
        let missed = plan.missed_months(today);
        for (later, command) in more {
            // Recorded from here on, whatever the record claims to be about.
            let command = match command {
                Command::RecordMonitoring(m) if local_date(m.recorded_at) < today => continue,
                command => command,
            };
            if let Ok(event) = plan.decide(command, later.max(today)) {
                plan.apply(event);
            }
        }
        let after = plan.missed_months(today + Months::new(3));
        prop_assert!(missed.iter().all(|month| after.contains(month)));
    }

    #[test]
    fn deliveries_follow_planning_and_facts_agree_with_the_plan(
        history in any_history(), as_of in any_day(),
    ) {
        let plan = live(history);
        for measure in &plan.measures {
            for delivery in &measure.deliveries {
                prop_assert!(delivery.delivered_on >= measure.planned_on);
                prop_assert!(!delivery.amount.is_negative());
            }
            prop_assert!(plan.risks.contains(&measure.risk));
        }
        let facts = plan.facts(as_of);
        prop_assert!(facts.risks_delivered.is_subset(&facts.risks_planned));
        prop_assert!(facts.measures_delivered <= facts.measures_planned);
        let closed: Vec<_> = plan.closed_risks.iter().map(|c| c.risk).collect();
        prop_assert!(facts.risks_closed.iter().all(|risk| closed.contains(risk)));
        let _ = plan.warnings(as_of);
    }

    #[test]
    fn an_ended_case_takes_nothing_new(history in any_history(), today in any_day(), command in any_command()) {
        let mut plan = live(history);
        let news = CaseNews {
            stage: Stage::Ended,
            risks: plan.risks.clone(),
            enrolled_on: None,
            has_labour: None,
            day: today,
        };
        plan.follow(news);
        let begins = matches!(
            command,
            Command::AssignResponsible(_) | Command::PlanMeasure(_) | Command::CloseRisk(_)
        );
        if begins {
            prop_assert!(plan.decide(command, today).is_err());
        }
    }
}
