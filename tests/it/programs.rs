//! The gateway and the services as processes of their own, as a deployment runs them.

use std::{
    collections::BTreeMap,
    env, fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use backstop::issuer::{Account, Issuer};
use chassis::testing::{TestDatabase, new_id};
use kernel::{DivisionCode, Role};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::process::BINARY;

pub const SERVICES: [&str; 4] = ["households", "workflow", "comparison", "measures"];
/// Folder of programs that are used in place of those that are built with the tests: optimised ones, to measure.
const PROGRAMS: &str = "BACKSTOP_TEST_PROGRAMS";
/// Longest that a program is waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// 32 bytes; nothing that it keeps is anybody's.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// What the programs of one test have in common.
pub struct Programs {
    pub database: TestDatabase,
    pub issuer: Issuer,
    pub folder: TempDir,
    /// Where callers look for each service; one address, or several by commas.
    pub peers: BTreeMap<&'static str, String>,
    /// Folder of the programs that are started, where it is not those that are built with the tests.
    pub release: Option<PathBuf>,
}

/// How much a test does, where the environment says more than usual.
pub fn number(name: &str, usual: usize) -> usize {
    env::var(name).map_or(usual, |value| value.parse().expect("a number"))
}

/// A port that nobody listens on now and that is given out once, below those that the system takes for
/// connections to elsewhere: one of these would be gone before the program listens.
pub fn free_address() -> SocketAddr {
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| {
        let [.., high, low] = new_id().into_bytes();
        AtomicU32::new(u16::from_be_bytes([high, low]).into())
    });
    let mut free = (0..8_000).filter_map(|_| {
        let port = 12_000 + NEXT.fetch_add(1, Ordering::Relaxed) % 8_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).ok()?));
        let bound = std::net::TcpListener::bind(address);
        bound.is_ok().then_some(address)
    });
    free.next().expect("a free port")
}

impl Programs {
    /// With an empty database.
    pub async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let issuer = Issuer::open(folder.path()).expect("an issuer");
        let peers = SERVICES.map(|service| (service, format!("http://{}", free_address())));
        Self {
            database: TestDatabase::create().await,
            issuer,
            folder,
            peers: peers.into(),
            release: env::var_os(PROGRAMS).map(PathBuf::from),
        }
    }

    /// The same with every schema as the programs need it.
    pub async fn migrated() -> Self {
        let programs = Self::new().await;
        for service in SERVICES {
            let (status, said) = programs.run(service, &["migrate"], &[]);
            assert!(status.success(), "{said}");
        }
        programs
    }

    pub fn token(&self, role: Role, division: &str) -> String {
        let division: DivisionCode = division.parse().expect("a division");
        let minted = self.issuer.mint(&Account::new(role, division));
        minted.expect("a token")
    }

    /// What a deployment gives a process as its environment, listening on `listen`.
    fn settings(
        &self,
        program: &str,
        listen: SocketAddr,
        metrics: SocketAddr,
    ) -> BTreeMap<String, String> {
        let county: DivisionCode = tests::COUNTY.parse().expect("a division");
        let auth = self.issuer.service(program, county).expect("a token");
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: &str| {
            settings.insert(format!("BACKSTOP__{name}"), value.to_owned());
        };
        let section = if program == "gateway" {
            ""
        } else {
            "PROCESS__"
        };
        for (key, value) in auth.as_object().expect("a section") {
            let name = format!("{section}AUTH__{}", key.to_uppercase());
            set(&name, value.as_str().expect("a text"));
        }
        for (peer, urls) in &self.peers {
            set(&format!("{section}PEERS__{}", peer.to_uppercase()), urls);
        }
        set(&format!("{section}LISTEN"), &listen.to_string());
        if program == "gateway" {
            // Tests wait for its end often, and have nobody at it then.
            set("DRAIN_SECONDS", "0");
            return settings;
        }
        let url = self.database.config.url.expose_secret();
        set("PROCESS__DATABASE__URL", url);
        let connections = self.database.config.max_connections.to_string();
        set("PROCESS__DATABASE__MAX_CONNECTIONS", &connections);
        set("PROCESS__METRICS_LISTEN", &metrics.to_string());
        set("PROCESS__COUNTY", tests::COUNTY);
        set("PROCESS__LEDGER_KEY", KEY);
        match program {
            "households" => {
                set("ID_NUMBER_KEYS__CURRENT", "k1");
                set("ID_NUMBER_KEYS__KEYS__K1", KEY);
                set("LOOKUP_KEY", KEY);
            }
            "workflow" => {
                let evidence = self.folder.path().join("evidence");
                set("EVIDENCE_FOLDER", evidence.to_str().expect("UTF-8"));
                set("LOG__ORIGIN", "backstop/999999000000/ledger");
                set("LOG__KEY", KEY);
            }
            "comparison" => {
                set("QUERIES__ISSUER", "backstop/999999000000");
                set("QUERIES__KEY", KEY);
            }
            _ => {}
        }
        settings
    }

    fn command(
        &self,
        program: &str,
        (listen, metrics): (SocketAddr, SocketAddr),
        more: &[(&str, &str)],
    ) -> Command {
        let mut command = match &self.release {
            None => Command::new(BINARY),
            Some(folder) => Command::new(folder.join(program)),
        };
        command
            .arg0(program)
            .env_clear()
            .envs(self.settings(program, listen, metrics))
            .envs(more.iter().copied())
            .stdin(Stdio::null());
        command
    }

    /// Runs a program that ends; what it said.
    pub fn run(
        &self,
        program: &str,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> (ExitStatus, String) {
        let output = self.output(program, arguments, more);
        let said = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&said).into_owned())
    }

    /// The same with something on its standard input.
    pub fn run_with(
        &self,
        program: &str,
        arguments: &[&str],
        input: Stdio,
    ) -> (ExitStatus, String) {
        let nowhere = (free_address(), free_address());
        let mut command = self.command(program, nowhere, &[]);
        let output = command.args(arguments).stdin(input).output().expect("runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&said).into_owned())
    }

    /// The same with what it said on each of its outputs.
    pub fn output(&self, program: &str, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let nowhere = (free_address(), free_address());
        let mut command = self.command(program, nowhere, more);
        command.args(arguments).output().expect("runs")
    }

    /// Starts a program where its callers look for it; `more` stands over its settings.
    pub fn start(&self, program: &str, more: &[(&str, &str)]) -> Program {
        let url = self.peers.get(program).map(String::as_str);
        let listen = url.and_then(|url| url.rsplit("//").next()?.parse().ok());
        self.start_at(program, listen.unwrap_or_else(free_address), &[], more)
    }

    /// Starts a program at an address, with arguments.
    pub fn start_at(
        &self,
        program: &str,
        listen: SocketAddr,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> Program {
        let metrics = match program {
            "gateway" => listen,
            _ => free_address(),
        };
        let mut command = self.command(program, (listen, metrics), more);
        command.args(arguments);
        self.spawn(program, command, (listen, metrics))
    }

    /// Starts a program that has a small disk of its own for a folder, which goes with it; nothing where that
    /// is not allowed.
    pub fn start_on_disk(
        &self,
        program: &str,
        folder: &Path,
        bytes: usize,
        more: &[(&str, &str)],
    ) -> Option<Program> {
        let unshare = ["--mount", "--map-root-user", "true"];
        let allowed = Command::new("unshare").args(unshare).output();
        if !allowed.is_ok_and(|output| output.status.success()) {
            return None;
        }
        fs::create_dir_all(folder).expect("a folder");
        let (_, listen) = self.peers[program].split_once("//").expect("a URL");
        let (listen, metrics) = (listen.parse().expect("an address"), free_address());
        let settings = self.settings(program, listen, metrics);
        let mount = "mount -t tmpfs -o size=$1 none \"$2\" && exec -a \"$3\" \"$4\"";
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--map-root-user", "bash", "-c", mount, "bash"])
            .arg(bytes.to_string())
            .arg(folder)
            .args([program, BINARY])
            .env_clear()
            .envs(settings)
            .envs(more.iter().copied())
            // Of the shell and of `mount`.
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        Some(self.spawn(program, command, (listen, metrics)))
    }

    fn spawn(
        &self,
        program: &str,
        mut command: Command,
        (listen, metrics): (SocketAddr, SocketAddr),
    ) -> Program {
        // Of its own: what came before it at this address is not forgotten.
        let name = format!("{program}-{listen}-");
        let mut log = tempfile::Builder::new();
        let log = log.prefix(&name).suffix(".log").tempfile_in(&self.folder);
        let (file, log) = log.and_then(|log| Ok(log.keep()?)).expect("a log");
        let child = command.stdout(Stdio::null()).stderr(file).spawn();
        let child = child.expect("started");
        Program {
            name: program.to_owned(),
            child,
            log,
            listen,
            metrics,
        }
    }

    /// What the programs were worried about.
    pub fn warnings(&self) -> String {
        let mut found = String::new();
        for file in fs::read_dir(self.folder.path())
            .expect("a folder")
            .flatten()
        {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            let worried = |line: &&str| line.contains("\"WARN\"") || line.contains("\"ERROR\"");
            for line in text.lines().filter(worried) {
                found += &format!("{}: {line}\n", file.file_name().display());
            }
        }
        found
    }

    pub async fn remove(self) {
        self.database.drop_database().await;
    }
}

/// A running program. Killed when a test fails.
pub struct Program {
    name: String,
    child: Child,
    log: PathBuf,
    pub listen: SocketAddr,
    metrics: SocketAddr,
}

impl Program {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Status and text of one of the process's own pages; `None` while nobody listens.
    pub async fn page(&self, path: &str) -> Option<(u16, String)> {
        let answer = reqwest::get(format!("http://{}{path}", self.metrics)).await;
        let answer = answer.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until `/readyz` answers so and says `text`.
    pub async fn says(&mut self, status: u16, text: &str) {
        let began = Instant::now();
        let mut last = None;
        while began.elapsed() < PATIENCE {
            last = self.page("/readyz").await;
            if let Some((found, said)) = &last
                && *found == status
                && said.contains(text)
            {
                return;
            }
            let ended = self.child.try_wait().expect("asked");
            assert!(ended.is_none(), "{} ended: {}", self.name, self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!(
            "{} says {last:?}, not {status} {text}: {}",
            self.name,
            self.log()
        );
    }

    pub async fn ready(&mut self) {
        self.says(200, "ok").await;
    }

    /// Waits until the log has this.
    pub async fn logs(&self, text: &str) {
        let began = Instant::now();
        while !self.log().contains(text) {
            assert!(began.elapsed() < PATIENCE, "no {text:?} in {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_none()
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("asked") {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What an orchestrator sends first.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// SIGKILL: it has no time for anything.
    pub fn kill(&self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-KILL", &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Asks it to stop, and demands that it does so well: nothing had to be cut.
    pub async fn stop(mut self) {
        self.terminate();
        let status = self.ended().await;
        let log = self.log();
        assert!(status.success(), "{status}: {log}");
        assert!(!log.contains("had to be cut"), "{log}");
        assert!(!log.contains("had to be cancelled"), "{log}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
