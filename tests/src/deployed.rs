//! A platform that runs elsewhere: the programs as they are deployed, from which a test has an address, the
//! key that stands in for the county's issuer, and the file that the programs' clocks follow
//! (compose/clock.yml).

use std::{
    env, fs,
    net::SocketAddr,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use backstop::issuer::{Account, Issuer};
use tempfile::TempDir;

/// Address of its gateway.
const GATEWAY: &str = "BACKSTOP_TEST_GATEWAY";
/// File with the key that its tokens are signed with, PEM.
const ISSUER_KEY: &str = "BACKSTOP_TEST_ISSUER_KEY";
/// File that says how far its clocks are moved.
const CLOCK: &str = "BACKSTOP_TEST_CLOCK";
/// Command that verifies every ledger with the programs' own `verify`.
const VERIFY: &str = "BACKSTOP_TEST_VERIFY";
/// Tokens outlive every story: the programs judge them by the moved clock.
const TOKEN_LIFETIME: std::time::Duration = std::time::Duration::from_secs(500 * 24 * 3600);

#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) gateway: SocketAddr,
    issuer: Issuer,
    clock: PathBuf,
    _folder: TempDir,
}

impl Deployed {
    /// The one that the environment names.
    pub(crate) fn named() -> Option<Self> {
        let gateway = env::var(GATEWAY).ok()?;
        let file = |name| env::var(name).unwrap_or_else(|_| panic!("{GATEWAY} needs {name}"));
        // The issuer writes its key set beside its key, which is no business of the deployment.
        let folder = tempfile::tempdir().expect("a folder");
        let key = folder.path().join("issuer.pem");
        fs::copy(Path::new(&file(ISSUER_KEY)), key).expect("the issuer's key");
        // As in the programs; whoever was first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Some(Self {
            gateway: gateway.parse().expect("an address"),
            issuer: Issuer::open(folder.path()).expect("an issuer"),
            clock: file(CLOCK).into(),
            _folder: folder,
        })
    }

    pub(crate) fn mint(&self, account: &Account) -> anyhow::Result<String> {
        self.issuer.mint_for(account, TOKEN_LIFETIME)
    }

    /// The programs' own `verify`.
    pub(crate) fn verification() -> Command {
        Command::new(env::var(VERIFY).unwrap_or_else(|_| panic!("{GATEWAY} needs {VERIFY}")))
    }

    /// Moves the programs' clocks. In place and always as long: they read the file whenever they look at
    /// the time, and half of a text would be another time.
    pub(crate) fn set_clock(&self, offset: chrono::Duration) {
        let text = format!("{:+013}\n", offset.num_seconds());
        let file = fs::OpenOptions::new().write(true).open(&self.clock);
        let written = file.and_then(|file| file.write_all_at(text.as_bytes(), 0));
        written.expect("the clock is moved");
    }
}
