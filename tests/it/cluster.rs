//! k8s/ as a cluster would get it: rendered, held to Kubernetes' own schemas, and to what a pod may ask for.
//! Rendering needs `kubectl` or `kustomize`, schemas need `kubernetes-validate`; `tests/run` fetches both.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_yaml::Value;

use crate::deployment::{assert_none, items, objects, read, root};

const OVERLAYS: [&str; 2] = ["k8s/overlays/dev", COUNTY];
/// The oldest Kubernetes that knows everything that is used (`preStop.sleep`), and the newest with a schema.
const RELEASES: [&str; 2] = ["1.30", "1.37"];
/// Kinds of operators, which Kubernetes has no schema of: cert-manager, Gateway API, CloudNativePG and its plugin.
const OF_OPERATORS: [&str; 9] = [
    "Certificate",
    "Issuer",
    "Gateway",
    "HTTPRoute",
    "GRPCRoute",
    "BackendTLSPolicy",
    "Cluster",
    "ScheduledBackup",
    "ObjectStore",
];
const COUNTY: &str = "k8s/overlays/county";
const OF_COUNTY: &str = "k8s/overlays/county/kustomization.yaml";

fn renderer() -> Option<Command> {
    let renders = [("kubectl", "kustomize"), ("kustomize", "build")];
    renders.iter().find_map(|(program, subcommand)| {
        let help = Command::new(program)
            .args([subcommand, "--help"])
            .output()
            .ok()?;
        help.status.success().then(|| {
            let mut command = Command::new(program);
            command.arg(subcommand);
            command
        })
    })
}

/// What a folder becomes; nothing where nobody can render.
fn rendered(folder: &str) -> Option<String> {
    rendered_in(&root(), folder)
}

fn rendered_in(root: &Path, folder: &str) -> Option<String> {
    let Some(mut command) = renderer() else {
        println!("skipped: neither kubectl nor kustomize is here to render {folder}");
        return None;
    };
    let output = command.arg(root.join(folder)).output().expect("runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{folder}: {said}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text);
    documents
        .map(|one| serde::Deserialize::deserialize(one).expect("YAML"))
        .collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Pod templates, by kind and name of what they belong to.
fn pods<'a>(objects: impl IntoIterator<Item = &'a Value>) -> Vec<(String, &'a Value)> {
    let kinds = ["Deployment", "Job", "StatefulSet", "DaemonSet", "CronJob"];
    let pods = objects.into_iter().filter_map(|object| {
        let kind = text(&object["kind"]);
        let name = format!("{kind} {}", text(&object["metadata"]["name"]));
        let template = match kind {
            "CronJob" => &object["spec"]["jobTemplate"]["spec"]["template"],
            _ => &object["spec"]["template"],
        };
        kinds.contains(&kind).then_some((name, template))
    });
    pods.collect()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    items(&pod["spec"]["initContainers"]).chain(items(&pod["spec"]["containers"]))
}

type Rule = (&'static str, fn(&Value) -> bool);

/// Pod Security Standards, "restricted" and what it includes of "baseline"
/// (kubernetes.io/docs/concepts/security/pod-security-standards), and what the NSA and CISA ask for beyond
/// it in their Kubernetes Hardening Guide: no token, a root that is not written to, limits.
const POD_RULES: &[Rule] = &[
    ("PSS: host namespaces", |pod| {
        ["hostNetwork", "hostPID", "hostIPC"]
            .iter()
            .all(|one| pod["spec"][one].is_null())
    }),
    ("PSS: volume types", |pod| {
        let allowed = [
            "configMap",
            "emptyDir",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ];
        items(&pod["spec"]["volumes"]).all(|one| allowed.iter().any(|kind| !one[kind].is_null()))
    }),
    ("PSS: runAsNonRoot", |pod| {
        pod["spec"]["securityContext"]["runAsNonRoot"] == true
    }),
    ("PSS: seccomp", |pod| {
        pod["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    }),
    ("PSS: sysctls", |pod| {
        pod["spec"]["securityContext"]["sysctls"].is_null()
    }),
    // Below are users of the node.
    ("NSA: a user that is nobody on the node", |pod| {
        let user = pod["spec"]["securityContext"]["runAsUser"].as_u64();
        user.is_some_and(|user| user >= 10_000)
    }),
    ("NSA: no token of the API server", |pod| {
        pod["spec"]["automountServiceAccountToken"] == false
    }),
    ("no variables of other services", |pod| {
        pod["spec"]["enableServiceLinks"] == false
    }),
    ("a name that policies go by", |pod| {
        pod["metadata"]["labels"]["app.kubernetes.io/name"].is_string()
    }),
];

const CONTAINER_RULES: &[Rule] = &[
    ("PSS: privilege escalation", |container| {
        container["securityContext"]["allowPrivilegeEscalation"] == false
    }),
    ("PSS: privileged", |container| {
        container["securityContext"]["privileged"].is_null()
    }),
    ("PSS: capabilities", |container| {
        let capabilities = &container["securityContext"]["capabilities"];
        capabilities["drop"][0] == "ALL" && capabilities["add"].is_null()
    }),
    ("PSS: /proc mount type", |container| {
        container["securityContext"]["procMount"].is_null()
    }),
    ("PSS: nothing loosened again", |container| {
        let own = &container["securityContext"];
        own["runAsNonRoot"].is_null()
            && own["runAsUser"].is_null()
            && own["seccompProfile"].is_null()
    }),
    ("PSS: host ports", |container| {
        items(&container["ports"]).all(|port| port["hostPort"].is_null())
    }),
    ("NSA: read-only root", |container| {
        container["securityContext"]["readOnlyRootFilesystem"] == true
    }),
    ("NSA: a limit of memory", |container| {
        container["resources"]["limits"]["memory"].is_string()
    }),
    ("asks for its processor time and memory", |container| {
        let asked = &container["resources"]["requests"];
        asked["cpu"].is_string() && asked["memory"].is_string()
    }),
    // A limit would slow a process down while processors stand idle.
    ("is not throttled", |container| {
        container["resources"]["limits"]["cpu"].is_null()
    }),
    ("an image of a version", |container| {
        let image = text(&container["image"]);
        let (_, name) = image.rsplit_once('/').unwrap_or(("", image));
        // In the base it has neither registry nor version yet.
        let versioned = name
            .split_once([':', '@'])
            .is_some_and(|(_, of)| of != "latest");
        versioned || image == "backstop"
    }),
];

/// Objects whose pods nobody asks for readiness: they end.
const ENDING: [&str; 2] = ["Job ", "CronJob "];

fn broken(place: &str, pods: &[(String, &Value)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, pod) in pods {
        let broken = POD_RULES.iter().filter(|(_, holds)| !holds(pod));
        found.extend(broken.map(|(rule, _)| format!("{place}: {name}: {rule}")));
        for container in containers(pod) {
            let name = format!("{place}: {name}: {}", text(&container["name"]));
            let broken = CONTAINER_RULES
                .iter()
                .filter(|(_, holds)| !holds(container));
            found.extend(broken.map(|(rule, _)| format!("{name}: {rule}")));
        }
        for container in items(&pod["spec"]["containers"]) {
            let ends = ENDING.iter().any(|kind| name.starts_with(kind));
            for probe in ["readinessProbe", "livenessProbe"] {
                if !ends && container[probe].is_null() {
                    found.push(format!("{place}: {name}: no {probe}"));
                }
            }
        }
    }
    found
}

#[test]
fn every_pod_is_restricted() {
    let sources: Vec<Value> = objects().into_iter().map(|(_, object)| object).collect();
    let own = pods(&sources);
    // Patches of a component are parts of pods and stand in its kustomization.
    assert!(own.len() >= 8, "{} pods", own.len());
    let mut found = broken("k8s", &own);
    for folder in OVERLAYS {
        let Some(text) = rendered(folder) else {
            continue;
        };
        let objects = documents(&text);
        let pods = pods(&objects);
        assert!(pods.len() >= 6, "{folder}: {} pods", pods.len());
        found.extend(broken(folder, &pods));
        found.extend(open(folder, &objects));
    }
    assert_none("a pod asks for more than it needs", &found);
}

/// What opens a cluster beside its pods.
fn open(place: &str, objects: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for object in objects {
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let mut refuse = |why: &str| found.push(format!("{place}: {kind} {name}: {why}"));
        match kind {
            // From the county's vault, and in no repository.
            "Secret" => refuse("a secret"),
            "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" => {
                refuse("a right on the API server");
            }
            "Service"
                if !object["spec"]["type"].is_null() && object["spec"]["type"] != "ClusterIP" =>
            {
                refuse("is open to outside of the cluster");
            }
            "ServiceAccount" if object["automountServiceAccountToken"] != false => {
                refuse("gives its token to every pod");
            }
            "Namespace" => {
                let enforced = &object["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
                if enforced != "restricted" {
                    refuse("lets in what is not restricted");
                }
            }
            _ => {}
        }
        // Of the whole cluster.
        let everywhere = ["Namespace", "PriorityClass"];
        if object["metadata"]["namespace"].is_null() && !everywhere.contains(&kind) {
            found.push(format!("{place}: {kind} {name}: in no namespace"));
        }
    }
    found
}

/// Whether a selector takes these labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_mapping().is_none_or(|wanted| {
        let mut wanted = wanted.iter();
        wanted.all(|(name, value)| &labels[name] == value)
    });
    let one_of = items(&selector["matchExpressions"]).all(|expression| {
        let label = &labels[text(&expression["key"])];
        match text(&expression["operator"]) {
            "In" => items(&expression["values"]).any(|value| value == label),
            "Exists" => !label.is_null(),
            operator => panic!("{operator}"),
        }
    });
    equal && one_of
}

#[test]
fn every_pod_has_a_policy_of_its_own() {
    let Some(objects) = county() else {
        return;
    };
    let everybody = Value::Mapping(serde_yaml::Mapping::new());
    let policies = objects
        .iter()
        .filter(|object| object["kind"] == "NetworkPolicy");
    let (general, own): (Vec<&Value>, Vec<&Value>) =
        policies.partition(|policy| policy["spec"]["podSelector"] == everybody);
    let denied = general.iter().any(|policy| {
        let directions = items(&policy["spec"]["policyTypes"]).count();
        directions == 2 && policy["spec"]["ingress"].is_null() && policy["spec"]["egress"].is_null()
    });
    assert!(denied, "what nobody allows is allowed");
    let mut found = Vec::new();
    for (name, pod) in pods(&objects) {
        let labels = &pod["metadata"]["labels"];
        if !own
            .iter()
            .any(|policy| selects(&policy["spec"]["podSelector"], labels))
        {
            found.push(name);
        }
    }
    assert_none("pods that only `deny-all` speaks of", &found);
}

#[test]
fn the_county_has_every_component() {
    let county: Value = serde_yaml::from_str(&read(OF_COUNTY)).expect("YAML");
    let named: BTreeSet<String> = items(&county["components"])
        .filter_map(|one| Some(one.as_str()?.rsplit_once('/')?.1.to_owned()))
        .collect();
    let there = fs::read_dir(root().join("k8s/components")).expect("readable");
    let there = there.flatten().filter(|entry| entry.path().is_dir());
    let there: BTreeSet<String> = there
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    // Takes another's place.
    let instead = BUCKET.rsplit_once('/').map(|(_, name)| name.to_owned());
    let instead: BTreeSet<String> = instead.into_iter().collect();
    assert_eq!(named, &there - &instead);
}

/// The county with `more` below its list `of` (`components`, `patches`).
fn county_with(of: &str, more: &str) -> Option<String> {
    let copy = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(root().join("k8s"))
        .arg(copy.path())
        .status();
    assert!(copied.expect("cp runs").success());
    let list = format!("{of}:\n");
    let with = read(OF_COUNTY).replacen(&list, &format!("{list}{more}"), 1);
    fs::write(copy.path().join(OF_COUNTY), with).expect("written");
    rendered_in(copy.path(), COUNTY)
}

/// A county whose papers are in a bucket: the component that takes the volume's place is in no overlay.
fn county_with_a_bucket() -> Option<String> {
    county_with("components", &format!("  - {BUCKET}\n"))
}

fn county() -> Option<Vec<Value>> {
    Some(documents(&rendered(COUNTY)?))
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let objects = objects.iter();
    objects.filter(|object| object["kind"] == kind).collect()
}

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = of_kind(objects, kind)
        .into_iter()
        .find(|object| object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

const BUCKET: &str = "../../components/evidence-s3";

#[test]
fn a_bucket_takes_the_place_of_the_volume() {
    let Some(manifests) = county_with_a_bucket() else {
        return;
    };
    let objects = documents(&manifests);
    assert!(
        objects
            .iter()
            .all(|object| object["kind"] != "PersistentVolumeClaim")
    );
    let pods = pods(&objects);
    assert_none("a pod asks for more", &broken("with a bucket", &pods));
    let (_, workflow) = pods
        .iter()
        .find(|(name, _)| name == "Deployment workflow")
        .expect("workflow");
    let container = containers(workflow).next().expect("a container");
    let names = |list: &str, key: &str| -> Vec<String> {
        let all = items(&container[list]).map(|one| text(&one[key]).to_owned());
        all.filter(|name| name.to_lowercase().contains("evidence"))
            .collect()
    };
    assert_eq!(names("volumeMounts", "name"), [""; 0]);
    let settings = names("env", "name");
    assert_eq!(settings.len(), 4, "{settings:?}");
    assert!(settings.iter().all(|name| name.contains("EVIDENCE_S3")));
}

#[test]
fn the_cluster_knows_every_field() {
    let validate = |arguments: &[&str]| -> Option<Output> {
        Command::new("kubernetes-validate")
            .args(arguments)
            .output()
            .ok()
    };
    if validate(&["--help"]).is_none() {
        println!(
            "skipped: kubernetes-validate is not here to check k8s/ (pip install kubernetes-validate)"
        );
        return;
    }
    let mut all: Vec<(&str, Option<String>)> = OVERLAYS
        .into_iter()
        .chain(["k8s/base"])
        .map(|folder| (folder, rendered(folder)))
        .collect();
    all.push((BUCKET, county_with_a_bucket()));
    for (folder, manifests) in all {
        let Some(manifests) = manifests else {
            continue;
        };
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(&file, &manifests).expect("written");
        let path = file.path().to_str().expect("UTF-8");
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for object in documents(&manifests) {
            *kinds.entry(text(&object["kind"]).to_owned()).or_default() += 1;
        }
        for release in RELEASES {
            let output = validate(&["--strict", "-k", release, path]).expect("runs");
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{folder}: {said}");
            let known: usize = kinds
                .iter()
                .filter(|(kind, _)| !OF_OPERATORS.contains(&kind.as_str()))
                .map(|(_, count)| count)
                .sum();
            let passed = said.matches(" passed for resource ").count();
            assert_eq!(passed, known, "{folder} by {release}: {said}");
        }
    }
}

/// What answers by itself: a page of ours that no need counts for, and those of others' health.
fn asks_only_the_process(probe: &Value) -> bool {
    match text(&probe["httpGet"]["path"]) {
        "" => !probe["tcpSocket"].is_null(),
        path => ["/livez", "/"].contains(&path),
    }
}

/// Who fails such a probe is started anew, which brings back nothing that is away.
#[test]
fn no_pod_is_restarted_for_what_is_outside_of_it() {
    let sources: Vec<Value> = objects().into_iter().map(|(_, object)| object).collect();
    let overlays = OVERLAYS.into_iter().filter_map(rendered);
    let mut found = Vec::new();
    let mut probes = 0;
    for objects in overlays.map(|text| documents(&text)).chain([sources]) {
        for (name, pod) in pods(&objects) {
            for container in containers(pod) {
                for probe in ["startupProbe", "livenessProbe"] {
                    let asked = &container[probe];
                    probes += usize::from(!asked.is_null());
                    if !asked.is_null() && !asks_only_the_process(asked) {
                        found.push(format!("{name}: {probe}: {asked:?}"));
                    }
                }
            }
        }
    }
    assert!(probes >= 12, "{probes} probes");
    assert_none("a probe restarts what only waits", &found);
}

fn admits(policy: &Value, label: &str, port: &Value) -> bool {
    items(&policy["spec"]["ingress"]).any(|rule| {
        let ports = items(&rule["ports"]).any(|one| &one["port"] == port);
        let mut from = items(&rule["from"]);
        ports && from.any(|one| one["namespaceSelector"]["matchLabels"][label] == "true")
    })
}

#[test]
fn prometheus_finds_and_reaches_every_page_of_metrics() {
    let Some(objects) = county() else {
        return;
    };
    let monitor = read("k8s/components/monitoring/podmonitor.yaml");
    let monitor = &documents(&monitor)[0]["spec"];
    let mut shown = 0;
    for (name, pod) in pods(&objects) {
        let annotations = &pod["metadata"]["annotations"];
        if annotations["prometheus.io/scrape"] != "true" {
            continue;
        }
        shown += 1;
        let labels = &pod["metadata"]["labels"];
        let port = text(&annotations["prometheus.io/port"]);
        let port = Value::from(port.parse::<u64>().expect("a port"));
        let policies = of_kind(&objects, "NetworkPolicy");
        let mut own = policies
            .iter()
            .filter(|policy| selects(&policy["spec"]["podSelector"], labels));
        assert!(
            own.any(|policy| admits(policy, "backstop/scrapes-metrics", &port)),
            "{name} keeps Prometheus out of {port:?}"
        );
        assert!(selects(&monitor["selector"], labels), "{name}");
        let ports = containers(pod).flat_map(|container| items(&container["ports"]));
        let asked: Vec<&Value> = ports
            .filter(|one| {
                items(&monitor["podMetricsEndpoints"]).any(|at| at["port"] == one["name"])
            })
            .map(|one| &one["containerPort"])
            .collect();
        assert_eq!(asked, [&port], "{name}");
    }
    assert_eq!(shown, 5);
}

#[test]
fn agencies_reach_the_feeds_and_nothing_else() {
    let Some(objects) = county() else {
        return;
    };
    let proto = read("proto/backstop/feed/v1/feed.proto");
    assert!(proto.contains("\npackage backstop.feed.v1;\n"));
    assert!(proto.contains("\nservice FeedService {\n"));
    let gateway = named(&objects, "Gateway", "backstop");
    let mut hosts = BTreeSet::new();
    for service in ["households", "workflow", "comparison", "measures"] {
        let route = &named(&objects, "GRPCRoute", &format!("{service}-feed"))["spec"];
        let parent = &route["parentRefs"][0];
        assert_eq!(parent["name"], "backstop");
        let listener = items(&gateway["spec"]["listeners"])
            .find(|listener| listener["name"] == parent["sectionName"])
            .expect("a listener");
        let host = text(&route["hostnames"][0]);
        let below = text(&listener["hostname"]).strip_prefix('*');
        assert!(host.ends_with(below.expect("hosts below one")), "{host}");
        hosts.insert(host);
        let rules: Vec<&Value> = items(&route["rules"]).collect();
        let [rule] = rules[..] else {
            panic!("{service}: {rules:?}");
        };
        let matches: Vec<&Value> = items(&rule["matches"]).collect();
        let [one] = matches[..] else {
            panic!("{service}: {matches:?}");
        };
        assert_eq!(one["method"]["service"], "backstop.feed.v1.FeedService");
        assert_eq!(rule["backendRefs"][0]["name"], service);
        assert_eq!(rule["backendRefs"][0]["port"], 50051);
        let policy = named(&objects, "NetworkPolicy", service);
        let port = Value::from(50051);
        assert!(
            admits(policy, "backstop/reaches-gateway", &port),
            "{service}"
        );
        // The services take nobody without a certificate, and the proxy nobody who has another.
        let tls = &named(&objects, "BackendTLSPolicy", service)["spec"];
        assert_eq!(tls["targetRefs"][0]["name"], service);
        assert_eq!(tls["validation"]["hostname"], service);
    }
    assert_eq!(hosts.len(), 4, "{hosts:?}");
    assert_eq!(of_kind(&objects, "GRPCRoute").len(), 4);
    let shown = &gateway["spec"]["tls"]["backend"]["clientCertificateRef"]["name"];
    let certificate = named(&objects, "Certificate", "ingress");
    assert_eq!(&certificate["spec"]["secretName"], shown);
    let web = named(&objects, "HTTPRoute", "backstop");
    for host in items(&web["spec"]["hostnames"]) {
        assert!(!hosts.contains(text(host)), "{host:?} is of both kinds");
    }
}

const BARMAN: &str = "barman-cloud.cloudnative-pg.io";

/// The database of these objects, whose log and nightly backups go into the bucket.
fn backed_up(objects: &[Value]) -> &Value {
    let clusters = of_kind(objects, "Cluster");
    let [cluster] = clusters[..] else {
        panic!("{} clusters", clusters.len());
    };
    let plugin = &cluster["spec"]["plugins"][0];
    assert_eq!(plugin["name"], BARMAN);
    assert_eq!(plugin["isWALArchiver"], true);
    let store = named(
        objects,
        "ObjectStore",
        text(&plugin["parameters"]["barmanObjectName"]),
    );
    let path = text(&store["spec"]["configuration"]["destinationPath"]);
    assert!(path.starts_with("s3://"), "{path}");
    assert!(store["spec"]["retentionPolicy"].is_string());
    let schedules = of_kind(objects, "ScheduledBackup");
    let [schedule] = schedules[..] else {
        panic!("{} schedules", schedules.len());
    };
    let schedule = &schedule["spec"];
    assert_eq!(schedule["cluster"]["name"], cluster["metadata"]["name"]);
    assert_eq!(schedule["method"], "plugin");
    assert_eq!(schedule["pluginConfiguration"]["name"], BARMAN);
    // The first of six is the second.
    assert_eq!(text(&schedule["schedule"]).split_whitespace().count(), 6);
    cluster
}

#[test]
fn the_database_is_backed_up_and_can_be_restored_to_a_moment() {
    let Some(objects) = county() else {
        return;
    };
    let before = backed_up(&objects).clone();

    let page = read("docs/operations.md");
    let marked = page.split_once("<!-- tested: restore in a cluster -->\n```yaml\n");
    let (patches, _) = marked
        .and_then(|(_, rest)| rest.split_once("```\n"))
        .expect("the patches");
    let patches: String = patches.lines().map(|line| format!("  {line}\n")).collect();
    let Some(restored) = county_with("patches", &patches) else {
        return;
    };
    let restored = documents(&restored);
    let cluster = backed_up(&restored);
    let spec = &cluster["spec"];
    // The log of the first is read, and nobody writes there.
    assert_ne!(cluster["metadata"]["name"], before["metadata"]["name"]);
    let bootstrap = spec["bootstrap"].as_mapping().expect("a way to begin");
    assert_eq!(bootstrap.len(), 1, "{bootstrap:?}");
    let recovery = &spec["bootstrap"]["recovery"];
    assert!(recovery["recoveryTarget"]["targetTime"].is_string());
    for same in ["database", "owner", "secret"] {
        let was = &before["spec"]["bootstrap"]["initdb"][same];
        assert_eq!(&recovery[same], was, "{same}");
    }
    let from = &spec["externalClusters"][0];
    assert_eq!(from["name"], recovery["source"]);
    assert_eq!(from["plugin"]["name"], BARMAN);
    let parameters = &from["plugin"]["parameters"];
    assert_eq!(parameters["serverName"], before["metadata"]["name"]);
    let written = &before["spec"]["plugins"][0]["parameters"]["barmanObjectName"];
    assert_eq!(&parameters["barmanObjectName"], written);
    // Policies that go by the first one's name would shut the new one off.
    let name = text(&cluster["metadata"]["name"]);
    let labels: Value = serde_yaml::from_str(&format!("cnpg.io/cluster: {name}")).expect("YAML");
    let postgres = named(&restored, "NetworkPolicy", "postgres");
    assert!(selects(&postgres["spec"]["podSelector"], &labels));
    for process in [
        "households",
        "workflow",
        "comparison",
        "measures",
        "migrate",
    ] {
        let policy = named(&restored, "NetworkPolicy", process);
        let reached = items(&policy["spec"]["egress"]).any(|rule| {
            let ports = items(&rule["ports"]).any(|one| one["port"] == 5432);
            ports && items(&rule["to"]).any(|one| selects(&one["podSelector"], &labels))
        });
        assert!(reached, "{process} does not reach {name}");
    }
}

#[test]
fn a_county_runs_what_was_tested() {
    let Some(objects) = county() else {
        return;
    };
    let mut own = 0;
    for (name, pod) in pods(&objects) {
        for container in containers(pod) {
            let image = text(&container["image"]);
            if image.starts_with("registry.county.example/") {
                own += 1;
                assert!(image.contains("@sha256:"), "{name}: {image}");
            }
        }
    }
    assert_eq!(own, 9);
}

/// GB of Kubernetes' text.
fn gigabytes(size: &Value) -> f64 {
    let size = text(size).strip_suffix("Gi").expect("GiB");
    size.parse::<f64>().expect("a number") * 1.073_741_824
}

/// What docs/scaling.md says that a typical county writes a year, in GB.
fn written_in_a_year(what: &str) -> f64 {
    let page = read("docs/scaling.md");
    let row = page
        .lines()
        .find(|line| line.starts_with(&format!("| {what}")))
        .unwrap_or_else(|| panic!("no {what}"));
    let typical = row.split('|').nth(3).expect("a typical county");
    let (_, size) = typical.split_once('→').expect("a size");
    let size = size.trim().strip_suffix(" GB").expect("GB");
    size.parse().expect("a number")
}

#[test]
fn two_years_of_a_typical_county_have_room() {
    let Some(objects) = county() else {
        return;
    };
    let database = &of_kind(&objects, "Cluster")[0]["spec"]["storage"]["size"];
    assert!(gigabytes(database) > 2.0 * written_in_a_year("record of access"));
    let papers = named(&objects, "PersistentVolumeClaim", "evidence");
    let papers = &papers["spec"]["resources"]["requests"]["storage"];
    assert!(gigabytes(papers) > 2.0 * written_in_a_year("papers of a year"));
}
