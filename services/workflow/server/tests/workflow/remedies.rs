//! Papers sent back, appeals, and what a second person lets pass, on the record.

use chassis::testing::caller;
use kernel::Role;
use proto::{
    r#type::v1::EliminationKind,
    workflow::v1::{command::Command, workflow_service_server::WorkflowService, *},
};

use crate::desk::{
    COUNTY, Desk, SHA256, authorise, by, cadre, office, officer, refusal, review, verify,
};

fn report() -> Command {
    Command::SubmitVillageReport(SubmitVillageReport {
        evidence_sha256: SHA256.to_owned(),
    })
}

fn approver() -> chassis::auth::Caller {
    caller(Role::CountyApprover, COUNTY)
}

impl Desk {
    async fn case(&self, id: &str) -> Case {
        let request = BatchGetCasesRequest {
            ids: vec![id.to_owned()],
        };
        let found = self.service.batch_get_cases(by(officer(), request)).await;
        found.expect("found").into_inner().cases.remove(0)
    }

    /// No remark, reason or answer is in the feed, and rows are what the events say.
    async fn is_sound(&self) {
        for item in self.feed().await {
            let payload = item.payload.expect("a payload");
            let text = String::from_utf8_lossy(&payload);
            assert!(!text.contains("PRIVATE"), "{}", item.kind);
        }
        assert_eq!(self.difference().await, None);
    }
}

#[tokio::test]
async fn t8r_the_village_sees_what_is_wrong_and_puts_it_right() {
    let desk = Desk::open().await;
    let case = desk.declared().await.id;
    desk.to_notice(&case).await;
    desk.days_pass(7);
    desk.act(cadre(), &case, desk.close_notice()).await;
    desk.act(cadre(), &case, report()).await;
    let back = Command::ReturnForCorrection(ReturnForCorrection {
        corrections: vec![Correction {
            part: "INCOME".to_owned(),
            remark: "PRIVATE: the wages of the son".to_owned(),
        }],
    });
    assert_eq!(
        desk.act(office(), &case, back.clone()).await,
        CaseState::Returned
    );
    assert_eq!(desk.case(&case).await.corrections, ["INCOME"]);
    let told = desk
        .events(&case)
        .await
        .pop()
        .and_then(|event| event.command);
    assert_eq!(
        told.and_then(|told| told.command),
        Some(back),
        "whoever reads the record reads the remark"
    );
    desk.is_sound().await;
    assert_eq!(
        desk.act(cadre(), &case, report()).await,
        CaseState::NoticeClosed
    );
    assert!(desk.case(&case).await.corrections.is_empty());
    desk.act(office(), &case, review("in order")).await;
    desk.is_sound().await;
    desk.close().await;
}

#[tokio::test]
async fn wf9_an_appeal_opens_the_case_again_unless_there_is_another() {
    let desk = Desk::open().await;
    let declared = desk.declared().await;
    let case = declared.id;
    desk.act(cadre(), &case, authorise()).await;
    desk.act(cadre(), &case, verify(desk.today())).await;
    let away = Command::FindNotQualified(FindNotQualified {
        reason_code: "NO_RISK".to_owned(),
        remark: "PRIVATE".to_owned(),
        farmer_informed_on: desk.today().to_string(),
    });
    let state = desk.act(cadre(), &case, away).await;
    assert_eq!(state, CaseState::NotQualified);
    let until = desk.today() + chrono::Days::new(30);
    assert_eq!(desk.case(&case).await.appeal_until, until.to_string());
    let appeal = || {
        Command::Appeal(Appeal {
            reason: "PRIVATE".to_owned(),
            statement_sha256: SHA256.to_owned(),
        })
    };

    // A new case of the household is open meanwhile.
    let household = declared.household_id.parse().expect("an id");
    let other = desk.declare(cadre(), household).await.expect("declared");
    let taken = desk
        .act_with(cadre(), &case, appeal(), desk.in_need())
        .await;
    assert_eq!(refusal(taken), ["S02 ONE_OPEN_CASE"]);
    let withdraw = Command::Withdraw(Withdraw {
        statement_sha256: SHA256.to_owned(),
    });
    desk.act(cadre(), &other.id, withdraw).await;

    assert_eq!(
        desk.act(cadre(), &case, appeal()).await,
        CaseState::Appealed
    );
    let granted = Command::DecideAppeal(DecideAppeal {
        outcome: "GRANTED".to_owned(),
        reason: "PRIVATE".to_owned(),
        household_informed_on: desk.today().to_string(),
        evidence_sha256: SHA256.to_owned(),
    });
    let officer = desk.act_with(officer(), &case, granted.clone(), desk.in_need());
    assert_eq!(refusal(officer.await), ["ORG-2 ROLE"]);
    assert_eq!(
        desk.act(&approver(), &case, granted).await,
        CaseState::Verified,
        "it goes on where it stood"
    );
    desk.is_sound().await;
    desk.close().await;
}

#[tokio::test]
async fn eli2_what_is_let_pass_is_on_the_record_and_in_the_report() {
    let desk = Desk::open().await;
    let case = desk.declared().await.id;
    desk.to_enrolment(&case).await;
    desk.act(cadre(), &case, Command::StartAssistance(StartAssistance {}))
        .await;
    desk.days_pass(100);
    desk.has_recovered.set(true);
    let propose = || {
        Command::ProposeElimination(ProposeElimination {
            kind: EliminationKind::ByAssistance.into(),
        })
    };
    let early = desk.act_with(cadre(), &case, propose(), desk.recovered());
    assert_eq!(refusal(early.await), ["S44 HOLD_MONTHS"]);
    let report = async |overridden| {
        let request = ListCasesRequest {
            overridden,
            ..ListCasesRequest::default()
        };
        let listed = desk.service.list_cases(by(officer(), request)).await;
        listed.expect("listed").into_inner().cases.len()
    };
    assert_eq!((report(true).await, report(false).await), (0, 1));

    let grant = |reason: &str| {
        Command::GrantOverride(GrantOverride {
            requirement: "HOLD_MONTHS".to_owned(),
            reason: reason.to_owned(),
        })
    };
    let approver = approver();
    let short = desk.act_with(&approver, &case, grant("PRIVATE"), desk.recovered());
    assert_eq!(refusal(short.await), ["ELI-2 OVERRIDE_REASON"]);
    desk.act(
        &approver,
        &case,
        grant("PRIVATE: the family moved to its daughter"),
    )
    .await;
    assert_eq!(report(true).await, 1);
    assert_eq!(
        desk.act(cadre(), &case, propose()).await,
        CaseState::EliminationProposed
    );
    let [granted] = &desk.case(&case).await.overrides[..] else {
        panic!("one override")
    };
    assert_eq!(granted.granted_by, approver.principal.subject);
    assert!(granted.used);
    desk.is_sound().await;
    desk.close().await;
}
