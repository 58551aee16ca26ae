//! Starts and stops the platform for one test.

use std::{net::SocketAddr, path::Path, sync::Arc};

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

use crate::{COUNTY, Client, watch::Statements};

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
    /// Its database, to look into as the owner.
    pub database: TestDatabase,
    /// Who mints tokens.
    pub issuer: Arc<Issuer>,
    platform: Platform,
    clock: Clock,
    shift: ClockShift,
    folder: TempDir,
    /// Of the relay that listens, where there is one.
    relay: Lifecycle,
}

impl Sandbox {
    /// Starts everything.
    ///
    /// # Panics
    /// It does not start.
    pub async fn start() -> Self {
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
        let database = TestDatabase::create().await;
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
        let database = TestDatabase::create().await;
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
        let (clock, shift) = Clock::shiftable();
        // Stories that last for months meet the same ends of months whenever they are told.
        let began: DateTime<Utc> = BEGAN.parse().expect("an instant");
        shift.advance(began - clock.now());
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
            database,
            issuer,
            platform,
            clock,
            shift,
            folder,
            relay,
        }
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
        let token = self.issuer.mint(account).expect("a token");
        Client::new(self.platform.http, token, &account.name)
    }

    /// Where HTTP is served.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.platform.http
    }

    /// Its data folder, for commands of an operator.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where a service serves gRPC.
    ///
    /// # Panics
    /// There is no such service.
    #[must_use]
    pub fn grpc(&self, service: &str) -> SocketAddr {
        self.platform.grpc(service).expect("a service")
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
        self.shift.advance(Duration::days(days));
    }

    /// Lets minutes go by.
    pub fn advance_minutes(&self, minutes: i64) {
        self.shift.advance(Duration::minutes(minutes));
    }

    /// A new request id.
    #[must_use]
    pub fn request_id(&self) -> String {
        self.clock.new_id().to_string()
    }

    /// Stops everything and removes the database.
    pub async fn stop(self) {
        self.platform.stop().await;
        self.relay.wait(std::time::Duration::from_secs(1)).await;
        self.database.drop_database().await;
        drop(self.folder);
    }
}
