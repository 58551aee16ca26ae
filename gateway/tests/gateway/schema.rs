//! The schema is committed, so that a change of it is seen.

use std::{collections::BTreeMap, fs, path::Path};

use gateway::{Peers, schema};

#[tokio::test]
async fn the_committed_schema_is_the_one_that_is_served() {
    let nobody = |service: &&str| ((*service).to_owned(), "http://127.0.0.1:9".to_owned());
    let urls: BTreeMap<String, String> = ["households", "workflow", "comparison", "measures"]
        .iter()
        .map(nobody)
        .collect();
    let served = schema::build(Peers::connect(&urls, None).expect("URLs"), true).sdl();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    if std::env::var_os("BACKSTOP_UPDATE").is_some() {
        fs::write(&file, &served).expect("written");
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == served,
        "gateway/schema.graphql is not the schema; write it with\n\
         BACKSTOP_UPDATE=1 cargo test -p gateway --test gateway schema"
    );
}
