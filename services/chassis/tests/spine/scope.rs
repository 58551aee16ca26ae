//! Nobody sees or writes outside the scope, and a service's role reaches nothing but its rows.

use std::collections::BTreeSet;

use chassis::{
    pg,
    testing::{caller, new_id},
};
use kernel::{DivisionCode, Role};
use sqlx::{AssertSqlSafe, Executor, migrate::Migrator};

use crate::{COUNTY, VILLAGE, done, fresh, item, make, make_one, number, read_all};

const EVERYTHING: &str =
    "select (select count(*) from spine.things) + (select count(*) from spine.feed)";

#[tokio::test]
async fn without_a_scope_there_is_nothing() {
    let (test, database, officer) = fresh().await;
    make_one(&database, &officer, VILLAGE).await;
    let mut owner = test.owner().await;
    assert_eq!(number(&mut owner, EVERYTHING).await, 2, "it is there");
    owner
        .execute("set role backstop_spine")
        .await
        .expect("a role");
    assert_eq!(number(&mut owner, EVERYTHING).await, 0, "never set");
    let scoped = "begin; select set_config('app.scope', '999999', true), \
                                set_config('app.department', '', true)";
    owner.execute(scoped).await.expect("set");
    assert_eq!(number(&mut owner, EVERYTHING).await, 2, "set");
    owner.execute("commit").await.expect("ended");
    assert_eq!(number(&mut owner, EVERYTHING).await, 0, "set and ended");
    let wild = "select set_config('app.scope', '%', false)";
    owner.execute(wild).await.expect("set");
    assert_eq!(number(&mut owner, EVERYTHING).await, 0, "no pattern");
    done(test, [database]).await;
}

#[tokio::test]
async fn every_level_sees_what_it_contains() {
    let (test, database, officer) = fresh().await;
    let divisions = [
        "999999000000",
        "999999001000",
        "999999001001",
        "999999001002",
        "999999002000",
        "999999002001",
    ];
    for division in divisions {
        make_one(&database, &officer, division).await;
    }
    for own in divisions
        .iter()
        .chain(&["999999003000", "999998000000", "999998001001"])
    {
        let scope: DivisionCode = own.parse().expect("a division");
        let seen: BTreeSet<DivisionCode> = read_all(&database, &caller(Role::TownshipOffice, own))
            .await
            .iter()
            .map(|stored| stored.division)
            .collect();
        let all = divisions
            .iter()
            .map(|text| text.parse().expect("a division"));
        let expected: BTreeSet<DivisionCode> = all.filter(|code| scope.contains(code)).collect();
        assert_eq!(seen, expected, "{own}");
    }
    done(test, [database]).await;
}

#[tokio::test]
async fn nobody_writes_outside_the_scope() {
    let (test, database, officer) = fresh().await;
    make_one(&database, &officer, VILLAGE).await;
    let stranger = caller(Role::TownshipOffice, "999999002000");
    assert!(read_all(&database, &stranger).await.is_empty());

    let mut tx = database.begin(&stranger).await.expect("a transaction");
    assert!(
        make(&mut tx, VILLAGE).await.is_err(),
        "a row outside the scope"
    );
    drop(tx);
    let mut tx = database.begin(&stranger).await.expect("a transaction");
    tx.publish(item(new_id(), VILLAGE));
    assert!(tx.commit().await.is_err(), "an item outside the scope");
    let mut tx = database.begin(&stranger).await.expect("a transaction");
    let changed = sqlx::query("update spine.things set seen = 9")
        .execute(&mut *tx)
        .await;
    assert_eq!(
        changed.expect("ran").rows_affected(),
        0,
        "rows that are not seen"
    );
    drop(tx);
    // Not even one's own row may be moved out of the scope.
    let own = make_one(&database, &stranger, "999999002001").await;
    let mut tx = database.begin(&stranger).await.expect("a transaction");
    let moved = sqlx::query("update spine.things set division_code = $1 where id = $2")
        .bind(VILLAGE)
        .bind(own)
        .execute(&mut *tx)
        .await;
    assert!(moved.is_err());
    drop(tx);
    let mut tx = database.read(&officer).await.expect("a transaction");
    assert!(
        make(&mut tx, VILLAGE).await.is_err(),
        "a reader does not write"
    );
    drop(tx);

    let items = read_all(&database, &officer).await;
    let positions: Vec<i64> = items.iter().map(|stored| stored.position).collect();
    assert_eq!(positions, [1, 2], "what was refused used up no position");
    done(test, [database]).await;
}

#[tokio::test]
async fn a_liaison_sees_its_department_only() {
    let (test, database, officer) = fresh().await;
    let liaison = caller(Role::DepartmentLiaison, COUNTY);
    let own = liaison
        .principal
        .scope
        .department
        .clone()
        .expect("a department");
    let foreign = "civil_affairs".parse().expect("a department");
    let mut tx = database.begin(&officer).await.expect("a transaction");
    for department in [None, Some(own.clone()), Some(foreign)] {
        let mut item = item(new_id(), VILLAGE);
        item.department = department;
        tx.publish(item);
    }
    tx.commit().await.expect("committed");
    assert_eq!(read_all(&database, &officer).await.len(), 3);
    let seen = read_all(&database, &liaison).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].department, Some(own));
    // The policy alone, without the same check in Rust.
    let mut tx = database.read(&liaison).await.expect("a transaction");
    assert_eq!(number(&mut tx, "select count(*) from spine.feed").await, 1);
    drop(tx);
    done(test, [database]).await;
}

#[tokio::test]
async fn a_service_reaches_its_own_rows_only_and_not_the_past() {
    let (test, database, officer) = fresh().await;
    make_one(&database, &officer, VILLAGE).await;
    let neighbour = Migrator::DEFAULT;
    let migrated = pg::migrate(&test.config.url, "neighbour", &neighbour).await;
    migrated.expect("migrated");
    let again = pg::migrate(&test.config.url, "neighbour", &neighbour).await;
    again.expect("nothing to do");
    let mut owner = test.owner().await;
    owner
        .execute("set role backstop_spine")
        .await
        .expect("a role");
    owner
        .execute("select set_config('app.scope', '999999', false)")
        .await
        .expect("set");
    for forbidden in [
        "update spine.feed set kind = 'x'",
        "delete from spine.feed",
        "truncate spine.feed",
        "delete from spine.feed_head",
        "insert into spine.feed_head default values",
        "alter table spine.feed disable row level security",
        "drop policy feed_scope on spine.feed",
        "create table spine.own (id bigint)",
        "select * from spine._sqlx_migrations",
        "select * from neighbour.feed",
        "select * from neighbour.feed_head",
        "insert into neighbour.cursors values ('x', 'x', 1)",
        "select neighbour.visible('999999001001')",
    ] {
        let refused = owner
            .execute(AssertSqlSafe(forbidden))
            .await
            .expect_err(forbidden);
        let code = refused.as_database_error().and_then(|error| error.code());
        assert_eq!(code.as_deref(), Some("42501"), "{forbidden}: {refused}");
    }
    done(test, [database]).await;
}
