//! The record of who called what: whole, in few commits, seen in scope, and not to be bent (SEC-2).

use std::time::Duration;

use chassis::{
    access_log::{self, AccessLog, Shown},
    access_server::AccessServer,
    error::Error,
    testing::{caller, new_id},
};
use kernel::Role;
use proto::access::v1::{ListAccessRequest, access_service_server::AccessService};
use sqlx::{AssertSqlSafe, Executor};
use tonic::Request;
use uuid::Uuid;

use crate::{COUNTY, VILLAGE, done, fresh, number};

fn of(household: Uuid, division: &str) -> Shown {
    (household.to_string(), division.to_owned())
}

async fn list(
    database: &chassis::pg::Database,
    role: Role,
    division: &str,
    request: ListAccessRequest,
) -> Result<Vec<proto::access::v1::AccessEntry>, tonic::Status> {
    let mut request = Request::new(request);
    request.extensions_mut().insert(caller(role, division));
    let server = AccessServer::new(database.clone());
    let listed = server.list_access(request).await;
    listed.map(|listed| listed.into_inner().entries)
}

fn about(household: Uuid) -> ListAccessRequest {
    ListAccessRequest {
        household_id: household.to_string(),
        ..ListAccessRequest::default()
    }
}

#[tokio::test]
async fn sec2_everybody_who_looked_is_listed_and_nobody_else_is_told() {
    let (test, database, officer) = fresh().await;
    let log = AccessLog::new(database.clone(), "null");
    let (one, other) = (new_id(), new_id());
    let page = vec![
        of(one, VILLAGE),
        of(other, "999999001002"),
        of(one, VILLAGE),
    ];
    log.record(&officer, "ListHouseholds", page)
        .await
        .expect("recorded");
    let cadre = caller(Role::VillageCadre, VILLAGE);
    let own = vec![of(one, VILLAGE)];
    log.record(&cadre, "PutMember", own.clone())
        .await
        .expect("recorded");
    // Services see on somebody's behalf, and an empty page shows nobody.
    let service = caller(Role::Service, COUNTY);
    log.record(&service, "GetCaseFacts", own)
        .await
        .expect("ignored");
    log.record(&cadre, "ListHouseholds", Vec::new())
        .await
        .expect("ignored");

    let auditor = Role::Auditor;
    let seen = list(&database, auditor, COUNTY, about(one))
        .await
        .expect("listed");
    let told: Vec<_> = seen
        .iter()
        .map(|e| (e.rpc.as_str(), e.changes, e.role.as_str(), e.households))
        .collect();
    assert_eq!(
        told,
        [
            ("PutMember", true, "VILLAGE_CADRE", 1),
            ("ListHouseholds", false, "COUNTY_OFFICER", 2)
        ]
    );
    assert_eq!(seen[0].account, cadre.principal.subject);
    // The scope is the household's: who looked from the county is seen in the village, too.
    let village = list(&database, Role::DisciplineInspection, VILLAGE, about(one)).await;
    assert_eq!(village.expect("listed").len(), 2);
    let far = list(&database, auditor, "999999002000", about(one)).await;
    assert!(far.expect("listed").is_empty());
    for role in [Role::VillageCadre, Role::CountyApprover, Role::SystemAdmin] {
        let denied = list(&database, role, COUNTY, about(one)).await;
        assert_eq!(
            denied.expect_err("denied").code(),
            tonic::Code::PermissionDenied
        );
    }
    // Page by page.
    let first = ListAccessRequest {
        page_size: 1,
        ..about(one)
    };
    let newest = list(&database, auditor, COUNTY, first.clone())
        .await
        .expect("listed");
    let next = ListAccessRequest {
        before: newest[0].place.clone(),
        ..first
    };
    let older = list(&database, auditor, COUNTY, next.clone())
        .await
        .expect("listed");
    assert_eq!(older[0].rpc, "ListHouseholds");
    let last = ListAccessRequest {
        before: older[0].place.clone(),
        ..next
    };
    assert!(
        list(&database, auditor, COUNTY, last)
            .await
            .expect("listed")
            .is_empty()
    );
    done(test, [database]).await;
}

#[tokio::test]
async fn sec2_many_who_call_at_once_share_commits_and_each_is_on_the_record() {
    let (test, database, officer) = fresh().await;
    let log = AccessLog::new(database.clone(), "null");
    let household = new_id();
    let mut owner = test.owner().await;
    // Beginnings of versions: each transaction that writes has one.
    let commits = "select count(distinct xmin::text) from spine.access";
    let calls = (0..1_200).map(|_| {
        let page = vec![of(household, VILLAGE)];
        log.record(&officer, "BatchListMembers", page)
    });
    for recorded in futures::future::join_all(calls).await {
        recorded.expect("recorded");
    }
    let all = "select count(*) from spine.access_of";
    assert_eq!(number(&mut owner, all).await, 1_200);
    let commits = number(&mut owner, commits).await;
    assert!(commits <= 6, "{commits} commits for 1200 calls");
    // Somebody who gives up in the middle takes nobody along.
    let impatient = tokio::time::timeout(Duration::ZERO, async {
        let page = vec![of(household, VILLAGE)];
        log.record(&officer, "BatchListMembers", page).await
    });
    let patient = log.record(&officer, "ListIncome", vec![of(household, VILLAGE)]);
    let (_, patient) = tokio::join!(impatient, patient);
    patient.expect("recorded");
    done(test, [database]).await;
}

#[tokio::test]
async fn sec2_whoever_is_not_asked_to_go_on_holds_up_nobody() {
    let (test, database, officer) = fresh().await;
    let log = AccessLog::new(database.clone(), "null");
    let mut owner = test.owner().await;
    owner
        .execute("begin; lock table spine.access in exclusive mode")
        .await
        .expect("locked");
    // A stream whose reader is slow: it has begun to write for all, and is asked no more.
    let mut slow = std::pin::pin!(log.record(&officer, "Slow", vec![of(new_id(), VILLAGE)]));
    for _ in 0..20 {
        let begun = tokio::time::timeout(Duration::from_millis(10), &mut slow);
        begun.await.expect_err("it waits for the table");
    }
    owner.execute("commit").await.expect("free");
    let page = vec![of(new_id(), VILLAGE)];
    let other = log.record(&officer, "ListIncome", page);
    let other = tokio::time::timeout(Duration::from_secs(1), other).await;
    other.expect("in time").expect("recorded");
    slow.await.expect("recorded");
    let all = number(&mut owner, "select count(*) from spine.access").await;
    assert_eq!(all, 2);
    done(test, [database]).await;
}

#[tokio::test]
async fn sec2_no_record_no_answer() {
    let (test, database, officer) = fresh().await;
    let log = AccessLog::new(database.clone(), "null");
    let mut owner = test.owner().await;
    owner
        .execute("alter table spine.access rename to elsewhere")
        .await
        .expect("renamed");
    let page = vec![of(new_id(), VILLAGE)];
    let refused = log.record(&officer, "ListIncome", page.clone()).await;
    assert!(
        matches!(refused, Err(Error::Unavailable { .. })),
        "{refused:?}"
    );
    owner
        .execute("alter table spine.elsewhere rename to access")
        .await
        .expect("renamed");
    log.record(&officer, "ListIncome", page)
        .await
        .expect("recorded");
    done(test, [database]).await;
}

#[tokio::test]
async fn sec2_a_record_that_is_sealed_cannot_be_bent() {
    let (test, database, officer) = fresh().await;
    let log = AccessLog::new(database.clone(), "null");
    let county = COUNTY.parse().expect("a division");
    let household = new_id();
    for _ in 0..3 {
        let page = vec![of(household, VILLAGE), of(new_id(), VILLAGE)];
        log.record(&officer, "BatchListMembers", page)
            .await
            .expect("recorded");
    }
    assert_eq!(log.seal(county).await.expect("sealed"), 3);
    assert_eq!(log.seal(county).await.expect("nothing"), 0);
    let mut owner = test.owner().await;
    let found = access_log::verify(&mut owner, "spine").await;
    assert_eq!(found.expect("verified"), None);
    // The service itself may neither change nor delete what is there.
    for bent in [
        "update spine.access set account = 'x'",
        "delete from spine.access",
        "update spine.access_of set household_id = gen_random_uuid()",
        "delete from spine.access_of",
    ] {
        owner
            .execute("set role backstop_spine")
            .await
            .expect("a role");
        let denied = owner.execute(AssertSqlSafe(bent)).await;
        assert!(denied.is_err(), "{bent}");
        owner.execute("reset role").await.expect("reset");
    }
    // Whoever owns the database can; it is found.
    for bent in [
        "update spine.access set account = 'x' where id = (select min(id::text)::uuid from spine.access)",
        "delete from spine.access where id = (select max(id::text)::uuid from spine.access)",
        "delete from spine.access_of where access_id = (select min(id::text)::uuid from spine.access)",
        "update spine.access_of set household_id = gen_random_uuid()",
        "update spine.access set called_at = called_at - interval '1 day'",
        "update spine.access set seal = gen_random_uuid()",
    ] {
        owner.execute("begin").await.expect("begun");
        owner.execute(AssertSqlSafe(bent)).await.expect("bent");
        let found = access_log::verify(&mut owner, "spine").await;
        assert!(found.expect("verified").is_some(), "{bent}");
        owner.execute("rollback").await.expect("rolled back");
    }
    done(test, [database]).await;
}
