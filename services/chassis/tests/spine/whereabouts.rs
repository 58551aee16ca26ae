//! What has left a village is seen where it lies and nowhere else, whatever its records say.

use chassis::{
    access_log::AccessLog,
    pg::Database,
    testing::{caller, new_id},
    whereabouts::{self, Departure, Merge},
};
use kernel::Role;
use proptest::prelude::*;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::{COUNTY, VILLAGE, done, fresh, item, number, read_all};

const OTHER: &str = "999999001002";
const FAR: &str = "999999002001";

fn left(subject: Uuid, from: &str, into: &str) -> Departure {
    Departure {
        subject,
        from: from.parse().expect("a division"),
        into: into.parse().expect("a division"),
    }
}

async fn depart(database: &Database, left: &[Departure]) {
    let county = COUNTY.parse().expect("a division");
    let mut tx = database.begin_internal(county).await.expect("begun");
    whereabouts::depart(&mut tx, left).await.expect("written");
    tx.commit().await.expect("committed");
}

async fn merge(database: &Database, from: &str, into: &str) {
    let county = COUNTY.parse().expect("a division");
    let mut tx = database.begin_internal(county).await.expect("begun");
    let merge = Merge {
        from: from.parse().expect("a division"),
        into: into.parse().expect("a division"),
        merged_on: tx.today(),
        merged_by: "admin".to_owned(),
    };
    whereabouts::note(&mut tx, &merge).await.expect("noted");
    tx.commit().await.expect("committed");
}

async fn tell(database: &Database, subject: Uuid, division: &str) {
    let county = COUNTY.parse().expect("a division");
    let mut tx = database.begin_internal(county).await.expect("begun");
    tx.publish(item(subject, division));
    tx.commit().await.expect("committed");
}

/// How many items about a subject a division sees, each with where it lies today.
async fn seen(database: &Database, division: &str, subject: Uuid) -> Vec<String> {
    let all = read_all(database, &caller(Role::VillageCadre, division)).await;
    let about = all.into_iter().filter(|item| item.subject == subject);
    about
        .map(|item| match item.lies_in {
            Some(today) => format!("{} {today}", item.division),
            None => item.division.to_string(),
        })
        .collect()
}

#[tokio::test]
async fn reg12_records_are_seen_where_what_they_are_about_lies() {
    let (test, database, officer) = fresh().await;
    let (gone, stays) = (new_id(), new_id());
    tell(&database, gone, VILLAGE).await;
    tell(&database, stays, VILLAGE).await;
    let log = AccessLog::new(database.clone(), "null");
    let shown = vec![(gone.to_string(), VILLAGE.to_owned())];
    let recorded = log.record(&officer, "ListHouseholds", shown).await;
    recorded.expect("recorded");
    depart(&database, &[left(gone, VILLAGE, FAR)]).await;
    tell(&database, gone, FAR).await;
    let records = [format!("{VILLAGE} {FAR}"), FAR.to_owned()];
    assert_eq!(seen(&database, FAR, gone).await, records);
    assert_eq!(seen(&database, COUNTY, gone).await, records);
    for own in [VILLAGE, OTHER, "999999001000"] {
        assert!(seen(&database, own, gone).await.is_empty(), "{own}");
    }
    assert_eq!(seen(&database, VILLAGE, stays).await, [VILLAGE]);
    assert!(seen(&database, FAR, stays).await.is_empty());
    let looked = "select count(*) from spine.access_of";
    let mut owner = test.owner().await;
    for (scope, count) in [("999999001", 0), ("999999002", 1), ("999999", 1)] {
        let set = format!(
            "set role backstop_spine; select set_config('app.scope', '{scope}', false), \
             set_config('app.department', '', false)"
        );
        let set = sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut owner).await;
        set.expect("set");
        assert_eq!(number(&mut owner, looked).await, count, "{scope}");
    }
    drop(owner);

    // Back, and away again with the village.
    depart(&database, &[left(gone, FAR, VILLAGE)]).await;
    let records = [VILLAGE.to_owned(), format!("{FAR} {VILLAGE}")];
    assert_eq!(seen(&database, VILLAGE, gone).await, records);
    assert!(seen(&database, FAR, gone).await.is_empty());
    merge(&database, VILLAGE, OTHER).await;
    let records = [format!("{VILLAGE} {OTHER}"), format!("{FAR} {OTHER}")];
    assert_eq!(seen(&database, OTHER, gone).await, records);
    merge(&database, OTHER, FAR).await;
    assert_eq!(seen(&database, FAR, gone).await.len(), 2);
    assert_eq!(
        seen(&database, FAR, stays).await,
        [format!("{VILLAGE} {FAR}")]
    );
    assert!(seen(&database, OTHER, gone).await.is_empty());
    done(test, [database]).await;
}

/// Moves of one subject and merges of villages, by numbers of villages.
#[derive(Debug, Clone)]
enum Step {
    Moves(usize),
    Merges(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4usize).prop_map(Step::Moves),
        1 => (0..4usize, 0..4usize).prop_map(|(from, into)| Step::Merges(from, into)),
    ]
}

/// Villages of four townships.
fn village(number: usize) -> String {
    format!("99999900{}001", number + 1)
}

#[test]
fn reg12_after_any_moves_and_merges_one_village_sees_everything_and_no_other_anything() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let config = ProptestConfig {
        cases: 12,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..8))| {
        let told: Result<(), TestCaseError> = runtime.block_on(async {
            let (test, database, _) = fresh().await;
            let subject = new_id();
            let mut place = 0;
            let mut ended = [false; 4];
            tell(&database, subject, &village(place)).await;
            let mut told = 1;
            for step in steps {
                match step {
                    Step::Moves(into) if into != place && !ended[into] => {
                        let one = left(subject, &village(place), &village(into));
                        // The same twice is one.
                        depart(&database, &[one]).await;
                        depart(&database, &[one]).await;
                        place = into;
                        tell(&database, subject, &village(place)).await;
                        told += 1;
                    }
                    Step::Merges(from, into) if from != into && !ended[from] && !ended[into] => {
                        merge(&database, &village(from), &village(into)).await;
                        ended[from] = true;
                        if place == from {
                            place = into;
                        }
                    }
                    Step::Moves(_) | Step::Merges(..) => {}
                }
            }
            for (number, ended) in ended.into_iter().enumerate() {
                let found = seen(&database, &village(number), subject).await.len();
                let expected = if number == place { told } else { 0 };
                // Nobody is left in a village that was merged.
                prop_assert!(found == expected || ended, "village {number}: {found}");
            }
            done(test, [database]).await;
            Ok(())
        });
        told?;
    });
}
