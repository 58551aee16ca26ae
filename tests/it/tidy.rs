//! The invariants of ARCHITECTURE.md that the compiler does not see, and the habits of the tree.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const SERVICES: [&str; 4] = ["households", "comparison", "measures", "workflow"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the root")
        .to_owned()
}

/// Files of the tree with these endings, by path from the root.
fn files(endings: &[&str]) -> BTreeMap<String, String> {
    fn walk(folder: &Path, visit: &mut impl FnMut(&Path)) {
        for entry in fs::read_dir(folder).expect("readable").flatten() {
            let name = entry.file_name();
            let hidden = [".git", "target", "data", "node_modules"]
                .iter()
                .any(|skip| name == *skip);
            if entry.path().is_dir() && !hidden {
                walk(&entry.path(), visit);
            } else if !hidden {
                visit(&entry.path());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&root(), &mut |path| {
        let name = path
            .strip_prefix(root())
            .expect("inside")
            .display()
            .to_string();
        if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = fs::read(path).expect("readable");
            found.insert(name, String::from_utf8_lossy(&text).into_owned());
        }
    });
    found
}

/// Direct dependencies of each of our crates; those of tests only are left out unless asked for.
fn dependencies(with_dev: bool) -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let wanted = |dependency: &&Value| with_dev || dependency["kind"] != "dev";
            let all = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter();
            let names = all.filter(wanted).filter_map(|dep| dep["name"].as_str());
            let name = package["name"].as_str().expect("a name");
            (name.to_owned(), names.map(str::to_owned).collect())
        })
        .collect()
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn cores_are_pure() {
    // Runtime, sockets, files, formats, wire: whatever would let the world in.
    const IMPURE: [&str; 18] = [
        "anyhow",
        "axum",
        "bytes",
        "chassis",
        "config",
        "futures",
        "http",
        "object_store",
        "prost",
        "proto",
        "rand",
        "redis",
        "reqwest",
        "sqlx",
        "tokio",
        "tonic",
        "tracing",
        "tracing-subscriber",
    ];
    let mut found = Vec::new();
    for (name, uses) in dependencies(false) {
        if name == "kernel" || name.ends_with("-core") {
            let bad = uses.iter().filter(|dep| IMPURE.contains(&dep.as_str()));
            found.extend(bad.map(|dep| format!("{name} uses {dep}")));
        }
    }
    assert_none("a core does I/O", &found);
}

#[test]
fn services_meet_only_in_proto() {
    let dependencies = dependencies(true);
    let mut found = Vec::new();
    for own in SERVICES {
        for crate_name in [own.to_owned(), format!("{own}-core")] {
            let uses = dependencies
                .get(&crate_name)
                .unwrap_or_else(|| panic!("no {crate_name}"));
            for other in SERVICES.iter().filter(|other| **other != own) {
                for bad in [(*other).to_owned(), format!("{other}-core")] {
                    if uses.contains(&bad) {
                        found.push(format!("{crate_name} uses {bad}"));
                    }
                }
            }
            for bad in ["backstop", "gateway", "demo"] {
                if uses.contains(bad) {
                    found.push(format!("{crate_name} uses {bad}"));
                }
            }
        }
    }
    assert_none("a service knows more than the contracts", &found);
}

#[test]
fn libraries_stay_where_they_belong() {
    let allowed: [(&str, &[&str]); 7] = [
        (
            "sqlx",
            &[
                "chassis",
                "households",
                "workflow",
                "comparison",
                "measures",
                "backstop",
                "tests",
                "bench",
            ],
        ),
        ("redis", &["comparison"]),
        ("async-graphql", &["gateway"]),
        ("async-graphql-axum", &["gateway"]),
        ("pglite-oxide", &["backstop"]),
        ("parquet", &["comparison-columnar", "comparison"]),
        ("arrow-ipc", &["comparison-columnar", "comparison"]),
    ];
    let deny = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let mut found = Vec::new();
    for (library, homes) in allowed {
        for (name, uses) in dependencies(true) {
            if uses.contains(library) && !homes.contains(&name.as_str()) {
                found.push(format!("{name} uses {library}"));
            }
        }
        if library != "async-graphql-axum" && !deny.contains(&format!("crate = \"{library}\"")) {
            found.push(format!("deny.toml does not know {library}"));
        }
    }
    assert_none("a library is out of its place", &found);
}

#[test]
fn no_service_knows_the_launcher() {
    let mut found = Vec::new();
    for (name, text) in files(&[".rs", ".toml", ".sql", ".proto"]) {
        let knows = ["allinone", "all-in-one", "all_in_one", "pglite"];
        let launcher = [
            "services/allinone/",
            "tests/",
            "Cargo.toml",
            "Cargo.lock",
            "deny.toml",
        ];
        let inside = launcher.iter().any(|place| name.starts_with(place));
        if !inside && knows.iter().any(|word| text.contains(word)) {
            found.push(name);
        }
    }
    assert_none("something knows that it may run in one process", &found);
}

#[test]
fn the_embedded_database_still_builds() {
    // 0.702.1 of its network layer does not compile.
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    assert!(lock.contains("name = \"virtual-net\"\nversion = \"0.702.0-alpha.3\""));
}

#[test]
fn the_root_holds_what_it_should() {
    const KNOWN: [&str; 26] = [
        ".cargo",
        ".ci",
        ".dockerignore",
        ".git",
        ".github",
        ".gitignore",
        ".sqlx",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "Dockerfile",
        "LICENSE",
        "README.md",
        "buf.yaml",
        "clippy.toml",
        "compose",
        "deny.toml",
        "docker-compose.yml",
        "docs",
        "gateway",
        "k8s",
        "proto",
        "rust-toolchain.toml",
        "rustfmt.toml",
    ];
    const BUILT: [&str; 4] = ["services", "tests", "target", "data"];
    let entries = fs::read_dir(root()).expect("readable").flatten();
    let unknown: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !KNOWN.contains(&name.as_str()) && !BUILT.contains(&name.as_str()))
        .collect();
    assert_none("unknown entries in the root", &unknown);
}

#[test]
fn every_service_has_its_contract_and_every_rpc_its_file() {
    let mut found = Vec::new();
    for service in SERVICES {
        let contract = format!("proto/backstop/{service}/v1/{service}.proto");
        let text = fs::read_to_string(root().join(&contract)).expect("a contract");
        let server = root().join("services").join(service).join("server/src");
        let access = fs::read_to_string(server.join("access.rs")).unwrap_or_default();
        for rpc in rpcs(&text) {
            let file = format!("rpc/{}.rs", snake_case(rpc));
            if !server.join(&file).exists() {
                found.push(format!("{service}: {rpc} has no {file}"));
            }
            if !access.contains(&format!("\"{rpc}\"")) {
                found.push(format!("{service}: {rpc} is not in access.rs"));
            }
        }
        let main = fs::read_to_string(server.join("main.rs")).unwrap_or_default();
        if main.is_empty() || main.lines().count() > 20 {
            found.push(format!(
                "{service}: main.rs has {} lines",
                main.lines().count()
            ));
        }
    }
    let packages = fs::read_dir(root().join("proto/backstop"))
        .expect("readable")
        .flatten();
    for package in packages.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        if !SERVICES.contains(&package.as_str())
            && !["access", "feed", "type"].contains(&package.as_str())
        {
            found.push(format!("proto/backstop/{package} has no service"));
        }
    }
    assert_none("contracts and servers differ", &found);
}

fn rpcs(proto: &str) -> impl Iterator<Item = &str> {
    let lines = proto
        .lines()
        .filter_map(|line| line.trim().strip_prefix("rpc "));
    lines
        .filter_map(|line| line.split_once('('))
        .map(|(name, _)| name)
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[test]
fn a_service_touches_only_its_own_schema() {
    let mut found = Vec::new();
    for (name, text) in files(&[".rs", ".sql"]) {
        let Some(own) = own_service(&name) else {
            continue;
        };
        let text = text.to_lowercase();
        for other in SERVICES.into_iter().filter(|other| *other != own) {
            for verb in [
                "from",
                "join",
                "into",
                "update",
                "references",
                "table",
                "on",
            ] {
                if text.contains(&format!("{verb} {other}.")) {
                    found.push(format!("{name}: {verb} {other}.…"));
                }
            }
        }
    }
    assert_none("a service reaches into another's schema", &found);
}

#[test]
fn names_in_migrations_are_schema_qualified() {
    let mut found = Vec::new();
    for (name, text) in files(&[".sql"]) {
        let Some(own) = own_service(&name) else {
            continue;
        };
        for table in text.to_lowercase().split("create table ").skip(1) {
            let table = table.trim_start_matches("if not exists ");
            let table = table.split_whitespace().next().unwrap_or_default();
            if !table.starts_with(&format!("{own}.")) {
                found.push(format!("{name}: {table}"));
            }
        }
    }
    assert_none("a table without its schema", &found);
}

/// Statements of SQL in small letters, without comments.
fn statements(sql: &str) -> Vec<String> {
    let lines = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or(line));
    let text = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let statements = text.split(';').map(|one| {
        let words: Vec<&str> = one.split_whitespace().collect();
        words.join(" ")
    });
    statements.collect()
}

/// What a statement takes from programs that were there before it, if anything.
fn takes_away(statement: &str) -> Option<&'static str> {
    const TAKES: [&str; 8] = [
        "drop table",
        "drop column",
        "drop schema",
        "drop view",
        "drop function",
        " rename ",
        " set not null",
        " set data type",
    ];
    let adds = statement.split("add column").skip(1);
    let mut adds = adds.map(|column| column.split(',').next().unwrap_or(column));
    if statement.starts_with("alter table")
        && adds.any(|column| column.contains("not null") && !column.contains("default"))
    {
        return Some("a new column that old programs leave empty");
    }
    TAKES.into_iter().find(|what| statement.contains(what))
}

#[test]
fn migrations_expand_first_and_contract_by_name() {
    assert_eq!(
        takes_away("alter table a.b drop column c"),
        Some("drop column")
    );
    assert_eq!(
        takes_away("alter table a.b add column c int not null default 0"),
        None
    );
    assert!(takes_away("alter table a.b add column c int not null, add column d int").is_some());
    let mut found = Vec::new();
    let mut looked_at = 0;
    for (name, text) in files(&[".sql"]) {
        let Some((folder, file)) = name.split_once("/migrations/") else {
            continue;
        };
        looked_at += 1;
        let number = |file: &str| file.split('_').next().and_then(|n| n.parse::<i64>().ok());
        let own = number(file).unwrap_or_default();
        let contract = chassis::pg::contract(&text);
        let taken: Vec<&str> = statements(&text)
            .iter()
            .filter_map(|one| takes_away(one))
            .collect();
        match (contract, taken.is_empty()) {
            (None, false) => found.push(format!("{name}: {}", taken.join(", "))),
            (Some(_), true) => found.push(format!("{name}: takes nothing away, and says it does")),
            // By the release that brings it, a program that does without has to be out already.
            (Some(since), false) if since >= own => {
                found.push(format!(
                    "{name}: since {since}, which is no earlier migration"
                ));
            }
            (Some(since), false) => {
                let folder = root().join(folder).join("migrations");
                let known = fs::read_dir(folder).expect("readable").flatten();
                let mut known = known.filter_map(|one| number(&one.file_name().to_string_lossy()));
                if !known.any(|one| one == since) {
                    found.push(format!("{name}: there is no migration {since}"));
                }
            }
            (None, true) => {}
        }
    }
    assert!(looked_at >= 14, "{looked_at} migrations");
    assert_none("a migration breaks the programs that run beside it", &found);
}

/// The service whose server a file belongs to.
fn own_service(file: &str) -> Option<&'static str> {
    SERVICES
        .into_iter()
        .find(|own| file.starts_with(&format!("services/{own}/server/")))
}

#[test]
fn rust_files_keep_the_house_rules() {
    let mut found = Vec::new();
    for (name, text) in files(&[".rs"]) {
        let stem = Path::new(&name)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        if stem.chars().any(|letter| {
            !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
        }) {
            found.push(format!("{name}: not snake_case"));
        }
        if [
            "utils", "util", "common", "manager", "helpers", "helper", "misc",
        ]
        .contains(&stem)
        {
            found.push(format!("{name}: says nothing"));
        }
        // This file names what it forbids; a build script speaks to cargo; generated code is included
        // in proto, whose lints nobody can fulfil by hand.
        if ["tests/it/tidy.rs", "proto/build.rs", "proto/src/lib.rs"].contains(&name.as_str()) {
            continue;
        }
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//!") {
            found.push(format!("{name}: does not say what it is for"));
        }
        for banned in [
            "#[allow(",
            "#![allow(",
            "todo!(",
            "unimplemented!(",
            "dbg!(",
            "#[ignore",
        ] {
            if text.contains(banned) {
                found.push(format!("{name}: {banned}"));
            }
        }
        let may_print = ["services/allinone/", "tests/", "services/demo/"];
        let prints =
            text.contains(" println!(") && !may_print.iter().any(|place| name.starts_with(place));
        let is_program = name.contains("/bin/") || name.contains("/benches/");
        if prints && !text.contains("#[cfg(test)]") && !is_program {
            found.push(format!("{name}: prints"));
        }
    }
    assert_none("house rules", &found);
}

#[test]
fn the_text_speaks_of_the_project_alone() {
    // In parts, so that this file does not find itself.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["Chat", "GPT"],
        ["as an ", "AI"],
        ["/wo", "rk/"],
        ["/tmp/", "spec"],
        ["lo", "rem ipsum"],
        ["place", "holder for"],
    ]
    .map(|parts| parts.concat());
    let endings = [
        ".rs", ".md", ".toml", ".proto", ".sql", ".sh", ".graphql", ".yaml", ".yml", "/run",
    ];
    let mut found = Vec::new();
    for (name, text) in files(&endings) {
        let words = words.iter().filter(|word| text.contains(word.as_str()));
        found.extend(words.map(|word| format!("{name}: {word}")));
    }
    assert_none("words that do not belong here", &found);
}

#[test]
fn test_people_have_pseudo_id_numbers() {
    let mut found = Vec::new();
    for (name, text) in files(&[".rs", ".md", ".csv", ".sql", ".graphql"]) {
        // The standard's own examples, and what is wrong with them.
        if name == "services/kernel/src/id_number.rs" {
            continue;
        }
        // Runs of 18 characters that look like an ID number of a real division.
        for (index, line) in text.lines().enumerate() {
            let runs = line.split(|letter: char| !letter.is_ascii_alphanumeric());
            for run in runs.filter(|run| run.len() == 18) {
                let digits = run.as_bytes()[..17].iter().all(u8::is_ascii_digit);
                let date = digits && matches!(&run[6..8], "19" | "20");
                if date && !run.starts_with("999999") {
                    found.push(format!("{name}:{}", index + 1));
                }
            }
        }
    }
    assert_none("an ID number that might be somebody's", &found);
}

#[test]
fn every_error_has_its_page() {
    let reasons = ["services/chassis/src/error.rs", "gateway/src/problem.rs"].map(|file| {
        let source = fs::read_to_string(root().join(file)).expect(file);
        let texts = source.split("=> \"").skip(1);
        texts
            .filter_map(|rest| rest.split_once('"').map(|(reason, _)| reason.to_owned()))
            .collect::<Vec<_>>()
    });
    let named = |reason: &String| {
        let code = |letter: char| letter.is_ascii_uppercase() || letter == '_';
        !reason.is_empty() && reason.chars().all(code)
    };
    let missing: Vec<String> = reasons
        .concat()
        .into_iter()
        .filter(named)
        .filter(|reason| !root().join(format!("docs/errors/{reason}.md")).exists())
        .collect();
    assert_none("errors without a page in docs/errors", &missing);
}

#[test]
fn fields_of_the_contracts_are_explained() {
    let mut found = Vec::new();
    for (name, text) in files(&[".proto"]) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let explained = index > 0 && lines[index - 1].starts_with("//");
            if (line.starts_with("rpc ") || line.starts_with("service ")) && !explained {
                found.push(format!("{name}:{}: {line}", index + 1));
            }
        }
    }
    assert_none("a contract does not explain itself", &found);
}
