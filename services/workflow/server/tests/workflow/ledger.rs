//! The ledger as others see it: checkpoints, seals to print, proofs, and case files that prove
//! themselves (SEC-3).

use base64::{Engine, prelude::BASE64_STANDARD};
use chassis::{
    error::Error,
    testing::caller,
    tlog::{Extract, LogVerifier},
};
use kernel::Role;
use prost::Message;
use proto::workflow::v1::{
    AddCosignaturesRequest, CaseEvent, CaseFile, Checkpoint, GetCaseFileRequest,
    GetCheckpointRequest, GetDailySealRequest, GetEvidenceStatusRequest, GetProofRequest,
    GetTileRequest, get_proof_request::Claim, workflow_service_server::WorkflowService,
};

use tonic::{Response, Status};

use crate::desk::{
    COUNTY, Desk, VILLAGE, authorise, by, cadre, error, officer, verify, violations, witness,
};

/// What is wrong with the fields of a request that must not be served.
fn wrong<T>(answer: Result<Response<T>, Status>) -> Vec<String> {
    violations::<T>(Err(error(answer)))
}

fn gateway() -> chassis::auth::Caller {
    caller(Role::Service, COUNTY)
}

impl Desk {
    async fn seal(&self) -> Checkpoint {
        self.seconds_pass(60);
        self.log.seal().await.expect("sealed");
        let request = GetCheckpointRequest { size: 0 };
        let last = self.service.get_checkpoint(by(officer(), request)).await;
        last.expect("answered")
            .into_inner()
            .checkpoint
            .expect("a checkpoint")
    }

    async fn case_file(&self, who: &chassis::auth::Caller, case: &str) -> Result<CaseFile, Error> {
        let request = GetCaseFileRequest {
            case_id: case.to_owned(),
        };
        match self.service.get_case_file(by(who, request)).await {
            Ok(response) => Ok(response.into_inner().file.expect("a file")),
            Err(status) => Err(Error::from_status(&status)),
        }
    }
}

#[tokio::test]
async fn sec3_a_case_file_holds_the_whole_case_and_proves_it() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let early = desk.case_file(cadre(), &case.id).await;
    assert!(
        matches!(early, Err(Error::NotFound { .. })),
        "nothing is sealed yet"
    );
    desk.to_notice(&case.id).await;
    let sealed = desk.seal().await;
    let file = desk.case_file(cadre(), &case.id).await.expect("a file");
    assert_eq!((file.size, &file.case_id), (sealed.size, &case.id));

    let key: LogVerifier = sealed.key.parse().expect("a key");
    let extract: Extract = serde_json::from_str(&file.json).expect("reads");
    let checked = extract.check(&key).expect("unaltered");
    assert_eq!(checked.code, file.verify_code);
    let kinds: Vec<&str> = extract.items.iter().map(|item| &*item.kind).collect();
    assert_eq!(kinds[0], "case.declared");
    assert_eq!(
        i64::try_from(kinds.len()).expect("few"),
        i64::from(file.event_count)
    );
    let versions = extract.items.iter().map(|item| {
        let payload = BASE64_STANDARD.decode(item.payload.as_ref().expect("there"));
        let event = CaseEvent::decode(&payload.expect("base64")[..]).expect("a case's event");
        event.case.expect("a case").version
    });
    let versions: Vec<i64> = versions.collect();
    let all: Vec<i64> = (1..=i64::from(file.event_count)).collect();
    assert_eq!(versions, all, "what is left out would show");

    // The same again is the same code; one event more is another.
    assert_eq!(
        desk.case_file(officer(), &case.id)
            .await
            .expect("a file")
            .verify_code,
        checked.code
    );
    desk.days_pass(7);
    desk.act(cadre(), &case.id, desk.close_notice()).await;
    desk.seal().await;
    let longer = desk.case_file(cadre(), &case.id).await.expect("a file");
    assert_ne!(longer.verify_code, checked.code);

    let neighbour = caller(Role::VillageCadre, "999999001002");
    let hidden = desk.case_file(&neighbour, &case.id).await;
    assert!(matches!(hidden, Err(Error::NotFound { .. })));
    let farmer = caller(Role::Farmer, VILLAGE);
    let denied = desk.case_file(&farmer, &case.id).await;
    assert!(matches!(denied, Err(Error::PermissionDenied)));
    desk.close().await;
}

#[tokio::test]
async fn sec3_the_seal_of_a_day_fits_on_a_paper() {
    let desk = Desk::open().await;
    desk.declared().await;
    let sealed = desk.seal().await;
    let seal = async |day: String| {
        let request = GetDailySealRequest { day };
        desk.service.get_daily_seal(by(officer(), request)).await
    };
    let today = desk.today();
    let open = seal(today.to_string())
        .await
        .expect("a seal")
        .into_inner()
        .seal
        .expect("a seal");
    assert!(!open.r#final);
    desk.days_pass(1);
    let text = seal(today.to_string())
        .await
        .expect("a seal")
        .into_inner()
        .seal
        .expect("a seal");
    assert!(text.r#final);
    assert_eq!(text.checkpoint.expect("a checkpoint").root, sealed.root);
    let text = text.text;
    assert!(
        text.lines().count() <= 7 && text.lines().all(|line| line.chars().count() <= 60),
        "{text}"
    );
    let joined = text.replace([' ', '\n'], "");
    for part in [&today.to_string(), &sealed.root, &sealed.size.to_string()] {
        assert!(joined.contains(&**part), "{part}: {text}");
    }
    assert!(text.contains("backstop.example/999999+"), "{text}");
    let tomorrow = desk.today().succ_opt().expect("a day");
    let future = wrong(seal(tomorrow.to_string()).await);
    assert_eq!(future, ["day DATE_IN_FUTURE"]);
    let before = error(seal("2020-01-01".to_owned()).await);
    assert!(matches!(before, Error::NotFound { .. }));
    desk.close().await;
}

#[tokio::test]
async fn sec3_the_log_is_served_to_everybody_and_takes_nothing_from_nobody() {
    let desk = Desk::open().await;
    let case = desk.declared().await;
    let first = desk.seal().await;
    desk.act(cadre(), &case.id, authorise()).await;
    desk.act(cadre(), &case.id, verify(desk.today())).await;
    let second = desk.seal().await;

    let prove = async |size: i64, claim: Option<Claim>| {
        let request = GetProofRequest { size, claim };
        desk.service.get_proof(by(&gateway(), request)).await
    };
    let proof = prove(second.size, Some(Claim::From(first.size)))
        .await
        .expect("proved");
    let key: LogVerifier = second.key.parse().expect("a key");
    let (older, newer) = (key.open(&first.note), key.open(&second.note));
    let hashes = proof.into_inner().hashes.into_iter();
    let hashes: Vec<[u8; 32]> = hashes
        .map(|hash| hash.try_into().expect("a hash"))
        .collect();
    let judged = chassis::tlog::examine(&older.expect("one"), &newer.expect("two"), &hashes);
    assert_eq!(judged, Ok(()));
    for (size, claim, fields) in [
        (-1, Some(Claim::Index(0)), vec!["size COUNT"]),
        (1, Some(Claim::Index(-1)), vec!["index COUNT"]),
        (1, None, vec!["request REQUIRED"]),
    ] {
        assert_eq!(wrong(prove(size, claim).await), fields);
    }
    for (size, claim) in [
        (i64::MAX, Claim::Index(0)),
        (1, Claim::Index(1)),
        (1, Claim::From(2)),
    ] {
        let unknown = error(prove(size, Some(claim)).await);
        assert!(matches!(unknown, Error::NotFound { .. }), "{unknown:?}");
    }
    let tile = async |path: &str| {
        let request = GetTileRequest {
            path: path.to_owned(),
        };
        desk.service.get_tile(by(&gateway(), request)).await
    };
    let whole = format!("0/000.p/{}", second.size);
    let hashes = tile(&whole).await.expect("served").into_inner().hashes;
    assert_eq!(hashes.len() as i64, 32 * second.size);
    assert_eq!(wrong(tile("0/000.p/0").await), ["path MALFORMED"]);

    let line = witness()
        .cosign(&second.note, desk.clock.now())
        .expect("cosigned");
    let add = |note: String| AddCosignaturesRequest { note };
    let bad = desk
        .service
        .add_cosignatures(by(&gateway(), add(second.note.clone())))
        .await;
    assert_eq!(wrong(bad), ["note COSIGNATURE"]);
    let note = format!("{}{line}", second.note);
    desk.service
        .add_cosignatures(by(&gateway(), add(note.clone())))
        .await
        .expect("taken in");
    let request = GetCheckpointRequest { size: second.size };
    let cosigned = desk
        .service
        .get_checkpoint(by(&caller(Role::Farmer, VILLAGE), request))
        .await;
    let cosigned = cosigned
        .expect("answered")
        .into_inner()
        .checkpoint
        .expect("a checkpoint");
    assert_eq!(
        (cosigned.note, &*cosigned.witnesses),
        (note.clone(), &["discipline.example/w1".to_owned()][..])
    );
    // Only the gateway brings what comes without an account.
    let denied = desk
        .service
        .add_cosignatures(by(officer(), add(note)))
        .await;
    assert!(matches!(error(denied), Error::PermissionDenied));

    let status = desk
        .service
        .get_evidence_status(by(&gateway(), GetEvidenceStatusRequest {}));
    let status = status.await.expect("answered").into_inner();
    assert_eq!(
        (status.size, status.sealed, status.overdue),
        (second.size, second.size, false)
    );
    assert_eq!(status.limit_seconds, 4 * 3600);
    desk.close().await;
}
