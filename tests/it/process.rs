//! `backstop` as a process of its own.

use std::{
    fs,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kernel::{Code as _, Role};
use serde_json::{Value, json};

/// A debug build with four embedded databases starts in seconds; a busy machine is given its time.
const START: Duration = Duration::from_secs(120);

/// `backstop` as this package builds it: with what these tests are built of, and never a stale one.
pub const BINARY: &str = env!("CARGO_BIN_EXE_backstop-under-test");

pub fn backstop(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .env("BACKSTOP_DATA_DIR", folder)
        .env("BACKSTOP_LISTEN", "127.0.0.1:0")
        .env_remove("DATABASE_URL")
        .env_remove("REDIS_URL")
        .stdin(Stdio::null());
    command
}

/// A running `backstop up`. Killed when a test fails.
pub struct Up {
    child: Child,
    folder: PathBuf,
}

impl Up {
    pub async fn start(folder: &Path) -> Self {
        Self::started(folder, &mut backstop(folder, &["up"]), Stdio::piped()).await
    }

    /// The same with other settings and somewhere for its log.
    pub async fn started(folder: &Path, command: &mut Command, log: Stdio) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A killed process leaves its announcement: wait for the new one.
        let _ = fs::remove_file(folder.join("run.json"));
        let mut child = command
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("started");
        let began = Instant::now();
        while !folder.join("run.json").exists() {
            if let Some(status) = child.try_wait().expect("asked") {
                let mut text = String::new();
                if let Some(mut log) = child.stderr.take() {
                    let _ = log.read_to_string(&mut text);
                }
                panic!("up ended with {status}: {text}");
            }
            assert!(began.elapsed() < START, "up does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self {
            child,
            folder: folder.to_owned(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        let text = fs::read(self.folder.join("run.json")).expect("announced");
        let run: Value = serde_json::from_slice(&text).expect("JSON");
        let address = run["http"].as_str().expect("an address");
        address.parse().expect("an address")
    }

    pub fn http(&self) -> String {
        format!("http://{}", self.address())
    }

    pub fn kill(mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("ended");
    }

    /// Ctrl-C; returns how long it took.
    pub async fn interrupt(&mut self) -> (Duration, i32) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("asked") {
                return (began.elapsed(), status.code().unwrap_or(-1));
            }
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "up does not stop"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn token(folder: &Path) -> String {
    token_of(folder, Role::CountyOfficer, tests::COUNTY)
}

pub fn token_of(folder: &Path, role: Role, division: &str) -> String {
    let arguments = ["token", "--role", role.as_str(), "--division", division];
    let output = backstop(folder, &arguments).output().expect("runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

pub async fn graphql(
    http: &str,
    token: &str,
    document: &str,
    variables: Value,
) -> reqwest::Result<Value> {
    reqwest::Client::new()
        .post(format!("{http}/graphql"))
        .bearer_auth(token)
        .timeout(Duration::from_secs(10))
        .json(&json!({ "query": document, "variables": variables }))
        .send()
        .await?
        .json()
        .await
}
