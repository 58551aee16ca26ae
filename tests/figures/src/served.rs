//! A service as a process of its own: the program that is deployed, in release.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use chassis::{
    client::{self, Channel},
    testing::ledger_key,
};
use secrecy::ExposeSecret;

use crate::{
    county::{COUNTY, County},
    measure,
};

/// Longest that a service may take to be there.
const START: Duration = Duration::from_secs(20);

/// The workflow service on a county's database. Ends with this value.
pub struct Served {
    child: Child,
    pub channel: Channel,
}

impl Served {
    /// Starts the program that lies beside this one.
    pub async fn start(county: &County, folder: &Path, connections: u64) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("workflow");
        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let auth = county.keys.config("workflow", COUNTY);
        let evidence = folder.join("evidence");
        let settings = format!(
            "evidence_folder = {evidence:?}\n\
             [process]\nlisten = \"{listen}\"\ncounty = \"{COUNTY}\"\nledger_key = {key:?}\n\
             [process.peers]\n\
             households = {nobody:?}\ncomparison = {nobody:?}\nmeasures = {nobody:?}\n\
             [process.database]\nurl = {url:?}\nmax_connections = {connections}\n\
             [process.auth]\nissuer = {issuer:?}\naudience = {audience:?}\njwks = {jwks:?}\n\
             service_token_file = {token:?}\n\
             [log]\norigin = \"backstop.example/999999\"\nkey = {log_key:?}\n",
            key = BASE64_STANDARD.encode(ledger_key().expose()),
            log_key = BASE64_STANDARD.encode([5; 32]),
            nobody = "http://127.0.0.1:9",
            url = county.test.config.url.expose_secret(),
            issuer = auth.issuer,
            audience = auth.audience,
            jwks = auth.jwks,
            token = auth.service_token_file,
        );
        let config = folder.join("workflow.toml");
        fs::write(&config, settings)?;
        let log = folder.join("workflow.log");
        let child = Command::new(&program)
            .env("BACKSTOP_CONFIG", config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("{}", program.display()))?;
        let mut served = Self {
            child,
            channel: client::channel(&format!("http://{listen}"))?,
        };
        let began = Instant::now();
        while tokio::net::TcpStream::connect(listen).await.is_err() {
            if served.child.try_wait()?.is_some() || began.elapsed() > START {
                bail!("the service does not start: {}", fs::read_to_string(&log)?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(served)
    }

    /// CPU time of the process.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        measure::of_process(self.child.id())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
