//! Papers and photos: stored once, found by their hash, read on the record (WF-10, SEC-2).

use chassis::{error::Error, testing::caller};
use futures::StreamExt as _;
use kernel::Role;
use prost::Message;
use proto::workflow::v1::{
    Authorise, EvidenceEvent, GetEvidenceRequest, command::Command, get_evidence_response::Part,
    workflow_service_server::WorkflowService,
};

use crate::desk::{COUNTY, Desk, PAPER, SHA256, VILLAGE, by, cadre, error, violations};

const OTHER_VILLAGE: &str = "999999001002";

impl Desk {
    async fn read_paper(&self, who: &chassis::auth::Caller, hash: &str) -> Result<Vec<u8>, Error> {
        let request = GetEvidenceRequest {
            sha256: hash.to_owned(),
        };
        let mut parts = match self.service.get_evidence(by(who, request)).await {
            Ok(parts) => parts.into_inner(),
            Err(status) => return Err(Error::from_status(&status)),
        };
        let mut content = Vec::new();
        while let Some(part) = parts.next().await {
            match part.expect("whole").part.expect("a part") {
                Part::Evidence(evidence) => assert_eq!(evidence.content_type, "application/pdf"),
                Part::Chunk(chunk) => content.extend(chunk),
            }
        }
        Ok(content)
    }
}

#[tokio::test]
async fn a_paper_is_read_by_those_above_and_the_record_says_so() {
    let desk = Desk::open().await;
    let inspector = caller(Role::DisciplineInspection, COUNTY);
    assert_eq!(
        desk.read_paper(&inspector, SHA256).await.expect("read"),
        PAPER
    );
    let neighbour = caller(Role::VillageCadre, OTHER_VILLAGE);
    let hidden = desk.read_paper(&neighbour, SHA256).await;
    assert!(matches!(hidden, Err(Error::NotFound { .. })));
    let auditor = desk
        .read_paper(&caller(Role::Auditor, COUNTY), SHA256)
        .await;
    assert!(matches!(auditor, Err(Error::PermissionDenied)));

    let told = desk.feed().await.into_iter().map(|item| {
        let payload = item.payload.expect("there");
        let event = EvidenceEvent::decode(&payload[..]).expect("reads");
        (item.kind, event.actor_role)
    });
    let told: Vec<_> = told.collect();
    let expected = [
        ("evidence.stored", "VILLAGE_CADRE"),
        ("evidence.read", "DISCIPLINE_INSPECTION"),
    ];
    assert_eq!(
        told,
        expected.map(|(kind, role)| (kind.to_owned(), role.to_owned()))
    );
    desk.close().await;
}

#[tokio::test]
async fn the_same_paper_again_is_the_same_and_nothing_else_is_taken() {
    let desk = Desk::open().await;
    let again = desk
        .submit_paper(cadre(), VILLAGE, PAPER)
        .await
        .expect("stored");
    assert_eq!(again.bytes, PAPER.len() as i64);
    assert_eq!(desk.feed().await.len(), 1, "nothing new happened");
    let page = desk.submit_paper(cadre(), VILLAGE, b"<html><script>").await;
    assert_eq!(violations(page), ["file FILE_TYPE"]);
    let elsewhere = desk.submit_paper(cadre(), OTHER_VILLAGE, PAPER).await;
    assert!(matches!(elsewhere, Err(Error::NotFound { .. })));
    desk.close().await;
}

#[tokio::test]
async fn a_command_names_only_papers_that_are_there() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let authorise = Command::Authorise(Authorise {
        text_version: "2026-1".to_owned(),
        evidence_sha256: "0".repeat(64),
    });
    let refused = desk
        .act_with(cadre(), &case.id, authorise, desk.in_need())
        .await;
    assert_eq!(
        violations(refused),
        ["command.authorise.evidence_sha256 EVIDENCE_UNKNOWN"]
    );
    assert_eq!(desk.events(&case.id).await.len(), 1);
    desk.close().await;
}

#[tokio::test]
async fn a_missing_or_altered_paper_is_found() {
    let desk = Desk::open().await;
    let find = async || {
        let mut owner = desk.test.owner().await;
        let found = workflow::verify(&mut owner, &desk.store).await;
        found.expect("verified")
    };
    assert_eq!(find().await, None);
    let file = desk
        .papers
        .path()
        .join("sha256")
        .join(&SHA256[..2])
        .join(SHA256);
    std::fs::write(&file, b"%PDF-1.4 forged").expect("altered");
    assert_eq!(find().await, Some(format!("evidence {SHA256} was altered")));
    let status = desk.service.get_evidence(by(
        cadre(),
        GetEvidenceRequest {
            sha256: SHA256.to_owned(),
        },
    ));
    assert!(
        matches!(error(status.await), Error::Internal(_)),
        "nobody reads a forged paper"
    );
    std::fs::remove_file(file).expect("removed");
    assert_eq!(find().await, Some(format!("evidence {SHA256} is missing")));
    desk.close().await;
}
