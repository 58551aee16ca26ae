//! Starts and stops the platform for one test, or speaks with one that is deployed.

use std::{net::SocketAddr, path::Path, process::Command, sync::Arc};

use backstop::{
    databases::Databases,
    folder::DataFolder,
    issuer::{Account, Issuer},
    platform::{self, Platform, Settings, Sockets},
};
use chassis::{
    clock::{Clock, ClockShift},
    lifecycle::Lifecycle,
    secret::SecretKey,
    testing::TestDatabase,
    tlog::Cosigner,
};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use kernel::Role;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::{COUNTY, Client, deployed::Deployed, watch::Statements};

/// When every story begins.
const BEGAN: &str = "2026-03-02T02:00:00Z";

/// The witness whose cosignatures the platform takes in.
///
/// # Panics
/// The name is not one.
#[must_use]
pub fn witness() -> Cosigner {
    let key = SecretKey::new([3; 32]);
    Cosigner::new("discipline.example/w1", &key).expect("a name")
}

/// The whole platform, for one test.
#[derive(Debug)]
pub struct Sandbox {
    clock: Clock,
    shift: ClockShift,
    place: Place,
}

/// Where the platform runs.
#[derive(Debug)]
enum Place {
    /// In this process, with everything that a test may look into.
    Here(Box<Here>),
    /// Deployed, with nothing but the gateway's address, the issuer's key and the clock.
    There(Box<Deployed>),
}

#[derive(Debug)]
struct Here {
    database: TestDatabase,
    issuer: Arc<Issuer>,
    platform: Platform,
    folder: TempDir,
    /// Of the relay that listens, where there is one.
    relay: Lifecycle,
}

/// Of tests that need a process of their own; `compose.sh` leaves them out by its last words.
const INSIDE: &str = "the test looks into the process: it cannot be deployed";

async fn own_database() -> TestDatabase {
    assert!(Deployed::named().is_none(), "{INSIDE}");
    TestDatabase::create().await
}

impl Sandbox {
    /// Starts everything; or takes what is deployed, where the environment names it ([`Deployed`]).
    ///
    /// # Panics
    /// It does not start.
    pub async fn start() -> Self {
        if let Some(deployed) = Deployed::named() {
            let (clock, shift) = began();
            deployed.set_clock(shift.offset());
            return Self {
                clock,
                shift,
                place: Place::There(Box::new(deployed)),
            };
        }
        let database = TestDatabase::create().await;
        let url = database.config.url.expose_secret().to_owned();
        let connections = database.config.max_connections;
        Self::start_on(database, url, connections, Lifecycle::new(), None).await
    }

    /// Starts everything with a Redis.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_with_redis(redis_url: String) -> Self {
        let database = own_database().await;
        let url = database.config.url.expose_secret().to_owned();
        let connections = database.config.max_connections;
        let (relay, redis_url) = (Lifecycle::new(), Some(redis_url));
        Self::start_on(database, url, connections, relay, redis_url).await
    }

    /// Starts everything with pools of so many connections, and writes down every statement.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start_watched(connections: u32) -> (Self, Statements) {
        let database = own_database().await;
        let url = database.config.url.expose_secret().to_owned();
        // postgres://user@host:port/name
        let (user, rest) = url.split_once('@').expect("a user");
        let (server, name) = rest.split_once('/').expect("a database");
        let (statements, lifecycle) = (Statements::default(), Lifecycle::new());
        let relay = statements
            .relay(server.parse().expect("an address"), &lifecycle)
            .await;
        let url = format!("{user}@{relay}/{name}?sslmode=disable");
        (
            Self::start_on(database, url, connections, lifecycle, None).await,
            statements,
        )
    }

    async fn start_on(
        database: TestDatabase,
        url: String,
        connections: u32,
        relay: Lifecycle,
        redis_url: Option<String>,
    ) -> Self {
        // A provider is installed only once; whoever was first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let data = DataFolder::open(folder.path()).expect("a data folder");
        let secrets = data.secrets().expect("keys");
        let issuer = Arc::new(Issuer::open(data.path()).expect("an issuer"));
        let databases = Databases::External { url, connections };
        let (clock, shift) = began();
        let settings = Settings {
            county: COUNTY.parse().expect("a division"),
            databases: &databases,
            secrets: &secrets,
            issuer: issuer.clone(),
            redis_url,
            evidence: folder.path().join("evidence"),
            witnesses: vec![witness().verifier().to_string()],
            clock: clock.clone(),
        };
        let sockets = Sockets::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .expect("free ports");
        let mut platform = platform::start(settings, sockets, |_| ())
            .await
            .expect("started");
        platform.ready().await.expect("ready");
        Self {
            clock,
            shift,
            place: Place::Here(Box::new(Here {
                database,
                issuer,
                platform,
                folder,
                relay,
            })),
        }
    }

    fn here(&self) -> &Here {
        match &self.place {
            Place::Here(here) => here,
            Place::There(_) => panic!("{INSIDE}"),
        }
    }

    /// Its database, to look into as the owner.
    ///
    /// # Panics
    /// It is deployed.
    #[must_use]
    pub fn database(&self) -> &TestDatabase {
        &self.here().database
    }

    /// Somebody who acts as `role` for `division`.
    ///
    /// # Panics
    /// The division is none.
    #[must_use]
    pub fn client(&self, role: Role, division: &str) -> Client {
        let division = division.parse().expect("a division");
        self.client_of(&Account::new(role, division))
    }

    /// Another account of the same role and division.
    ///
    /// # Panics
    /// The division is none.
    #[must_use]
    pub fn client_named(&self, name: &str, role: Role, division: &str) -> Client {
        let division = division.parse().expect("a division");
        self.client_of(&Account::new(role, division).named(name))
    }

    /// Any account.
    ///
    /// # Panics
    /// The token cannot be minted.
    #[must_use]
    pub fn client_of(&self, account: &Account) -> Client {
        let token = match &self.place {
            Place::Here(here) => here.issuer.mint(account),
            Place::There(deployed) => deployed.mint(account),
        };
        Client::new(self.http(), token.expect("a token"), &account.name)
    }

    /// Where HTTP is served.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        match &self.place {
            Place::Here(here) => here.platform.http,
            Place::There(deployed) => deployed.gateway,
        }
    }

    /// Its data folder, for commands of an operator.
    ///
    /// # Panics
    /// It is deployed.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.here().folder.path()
    }

    /// A command that verifies every ledger: `backstop`'s, where it is; the programs' own of what is deployed.
    #[must_use]
    pub fn verification(&self, backstop: &str) -> Command {
        let Place::Here(here) = &self.place else {
            return Deployed::verification();
        };
        let mut command = Command::new(backstop);
        let url = here.database.config.url.expose_secret();
        command.arg("verify").env("DATABASE_URL", url);
        command.env("BACKSTOP_DATA_DIR", here.folder.path());
        command
    }

    /// Where a service serves gRPC.
    ///
    /// # Panics
    /// There is no such service, or it is deployed.
    #[must_use]
    pub fn grpc(&self, service: &str) -> SocketAddr {
        self.here().platform.grpc(service).expect("a service")
    }

    /// The day in the county.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.clock.today()
    }

    /// The current instant of everything in the sandbox.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Lets days go by.
    pub fn advance_days(&self, days: i64) {
        self.advance(Duration::days(days));
    }

    /// Lets minutes go by.
    pub fn advance_minutes(&self, minutes: i64) {
        self.advance(Duration::minutes(minutes));
    }

    fn advance(&self, by: Duration) {
        self.shift.advance(by);
        if let Place::There(deployed) = &self.place {
            deployed.set_clock(self.shift.offset());
        }
    }

    /// A new request id.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.clock.new_id().to_string()
    }

    /// Stops everything and removes the database. What is deployed is left to whoever deployed it.
    pub async fn stop(self) {
        let Place::Here(here) = self.place else {
            return;
        };
        let here = *here;
        here.platform.stop().await;
        here.relay.wait(std::time::Duration::from_secs(1)).await;
        here.database.drop_database().await;
        drop(here.folder);
    }
}

/// A clock at the beginning of every story: those that last for months meet the same ends of months
/// whenever they are told.
fn began() -> (Clock, ClockShift) {
    let (clock, shift) = Clock::shiftable();
    let began: DateTime<Utc> = BEGAN.parse().expect("an instant");
    shift.advance(began - clock.now());
    (clock, shift)
}
