//! A connection is not asked whether it is there before each use: one that has gone costs its next
//! user an error that says to come back, and no more than that.

use chassis::error::Error;

use crate::{VILLAGE, done, fresh, make_one, number, read_all};

#[tokio::test]
async fn a_server_without_room_is_unavailable_and_not_a_fault_of_ours() {
    let (test, database, _) = crate::fresh().await;
    let mut owner = test.owner().await;
    for code in ["53100", "53300", "58030", "25006"] {
        let raise = format!("do $$ begin raise exception 'told' using errcode = '{code}'; end $$");
        let refused = sqlx::raw_sql(sqlx::AssertSqlSafe(raise))
            .execute(&mut owner)
            .await;
        let error = chassis::error::Error::from(refused.expect_err("raised"));
        assert_eq!(error.reason(), "UNAVAILABLE", "{code}");
    }
    crate::done(test, [database]).await;
}

#[tokio::test]
async fn connections_that_have_gone_are_replaced() {
    let (test, database, officer) = fresh().await;
    make_one(&database, &officer, VILLAGE).await;
    let mut owner = test.owner().await;
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity
               where datname = current_database() and application_name = 'spine'";
    let gone = number(&mut owner, end).await;
    assert!(gone > 0, "the pool keeps connections");
    let mut failed = 0;
    while let Err(error) = database.begin(&officer).await {
        let come_back = matches!(error, Error::Unavailable { what: "database" });
        assert!(come_back, "{error:?}");
        failed += 1;
        assert!(failed <= gone, "each of them fails once");
    }
    assert_eq!(read_all(&database, &officer).await.len(), 1);
    done(test, [database]).await;
}
