//! What operations deploy from is held to the code: the page of all settings, docker-compose.yml and k8s/.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use chassis::config::{Key, Settings, keys};
use serde_yaml::Value;

const SERVICES: [&str; 4] = ["households", "workflow", "comparison", "measures"];
const GRPC: u64 = 50051;
const METRICS: u64 = 9464;
const HTTP: u64 = 8080;

pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the root").to_owned()
}

pub fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

pub fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

fn keys_of(process: &str) -> Vec<Key> {
    match process {
        "households" => keys::<households::Config>(),
        "workflow" => keys::<workflow::Config>(),
        "comparison" => keys::<comparison::Config>(),
        "measures" => keys::<measures::Config>(),
        _ => keys::<gateway::Config>(),
    }
}

/// Says what a process would say to these settings.
fn refusal(process: &str, variables: Vec<(String, String)>) -> Option<String> {
    fn said<T: schemars::JsonSchema + serde::de::DeserializeOwned>(
        variables: Vec<(String, String)>,
    ) -> Option<String> {
        let settings = Settings::read_from::<T>(variables);
        let refused = settings.and_then(|settings| settings.all::<T>()).err();
        refused.map(|error| format!("{error:#}"))
    }
    match process {
        "households" => said::<households::Config>(variables),
        "workflow" => said::<workflow::Config>(variables),
        "comparison" => said::<comparison::Config>(variables),
        "measures" => said::<measures::Config>(variables),
        _ => said::<gateway::Config>(variables),
    }
}

/// The services that a process asks, by its code.
fn peers_in_code(process: &str) -> BTreeSet<String> {
    if process == "gateway" {
        return SERVICES.map(str::to_owned).into();
    }
    let code = read(&format!("services/{process}/server/src/lib.rs"));
    let asked = code.split("peers.channel(\"").skip(1);
    let asked = asked.filter_map(|rest| rest.split_once('"'));
    asked.map(|(peer, _)| peer.to_owned()).collect()
}

fn peers_in(variables: &[(String, String)], scheme: &str) -> BTreeSet<String> {
    let peers = variables.iter().filter_map(|(name, url)| {
        let (_, peer) = name.split_once("PEERS__")?;
        let peer = peer.to_lowercase();
        assert_eq!(*url, format!("{scheme}://{peer}:{GRPC}"), "{name}");
        Some(peer)
    });
    peers.collect()
}

/// What a process is given stands the test of the process itself. Secrets' files are not there, so others
/// are put in their place.
fn check_settings(place: &str, process: &str, scheme: &str, mut given: Vec<(String, String)>) {
    let key = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&key, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").expect("written");
    assert_eq!(
        peers_in(&given, scheme),
        peers_in_code(process),
        "{place}: {process}"
    );
    for (name, value) in &mut given {
        if name.ends_with("_FILE") {
            assert!(
                value.starts_with("/run/secrets/"),
                "{place}: {name}={value}"
            );
            key.path().to_str().expect("UTF-8").clone_into(value);
        }
    }
    if let Some(refused) = refusal(process, given) {
        panic!("{place}: {process} would not start: {refused}");
    }
}

#[test]
fn every_setting_is_documented() {
    let page = root().join("docs/configuration.md");
    let expected = configuration_page();
    if std::env::var_os("BACKSTOP_UPDATE").is_some() {
        fs::write(&page, &expected).expect("written");
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == expected,
        "docs/configuration.md does not say what the code does; write it with\n\
         BACKSTOP_UPDATE=1 cargo test -p tests --test it every_setting_is_documented"
    );
}

fn configuration_page() -> String {
    // What stands above the first table is written by hand.
    let page = read("docs/configuration.md");
    let head = page
        .split_once("\n## Every service\n")
        .map(|(head, _)| head);
    let mut page = head.unwrap_or(&page).to_owned();
    let shared: Vec<Key> = keys_of("measures");
    page += "\n## Every service\n\n";
    page += "Households, workflow, comparison and measures.\n\n";
    page += &table(&shared);
    for process in SERVICES.into_iter().chain(["gateway"]) {
        let own = keys_of(process);
        let own: Vec<Key> = own
            .into_iter()
            .filter(|key| process == "gateway" || !shared.contains(key))
            .collect();
        page += &format!("\n## {process}\n\n");
        let peers: Vec<String> = peers_in_code(process).into_iter().collect();
        page += &format!("Peers: {}.\n", peers.join(", "));
        if !own.is_empty() {
            page += &format!("\n{}", table(&own));
        }
    }
    page + "\n## backstop\n\nThe whole platform in one process has arguments in place of settings; each is a variable \
            as well.\n\n"
        + &arguments()
}

fn arguments() -> String {
    let mut text = "| argument | variable | default | what for |\n|---|---|---|---|\n".to_owned();
    for (variable, argument) in backstop::cli::variables() {
        let name = argument.get_long().expect("a long name");
        let default: Vec<_> = argument.get_default_values().iter().collect();
        let default = match &default[..] {
            [] => String::new(),
            values => values
                .iter()
                .map(|value| format!("`{}`", value.display()))
                .collect(),
        };
        let help = argument.get_help().expect("explained").to_string();
        text += &format!("| `--{name}` | `{variable}` | {default} | {help} |\n");
    }
    text
}

fn table(keys: &[Key]) -> String {
    let mut text = "| key | variable | default | what for |\n|---|---|---|---|\n".to_owned();
    for key in keys {
        assert!(
            !key.description.is_empty(),
            "{} is not explained",
            key.name()
        );
        let default = match (&key.default, key.required) {
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let secret = if key.secret { " **Secret.**" } else { "" };
        let line = format!(
            "| `{}` | `{}` | {default} | {}{secret} |\n",
            key.name(),
            key.variable(),
            key.description
        );
        text += &line;
    }
    text
}

// --- docker-compose.yml

fn compose() -> Value {
    let mut file: Value = serde_yaml::from_str(&read("docker-compose.yml")).expect("YAML");
    // What is merged in merges others itself, two deep; one turn resolves one level.
    for _ in 0..3 {
        file.apply_merge().expect("merged");
    }
    file
}

/// The environment of a service of the compose file, its variables replaced by their defaults.
fn compose_environment(service: &Value) -> Vec<(String, String)> {
    let environment = service["environment"].as_mapping().expect("environment");
    let pairs = environment.iter().map(|(name, value)| {
        let value = value.as_str().expect("a text");
        (name.as_str().expect("a name").to_owned(), defaults(value))
    });
    pairs.collect()
}

/// `${NAME:-default}` as `default`.
fn defaults(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (inside, after) = rest.split_once('}').expect("closed");
    let (_, default) = inside.split_once(":-").expect("a default");
    format!("{before}{default}{}", defaults(after))
}

#[test]
fn compose_gives_every_process_what_it_needs() {
    let file = compose();
    for process in SERVICES.into_iter().chain(["gateway"]) {
        let service = &file["services"][process];
        let given = compose_environment(service);
        let listens: BTreeSet<String> = given
            .iter()
            .filter(|(name, _)| name.ends_with("LISTEN"))
            .map(|(_, address)| address.clone())
            .collect();
        let ports = match process {
            "gateway" => vec![HTTP],
            _ => vec![GRPC, METRICS],
        };
        let expected = ports.iter().map(|port| format!("0.0.0.0:{port}"));
        assert_eq!(listens, expected.collect(), "{process}");
        check_settings("docker-compose.yml", process, "http", given);
        assert_eq!(service["command"][0], process);
        let health: Value =
            serde_yaml::from_str(&format!("[CMD, {process}, health]")).expect("YAML");
        assert_eq!(service["healthcheck"]["test"], health);
        for (name, value) in compose_environment(service) {
            if let Some(secret) = value.strip_prefix("/run/secrets/") {
                let mounted = service["secrets"].as_sequence().expect("secrets");
                assert!(mounted.iter().any(|one| one == secret), "{process}: {name}");
            }
        }
    }
    for process in SERVICES {
        let migration = &file["services"][format!("migrate-{process}")];
        assert_eq!(migration["command"][0], process);
        assert_eq!(migration["command"][1], "migrate");
        let after = &file["services"][process]["depends_on"][format!("migrate-{process}")];
        assert_eq!(after["condition"], "service_completed_successfully");
    }
}

#[test]
fn compose_shows_and_watches_the_ports_of_the_processes() {
    let shown = &compose()["services"]["gateway"]["ports"];
    let shown: Vec<String> = items(shown)
        .map(|port| defaults(port.as_str().expect("a text")))
        .collect();
    assert_eq!(shown, [format!("127.0.0.1:{HTTP}:{HTTP}")]);
    let prometheus: Value = serde_yaml::from_str(&read("compose/prometheus.yml")).expect("YAML");
    let jobs = items(&prometheus["scrape_configs"]).map(|job| {
        let targets = items(&job["static_configs"])
            .flat_map(|of| items(&of["targets"]))
            .map(|target| target.as_str().expect("a text").to_owned());
        let name = job["job_name"].as_str().expect("a name").to_owned();
        (name, targets.collect())
    });
    let jobs: BTreeMap<String, BTreeSet<String>> = jobs.collect();
    let services = SERVICES.map(|service| format!("{service}:{METRICS}"));
    // The alert on a process that is down goes by these names of jobs.
    let expected = [
        ("services".to_owned(), services.into()),
        ("gateway".to_owned(), [format!("gateway:{HTTP}")].into()),
    ];
    assert_eq!(jobs, expected.into());
}

#[test]
fn papers_in_a_bucket_are_another_setting() {
    let over: Value = serde_yaml::from_str(&read("compose/s3.yml")).expect("YAML");
    let workflow = |file: &Value| compose_environment(&file["services"]["workflow"]);
    let given: BTreeMap<String, String> = workflow(&compose())
        .into_iter()
        .chain(workflow(&over))
        .collect();
    let given = given.into_iter().collect();
    check_settings("compose/s3.yml", "workflow", "http", given);
    let server = &over["services"]["s3"];
    assert!(server["ports"].is_null() && server["cap_drop"][0] == "ALL");
    let script = read("compose/secrets.sh");
    for (name, _) in over["secrets"].as_mapping().expect("secrets") {
        let name = name.as_str().expect("a name");
        assert!(script.contains(name), "{name} is not made");
    }

    let file = "k8s/components/evidence-s3/kustomization.yaml";
    let component: Value = serde_yaml::from_str(&read(file)).expect("YAML");
    let patch = component["patches"][0]["patch"].as_str().expect("a patch");
    let patch: Value = serde_yaml::from_str(patch).expect("YAML");
    let mut pod = patch["spec"]["template"]["spec"]["containers"][0].clone();
    let environment = pod["env"].as_sequence_mut().expect("variables");
    let taken_away = environment.remove(0);
    assert_eq!(taken_away["$patch"], "delete");
    let deployment = object("Deployment", "workflow");
    let base = pod_environment(&deployment["spec"]["template"]["spec"]["containers"][0]);
    let base = base
        .into_iter()
        .filter(|(name, _)| taken_away["name"] != name.as_str());
    let given = base.chain(pod_environment(&pod)).collect();
    check_settings(file, "workflow", "http", given);
}

#[test]
fn compose_is_hardened_and_small() {
    let file = compose();
    let mut found = Vec::new();
    let mut limits_mb = 0;
    for (name, service) in file["services"].as_mapping().expect("services") {
        let name = name.as_str().expect("a name");
        let hardened = service["read_only"] == true
            && service["cap_drop"][0] == "ALL"
            && service["security_opt"][0] == "no-new-privileges:true"
            && service["privileged"].is_null()
            && service["cap_add"].is_null();
        if !hardened {
            found.push(format!("{name} is not hardened"));
        }
        for port in service["ports"].as_sequence().into_iter().flatten() {
            if !port
                .as_str()
                .is_some_and(|port| port.starts_with("127.0.0.1:"))
            {
                found.push(format!("{name} is open to others: {port:?}"));
            }
        }
        let limit = service["mem_limit"]
            .as_str()
            .and_then(|text| text.strip_suffix('m'));
        let Some(limit) = limit.and_then(|text| text.parse::<u32>().ok()) else {
            found.push(format!("{name} has no limit of memory"));
            continue;
        };
        // Migrations have ended before what they are for begins.
        if service["profiles"].is_null() && !name.starts_with("migrate-") {
            limits_mb += limit;
        }
    }
    if limits_mb > 1000 {
        found.push(format!("the limits add up to {limits_mb} MB"));
    }
    assert_none("docker-compose.yml", &found);
}

/// What compose/backup.yml needs is what a PostgreSQL of one's own does.
#[test]
fn compose_keeps_the_log_as_documented() {
    let file = compose();
    let given: BTreeSet<String> = items(&file["services"]["postgres"]["command"])
        .filter_map(|word| Some(word.as_str()?.strip_prefix("-c")?.to_owned()))
        .collect();
    let settings = crate::data_safety::documented("archive settings");
    let settings: BTreeSet<String> = settings
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(name, _)| name.starts_with("archive_"))
        .map(|(name, value)| match name {
            // It has a folder only with compose/backup.yml.
            "archive_mode" => format!("{name}=${{BACKSTOP_ARCHIVE:-off}}"),
            _ => format!("{name}={}", value.trim_matches('\'')),
        })
        .collect();
    assert_eq!(settings.len(), 3, "{settings:?}");
    assert!(settings.is_subset(&given), "{settings:?} in {given:?}");
}

#[test]
fn compose_secrets_are_all_made() {
    let script = read("compose/secrets.sh");
    let file = compose();
    let mut found = Vec::new();
    for (name, secret) in file["secrets"].as_mapping().expect("secrets") {
        let name = name.as_str().expect("a name");
        if secret["file"] != format!("./compose/secrets/{name}").as_str() {
            found.push(format!("{name} is elsewhere"));
        }
        // Those of each service are made in a loop over the services.
        let of_one = name
            .split_once('-')
            .filter(|(who, _)| SERVICES.contains(who) || ["migration", "gateway"].contains(who));
        let made = match of_one {
            Some((who, what)) => script.contains(who) && script.contains(&format!("$name-{what}")),
            None => script.contains(name),
        };
        if !made {
            found.push(format!("{name} is not made"));
        }
    }
    assert_none("secrets of docker-compose.yml", &found);
    assert!(read(".gitignore").contains("/compose/secrets\n"));
    assert!(
        read(".dockerignore").contains("\n*\n"),
        "everything is left out but what is named"
    );
}

#[test]
fn the_image_is_built_with_the_projects_compiler() {
    let toolchain = read("rust-toolchain.toml");
    let version = toolchain
        .split_once("channel = \"")
        .and_then(|(_, rest)| rest.split_once('"'));
    let (version, _) = version.expect("a channel");
    for file in ["Dockerfile", "docker-compose.yml"] {
        assert!(
            read(file).contains(&format!("rust:{version}-")),
            "{file} has another compiler"
        );
    }
    let dockerfile = read("Dockerfile");
    for process in SERVICES.into_iter().chain(["gateway"]) {
        assert_eq!(
            dockerfile.matches(&format!("-p {process}")).count(),
            2,
            "{process}"
        );
    }
    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
}

// --- k8s/

/// Every object below `k8s/`, with its file.
pub fn objects() -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    let mut folders = vec![root().join("k8s")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("readable").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let text = fs::read_to_string(entry.path()).expect("readable");
            let file = entry
                .path()
                .strip_prefix(root())
                .expect("inside")
                .display()
                .to_string();
            for document in serde_yaml::Deserializer::from_str(&text) {
                let value: Value = serde::Deserialize::deserialize(document)
                    .unwrap_or_else(|error| panic!("{file}: {error}"));
                objects.push((file.clone(), value));
            }
        }
    }
    objects
}

fn object(kind: &str, name: &str) -> Value {
    let found = objects()
        .into_iter()
        .find(|(_, object)| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}")).1
}

pub fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_sequence().into_iter().flatten()
}

/// Values of the ConfigMap `backstop`, with those that a component needs.
fn config_map() -> BTreeMap<String, String> {
    let files = [
        "k8s/base/kustomization.yaml",
        "k8s/components/evidence-s3/kustomization.yaml",
    ];
    let mut values = BTreeMap::new();
    for file in files {
        let file: Value = serde_yaml::from_str(&read(file)).expect("YAML");
        let literals = items(&file["configMapGenerator"][0]["literals"]);
        let pairs = literals.filter_map(|one| one.as_str()?.split_once('='));
        values.extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
    values
}

fn pod_environment(container: &Value) -> Vec<(String, String)> {
    let values = config_map();
    let pairs = items(&container["env"]).map(|one| {
        let name = one["name"].as_str().expect("a name").to_owned();
        let from = &one["valueFrom"]["configMapKeyRef"];
        let value = match one["value"].as_str() {
            Some(value) => value.to_owned(),
            None => {
                assert_eq!(from["name"], "backstop", "{name}");
                values[from["key"].as_str().expect("a key")].clone()
            }
        };
        (name, value)
    });
    pairs.collect()
}

#[test]
fn the_cluster_gives_every_process_what_it_needs() {
    for process in SERVICES.into_iter().chain(["gateway"]) {
        let deployment = object("Deployment", process);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        check_settings("k8s", process, "http", pod_environment(container));
        assert_eq!(container["command"][0], process);
        let expected = match process {
            "gateway" => vec![HTTP],
            _ => vec![GRPC, METRICS],
        };
        let ports: Vec<u64> = items(&container["ports"])
            .filter_map(|port| port["containerPort"].as_u64())
            .collect();
        assert_eq!(ports, expected, "{process}");
        assert_eq!(
            object("Service", process)["spec"]["ports"][0]["port"],
            expected[0]
        );
        for (name, value) in pod_environment(container) {
            if name.ends_with("LISTEN") {
                let port = value.rsplit(':').next().and_then(|port| port.parse().ok());
                assert!(
                    port.is_some_and(|port| ports.contains(&port)),
                    "{process}: {name}"
                );
            }
        }
        let job = object("Job", "migrate");
        let migrates = items(&job["spec"]["template"]["spec"]["containers"])
            .any(|one| one["command"][0] == process && one["command"][1] == "migrate");
        assert_eq!(migrates, process != "gateway", "{process}");
    }
}

#[test]
fn mutual_tls_is_a_component() {
    let file = "k8s/components/mutual-tls/kustomization.yaml";
    let component: Value = serde_yaml::from_str(&read(file)).expect("YAML");
    let patches: Vec<Value> = items(&component["patches"])
        .map(|one| serde_yaml::from_str(one["patch"].as_str().expect("a patch")).expect("YAML"))
        .collect();
    for process in SERVICES.into_iter().chain(["gateway"]) {
        let patch = |kind: &str| {
            let found = patches
                .iter()
                .find(|one| one["kind"] == kind && one["metadata"]["name"] == process);
            found
                .unwrap_or_else(|| panic!("{process}: no {kind}"))
                .clone()
        };
        let pod = patch("Deployment")["spec"]["template"]["spec"].clone();
        let container = &pod["containers"][0];
        assert_eq!(container["name"], process);
        // What the patch says stands over what the base says.
        let base = object("Deployment", process);
        let base = &base["spec"]["template"]["spec"]["containers"][0];
        let given: BTreeMap<String, String> = pod_environment(base)
            .into_iter()
            .chain(pod_environment(container))
            .collect();
        let files: Vec<&String> = given
            .iter()
            .filter(|(name, _)| name.contains("TLS__"))
            .map(|(_, file)| file)
            .collect();
        let mounted = ["ca.crt", "tls.crt", "tls.key"].map(|one| format!("/run/secrets/tls/{one}"));
        assert_eq!(files, mounted.iter().collect::<Vec<_>>(), "{process}");
        check_settings(file, process, "https", given.into_iter().collect());
        assert_eq!(
            container["volumeMounts"][0]["mountPath"],
            "/run/secrets/tls"
        );
        let secret = format!("{process}-tls");
        assert_eq!(pod["volumes"][0]["secret"]["secretName"], secret.as_str());
        let certificate = object("Certificate", process);
        assert_eq!(certificate["spec"]["secretName"], secret.as_str());
        assert_eq!(certificate["spec"]["dnsNames"][0], process);
        if process != "gateway" {
            patch("Service");
            let readiness = &container["readinessProbe"];
            assert!(readiness["grpc"].is_null(), "{process}");
            assert_eq!(readiness["httpGet"]["path"], "/readyz");
        }
    }
}

/// Whose files lie on a disk while they are read, has one: the roots are read-only.
#[test]
fn whoever_writes_files_has_a_place_for_them() {
    let file = compose();
    for process in SERVICES {
        let mut folders = vec![root().join(format!("services/{process}/server/src"))];
        let mut writes = false;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("readable").flatten() {
                match entry.path().is_dir() {
                    true => folders.push(entry.path()),
                    false => {
                        let code = fs::read_to_string(entry.path()).expect("readable");
                        writes |= code.contains("Upload::begin(");
                    }
                }
            }
        }
        let in_memory = items(&file["services"][process]["tmpfs"]);
        let mut in_memory = in_memory.filter_map(Value::as_str);
        let composed = in_memory.any(|one| one.starts_with("/tmp:"));
        assert_eq!(composed, writes, "docker-compose.yml: {process}");
        let deployment = object("Deployment", process);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let mounted = items(&container["volumeMounts"]).any(|one| one["mountPath"] == "/tmp");
        assert_eq!(mounted, writes, "k8s: {process}");
    }
}

#[test]
fn a_service_is_all_of_its_pods() {
    for process in SERVICES {
        let service = object("Service", process);
        assert_eq!(service["spec"]["clusterIP"], "None", "{process}");
    }
}

#[test]
fn compose_and_cluster_name_the_same_settings() {
    let file = compose();
    for process in SERVICES.into_iter().chain(["gateway"]) {
        let names = |pairs: Vec<(String, String)>| -> BTreeSet<String> {
            let names = pairs.into_iter().map(|(name, _)| name);
            // A machine of one's own shows the schema, has no proxy before it, and a small PostgreSQL.
            let own = ["EXPLORER", "PROXY", "MAX_CONNECTIONS"];
            names
                .filter(|name| !own.iter().any(|end| name.ends_with(end)))
                .collect()
        };
        let deployment = object("Deployment", process);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            names(compose_environment(&file["services"][process])),
            names(pod_environment(container)),
            "{process}"
        );
    }
}

#[test]
fn pods_stop_no_sooner_than_their_requests_end() {
    // chassis::process lets requests end within 25 s.
    let code = read("services/chassis/src/process.rs");
    let grace = code.split_once("GRACE: Duration = Duration::from_secs(");
    let grace = grace
        .and_then(|(_, rest)| rest.split_once(')'))
        .expect("a grace time")
        .0;
    let grace: u64 = grace.parse().expect("seconds");
    for process in SERVICES.into_iter().chain(["gateway"]) {
        let deployment = object("Deployment", process);
        let pod = &deployment["spec"]["template"]["spec"];
        let sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
        let patience = pod["terminationGracePeriodSeconds"].as_u64();
        assert!(patience > sleep.map(|sleep| sleep + grace), "{process}");
        assert_eq!(
            deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"],
            0
        );
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            assert!(
                pod["containers"][0][probe].is_mapping(),
                "{process}: {probe}"
            );
        }
        let class = pod["priorityClassName"].as_str().expect("a priority");
        assert!(
            object("PriorityClass", class)["value"].is_u64(),
            "{process}"
        );
        let budget = object("PodDisruptionBudget", process);
        assert_eq!(budget["spec"]["selector"], deployment["spec"]["selector"]);
        let autoscaler = object("HorizontalPodAutoscaler", process);
        assert_eq!(autoscaler["spec"]["scaleTargetRef"]["name"], process);
        assert_eq!(
            autoscaler["spec"]["minReplicas"],
            deployment["spec"]["replicas"]
        );
    }
}

#[test]
fn connections_of_all_pods_fit_into_postgresql() {
    let key = keys_of("measures")
        .into_iter()
        .find(|key| key.name() == "process.database.max_connections");
    let pool = key.and_then(|key| key.default?.as_u64());
    let pool = pool.expect("a number");
    let mut taken = 0;
    for process in SERVICES {
        let deployment = object("Deployment", process);
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let mut environment = pod_environment(container).into_iter();
        assert!(environment.all(|(name, _)| !name.contains("MAX_CONNECTIONS")));
        let most = object("HorizontalPodAutoscaler", process)["spec"]["maxReplicas"].as_u64();
        let most = most.expect("a number");
        let surge = deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"].as_u64();
        // While all are replaced, those that end are there beside those that take their place.
        let pods = (2 * most).max(most + surge.expect("a number"));
        // Who verifies takes one more than the pool has.
        taken += pods * (pool + 1);
    }
    let job = object("Job", "migrate");
    taken += items(&job["spec"]["template"]["spec"]["containers"]).count() as u64;
    let parameters = &object("Cluster", "postgres")["spec"]["postgresql"]["parameters"];
    let there = parameters["max_connections"].as_str().expect("a text");
    let there: u64 = there.parse().expect("a number");
    // PostgreSQL keeps three for its superuser; the operator, a backup and an administrator have some.
    assert!(taken + 20 <= there, "{taken} of {there} connections");
}

/// Names of the pods that a rule lets in or out, on this port.
fn reached(rules: &Value, direction: &str, port: u64) -> BTreeSet<String> {
    let rules = items(rules).filter(|rule| items(&rule["ports"]).any(|one| one["port"] == port));
    let peers = rules.flat_map(|rule| items(&rule[direction]));
    let names = peers.flat_map(|peer| {
        let selector = &peer["podSelector"];
        let one = selector["matchLabels"]["app.kubernetes.io/name"].as_str();
        let many = items(&selector["matchExpressions"][0]["values"]).filter_map(Value::as_str);
        one.into_iter()
            .chain(many)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    names.collect()
}

#[test]
fn only_the_arrows_of_the_architecture_are_open() {
    let everybody = SERVICES.into_iter().chain(["gateway"]);
    let arrows: BTreeMap<&str, BTreeSet<String>> = everybody
        .map(|process| (process, peers_in_code(process)))
        .collect();
    let denied = object("NetworkPolicy", "deny-all");
    assert_eq!(
        denied["spec"]["podSelector"],
        Value::Mapping(serde_yaml::Mapping::new())
    );
    assert_eq!(
        denied["spec"]["policyTypes"].as_sequence().map(Vec::len),
        Some(2)
    );
    for (process, asks) in &arrows {
        let policy = object("NetworkPolicy", process);
        assert_eq!(
            &reached(&policy["spec"]["egress"], "to", GRPC),
            asks,
            "{process} asks"
        );
        let callers: BTreeSet<String> = arrows
            .iter()
            .filter(|(_, asks)| asks.contains(*process))
            .map(|(caller, _)| (*caller).to_owned())
            .collect();
        let allowed = reached(&policy["spec"]["ingress"], "from", GRPC);
        assert_eq!(allowed, callers, "{process} is asked");
    }
    let issuer = object("NetworkPolicy", "issuer");
    for rule in items(&issuer["spec"]["egress"]) {
        assert!(items(&rule["to"]).count() == 1, "everybody can be reached");
    }
    let redis = object("NetworkPolicy", "redis");
    let askers = reached(&redis["spec"]["ingress"], "from", 6379);
    assert_eq!(askers, BTreeSet::from(["comparison".to_owned()]));
    let postgres = object("NetworkPolicy", "postgres");
    let askers = reached(&postgres["spec"]["ingress"], "from", 5432);
    let databases = SERVICES.into_iter().chain(["migrate"]).map(str::to_owned);
    assert_eq!(askers, databases.collect());
}
