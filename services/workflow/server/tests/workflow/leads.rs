//! Leads: from every channel, each kept, each brought to an end.

use chassis::testing::new_id;
use proto::{
    comparison::v1::Alert,
    r#type::v1::{LeadChannel, RiskType, Severity},
    workflow::v1::{
        act_on_lead_request::{Action, Dismiss, Forward, OrderVisit, RecordLeadVisit},
        workflow_service_server::WorkflowService,
        *,
    },
};

use crate::desk::{
    Desk, VILLAGE, by, cadre, declaration, division, error, lead, office, officer, refusal,
    violations,
};

const NEXT_VILLAGE: &str = "999999001002";

fn act(lead: &str, action: Action) -> ActOnLeadRequest {
    ActOnLeadRequest {
        request_id: new_id().to_string(),
        lead_id: lead.to_owned(),
        version: 0,
        action: Some(action),
        acting_as: String::new(),
    }
}

async fn submit(desk: &Desk, request: SubmitLeadRequest) -> Lead {
    let village = division(VILLAGE);
    let submitted = desk.service.submit_lead_in(cadre(), request, village);
    submitted.await.expect("taken in").lead.expect("a lead")
}

async fn leads(desk: &Desk) -> Vec<Lead> {
    let listed = desk
        .service
        .list_leads(by(officer(), ListLeadsRequest::default()))
        .await;
    listed.expect("listed").into_inner().leads
}

#[tokio::test]
async fn det9_a_lead_about_the_same_is_linked_and_its_channel_kept() {
    let desk = Desk::open().await;
    let household = new_id();
    let first = submit(&desk, lead(household, LeadChannel::SelfDeclaration)).await;
    assert_eq!(first.state(), LeadState::Received);
    let second = submit(&desk, lead(household, LeadChannel::Petition)).await;
    assert_eq!(second.state(), LeadState::Linked);
    assert_eq!(second.linked_to, first.id);
    let earlier = leads(&desk).await.pop().expect("the first");
    let channels: Vec<LeadChannel> = earlier.sources.iter().map(|s| s.channel()).collect();
    assert_eq!(
        channels,
        [LeadChannel::SelfDeclaration, LeadChannel::Petition]
    );
    desk.days_pass(91);
    let later = submit(&desk, lead(household, LeadChannel::Media)).await;
    assert_eq!(later.state(), LeadState::Received);
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn det7_an_alert_becomes_a_lead_with_its_colour() {
    let desk = Desk::open().await;
    let alert = Alert {
        id: new_id().to_string(),
        household_id: new_id().to_string(),
        division_code: VILLAGE.to_owned(),
        department: "medical_insurance".to_owned(),
        risk: RiskType::Illness.into(),
        severity: Severity::Red.into(),
        ..Alert::default()
    };
    desk.tell("alert.raised", &alert).await;
    let lead = leads(&desk).await.pop().expect("a lead");
    let source = &lead.sources[0];
    assert_eq!(source.channel(), LeadChannel::DepartmentAlert);
    assert_eq!(source.severity(), Severity::Red);
    assert_eq!(source.reference, alert.id);
    assert_eq!(source.department, "medical_insurance");
    assert!(!lead.feedback_due_on.is_empty(), "DET-11");
    desk.close().await;
}

#[tokio::test]
async fn a_visited_lead_leads_to_its_case_and_the_next_one_belongs_to_it() {
    let desk = Desk::open().await;
    let household = new_id();
    let found = submit(&desk, lead(household, LeadChannel::CadreCheck)).await;
    let order = act(&found.id, Action::OrderVisit(OrderVisit {}));
    let ordered = desk.service.act_on_lead(by(office(), order)).await;
    let ordered = ordered.expect("ordered").into_inner().lead.expect("a lead");
    assert!(!ordered.visit_due_on.is_empty());
    let visit = act(
        &found.id,
        Action::RecordVisit(RecordLeadVisit {
            visited_on: desk.today().to_string(),
            visitors: vec!["grid-1".to_owned()],
            risk_found: true,
            undeclared_outcome: String::new(),
        }),
    );
    let visited = desk.service.act_on_lead(by(cadre(), visit)).await;
    let visited = visited.expect("visited").into_inner().lead.expect("a lead");
    assert_eq!(visited.state(), LeadState::Visited);

    let request = DeclareCaseRequest {
        lead_id: found.id.clone(),
        ..declaration(household)
    };
    let declared = desk
        .service
        .declare_case_in(cadre(), request, division(VILLAGE));
    let case = declared.await.expect("declared").case.expect("a case");
    let first = leads(&desk).await.pop().expect("the lead");
    assert_eq!(first.state(), LeadState::CaseOpened);
    assert_eq!(first.case_id, case.id);

    let other_risk = SubmitLeadRequest {
        risk: RiskType::Education.into(),
        ..lead(household, LeadChannel::Audit)
    };
    let next = submit(&desk, other_risk).await;
    assert_eq!((next.state(), next.case_id), (LeadState::Linked, case.id));
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn a_dismissal_needs_a_reason_that_is_kept_out_of_the_feed() {
    let desk = Desk::open().await;
    let found = submit(&desk, lead(new_id(), LeadChannel::Media)).await;
    let dismiss = |reason: &str| {
        let reason = reason.to_owned();
        by(cadre(), act(&found.id, Action::Dismiss(Dismiss { reason })))
    };
    let refused = desk.service.act_on_lead(dismiss("no")).await;
    assert_eq!(refusal::<()>(Err(error(refused))), ["DET-11 LEAD_REASON"]);
    let dismissed = desk.service.act_on_lead(dismiss("WRITTEN REASON")).await;
    let dismissed = dismissed.expect("dismissed").into_inner().lead;
    assert_eq!(dismissed.expect("a lead").closed_reason, "WRITTEN REASON");
    for item in desk.feed().await {
        let payload = item.payload.expect("a payload");
        assert!(!String::from_utf8_lossy(&payload).contains("WRITTEN"));
    }
    assert_eq!(desk.difference().await, None);
    desk.close().await;
}

#[tokio::test]
async fn det8_a_forwarded_lead_arrives_where_it_belongs() {
    let desk = Desk::open().await;
    let found = submit(&desk, lead(new_id(), LeadChannel::CadreCheck)).await;
    let forward = |to: &str| {
        let division_code = to.to_owned();
        act(&found.id, Action::Forward(Forward { division_code }))
    };
    let beyond = desk
        .service
        .act_on_lead(by(cadre(), forward(NEXT_VILLAGE)))
        .await;
    assert_eq!(
        violations::<()>(Err(error(beyond))),
        ["forward.division_code OUT_OF_SCOPE"]
    );
    let forwarded = desk
        .service
        .act_on_lead(by(office(), forward(NEXT_VILLAGE)))
        .await;
    let forwarded = forwarded.expect("forwarded").into_inner().lead;
    assert_eq!(forwarded.expect("a lead").state(), LeadState::Forwarded);
    let request = ListLeadsRequest {
        division_code: NEXT_VILLAGE.to_owned(),
        ..ListLeadsRequest::default()
    };
    let there = desk.service.list_leads(by(office(), request)).await;
    let there = there.expect("listed").into_inner().leads;
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].state(), LeadState::Received);
    assert_eq!(there[0].linked_to, found.id);
    desk.close().await;
}
