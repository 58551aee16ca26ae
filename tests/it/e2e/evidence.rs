//! Papers through the front door: stored, named by a command, read by who may, and checked (WF-10).

use kernel::Role;
use serde_json::json;
use tests::{
    Sandbox, county,
    family::{EVIDENCE, Family, PAPER},
    journey::Journey,
};

#[tokio::test(flavor = "multi_thread")]
async fn wf10_a_paper_goes_in_and_comes_out_as_it_was() {
    let sandbox = Sandbox::start().await;
    county::set_up(&sandbox).await;
    let path = format!("/files/evidence/{EVIDENCE}");
    let cadre = sandbox.client(Role::VillageCadre, county::VILLAGE);
    let (status, content) = cadre.get(&path).await;
    assert_eq!((status, content.as_bytes()), (200, PAPER));
    let auditor = sandbox.client(Role::Auditor, tests::COUNTY);
    assert_eq!(auditor.get(&path).await.0, 403);
    let (status, _) = cadre
        .get(&format!("/files/evidence/{}", "0".repeat(64)))
        .await;
    assert_eq!(status, 404);
    let (status, _) = cadre.get("/files/evidence/..%2f..%2fsecrets").await;
    assert_eq!(status, 400);

    let page = b"<html><script>alert(1)</script></html>".repeat(3);
    let into = format!("evidence?divisionCode={}", county::VILLAGE);
    let (status, problem) = cadre.put(&into, page).await;
    assert_eq!(status, 400, "{problem:#}");
    assert!(problem.to_string().contains("FILE_TYPE"), "{problem:#}");
    let elsewhere = format!("evidence?divisionCode={}", county::FAR_VILLAGE);
    assert_eq!(cadre.put(&elsewhere, PAPER.to_vec()).await.0, 404);
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wf10_a_command_names_only_papers_that_are_there() {
    let sandbox = Sandbox::start().await;
    let places = county::set_up(&sandbox).await;
    let family = Family::default().register(&sandbox).await;
    let journey = Journey::declare(&sandbox, family, &places).await;
    journey.family.authorise(&sandbox, false).await;
    let input = json!({
        "caseId": journey.case, "textVersion": "2026-1", "evidenceSha256": "0".repeat(64),
    });
    let payload = journey
        .cadre
        .mutate("authoriseCase", input, "case { state }")
        .await;
    let violation = &payload["violations"][0];
    assert_eq!(
        (&violation["field"], &violation["code"]),
        (&json!("evidenceSha256"), &json!("EVIDENCE_UNKNOWN"))
    );
    assert_eq!(violation["message"], "所引材料尚未上传,请先上传再办理");
    sandbox.stop().await;
}
