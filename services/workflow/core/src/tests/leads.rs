//! What becomes of a lead, from whichever channel.

use kernel::{CaseId, LeadId, Severity};

use super::*;
use crate::lead::*;

fn source(channel: LeadChannel) -> Source {
    Source {
        channel,
        reference: "A-1".to_owned(),
        department: None,
        severity: Some(Severity::Yellow),
        received: day("2026-03-02"),
    }
}

fn alert() -> Lead {
    Lead::receive(source(LeadChannel::DepartmentAlert), None)
}

fn cadre() -> Actor {
    actor(Role::VillageCadre)
}

fn act(lead: &Lead, command: LeadCommand) -> Result<Lead, Vec<String>> {
    decide_lead(lead, &command, &cadre(), day("2026-03-10")).map_err(|refusal| {
        refusal
            .unmet
            .iter()
            .map(|r| format!("{} {}", r.rule, r.code))
            .collect()
    })
}

fn visit(risk_found: bool) -> LeadCommand {
    LeadCommand::RecordVisit {
        visited: day("2026-03-09"),
        visitors: vec!["grid_worker".to_owned()],
        risk_found,
        undeclared: None,
    }
}

fn visited(risk_found: bool) -> Lead {
    let ordered = act(&alert(), LeadCommand::OrderVisit).expect("ordered");
    act(&ordered, visit(risk_found)).expect("visited")
}

#[test]
fn a_visited_lead_leads_to_a_case_and_another_one_belongs_to_it() {
    let case = CaseId(Uuid::from_u128(1));
    let mut lead = visited(true);
    lead.open_case(case).expect("opened");
    assert_eq!(lead.state, LeadState::CaseOpened);
    assert!(lead.open_case(case).is_err());
    let mut lead = alert();
    lead.open_case(case).expect("linked");
    assert_eq!(
        (lead.state, lead.linked),
        (LeadState::Linked, Some(Linked::Case(case)))
    );
}

#[test]
fn an_order_gives_five_working_days_and_a_department_gets_feedback_in_fifteen() {
    let lead = act(&alert(), LeadCommand::OrderVisit).expect("ordered");
    assert_eq!(lead.visit_due, Some(day("2026-03-17")));
    assert_eq!(lead.feedback_due, Some(day("2026-03-17")));
    let petition = Lead::receive(source(LeadChannel::Petition), None);
    assert_eq!(petition.feedback_due, None);
}

#[test]
fn s22_a_self_declaration_is_visited_and_not_dismissed() {
    let dismiss = |reason: &str| LeadCommand::Dismiss {
        reason: reason.to_owned(),
    };
    let mut own = Lead::receive(source(LeadChannel::SelfDeclaration), None);
    let unmet = act(&own, dismiss("no")).expect_err("refused");
    assert_eq!(
        unmet,
        ["S22 SELF_DECLARATION_IS_VISITED", "DET-11 LEAD_REASON"]
    );
    own = alert();
    own.add_source(source(LeadChannel::SelfDeclaration));
    assert!(
        act(&own, dismiss("数据重复,已核对")).is_err(),
        "a later channel counts too"
    );
    assert_eq!(
        act(&alert(), dismiss("数据重复,已核对"))
            .expect("dismissed")
            .state,
        LeadState::Dismissed
    );
}

#[test]
fn no_risk_needs_a_visit_that_found_none_and_feedback() {
    let no_risk = |feedback| LeadCommand::NoRisk {
        reason: "已入户核实无风险".to_owned(),
        feedback,
    };
    let unmet = act(&alert(), no_risk(None)).expect_err("refused");
    assert_eq!(unmet, ["DET-9 LEAD_STATE", "DET-11 FEEDBACK_GIVEN"]);
    let told = Some(day("2026-03-09"));
    assert_eq!(
        act(&visited(true), no_risk(told)).expect_err("refused"),
        ["S23 VISIT_FOUND_NO_RISK"]
    );
    let lead = act(&visited(false), no_risk(told)).expect("closed");
    assert_eq!(lead.state, LeadState::NoRisk);
    assert!(!lead.state.groups(), "the next lead is looked at again");
}

#[test]
fn s23_an_outcome_for_an_undeclared_risk_needs_a_risk() {
    let ordered = act(&alert(), LeadCommand::OrderVisit).expect("ordered");
    let odd = LeadCommand::RecordVisit {
        visited: day("2026-03-11"),
        visitors: vec![String::new()],
        risk_found: false,
        undeclared: Some(Undeclared::Informed),
    };
    assert_eq!(
        act(&ordered, odd).expect_err("refused"),
        ["T3 VISITORS", "T3 VISITED_ON", "S23 UNDECLARED_NEEDS_RISK"]
    );
}

#[test]
fn sector_issues_and_forwarding_say_where_to() {
    let issue = LeadCommand::SectorIssue {
        department: None,
        reason: "行业问题转交".to_owned(),
    };
    assert_eq!(
        act(&visited(true), issue).expect_err("refused"),
        ["S56 DEPARTMENT"]
    );
    let here = LeadCommand::Forward { elsewhere: false };
    assert_eq!(
        act(&alert(), here).expect_err("refused"),
        ["DET-8 ANOTHER_DIVISION"]
    );
    let there = act(&alert(), LeadCommand::Forward { elsewhere: true }).expect("forwarded");
    assert_eq!(there.state, LeadState::Forwarded);
}

#[test]
fn a_lead_about_the_same_is_linked() {
    let earlier = LeadId(Uuid::from_u128(9));
    let lead = Lead::receive(source(LeadChannel::Media), Some(earlier));
    assert_eq!(
        (lead.state, lead.linked),
        (LeadState::Linked, Some(Linked::Lead(earlier)))
    );
    for command in [LeadCommand::OrderVisit, visit(true)] {
        assert!(
            act(&lead, command).is_err(),
            "its earlier lead is worked on"
        );
    }
}

#[test]
fn no_service_and_no_auditor_moves_a_lead() {
    for role in [
        Role::Service,
        Role::Auditor,
        Role::Farmer,
        Role::SystemAdmin,
    ] {
        let today = day("2026-03-10");
        let refusal = decide_lead(&alert(), &LeadCommand::OrderVisit, &actor(role), today);
        assert_eq!(refusal.expect_err("refused").unmet[0].rule, "ORG-2");
    }
}

#[test]
fn s25_a_red_lead_is_visited_within_two_working_days_and_not_dismissed() {
    let red = Source {
        severity: Some(Severity::Red),
        ..source(LeadChannel::DepartmentAlert)
    };
    let lead = Lead::receive(red, None);
    let dismiss = LeadCommand::Dismiss {
        reason: "looked fine".to_owned(),
    };
    assert_eq!(
        act(&lead, dismiss),
        Err(vec!["S25 RED_LEAD_IS_VISITED".to_owned()])
    );
    let ordered = act(&lead, LeadCommand::OrderVisit).expect("ordered");
    assert_eq!(
        ordered.visit_due,
        Some(plus_working_days(day("2026-03-10"), 2))
    );
}

#[test]
fn s22_a_farmer_who_declared_is_told_within_five_working_days_of_the_visit() {
    let lead = Lead::receive(source(LeadChannel::SelfDeclaration), None);
    assert_eq!(lead.feedback_due, None);
    let ordered = act(&lead, LeadCommand::OrderVisit).expect("ordered");
    let visited = act(&ordered, visit(false)).expect("visited");
    let told_by = visited.visited.map(|day| plus_working_days(day, 5));
    assert_eq!(visited.feedback_due, told_by);
}
