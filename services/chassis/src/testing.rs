//! For tests: a fresh database each, callers, and an issuer of real tokens.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use kernel::{Code, DivisionCode, Principal, Role, Scope};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, migrate::Migrator};
use uuid::Uuid;

use crate::{
    auth::Caller,
    clock::Clock,
    config::{AuthConfig, DatabaseConfig},
    pg::{self, Database},
    secret::SecretKey,
};

/// Names the PostgreSQL server that tests may create databases on.
const SERVER: &str = "BACKSTOP_TEST_DATABASE_URL";

/// A database of its own for one test; [`TestDatabase::drop_database`] removes it.
#[derive(Debug)]
pub struct TestDatabase {
    /// As its owner, whom row-level security does not bind when a superuser.
    pub config: DatabaseConfig,
    name: String,
}

impl TestDatabase {
    /// Creates an empty database.
    ///
    /// # Panics
    /// The test server is not named or does not answer.
    pub async fn create() -> Self {
        let server = std::env::var(SERVER).unwrap_or_else(|_| {
            panic!("{SERVER} must name a PostgreSQL server; ./tests/run starts one")
        });
        let name = format!("backstop_test_{}", Clock::system().new_id().simple());
        let mut connection = PgConnection::connect(&server)
            .await
            .expect("the test server answers");
        let create = format!("create database {name}");
        connection
            .execute(AssertSqlSafe(create))
            .await
            .expect("a database is created");
        connection.close().await.expect("the connection closes");
        let (base, _) = server.rsplit_once('/').expect("the URL ends in a database");
        let url = SecretString::from(format!("{base}/{name}"));
        let max_connections = std::env::var("BACKSTOP_TEST_POOL")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(4);
        Self {
            config: DatabaseConfig {
                url,
                max_connections,
            },
            name,
        }
    }

    /// Migrates `schema` and connects as its service.
    ///
    /// # Panics
    /// The migration fails.
    pub async fn service(
        &self,
        schema: &'static str,
        migrator: &Migrator,
        clock: &Clock,
    ) -> Database {
        pg::migrate(&self.config.url, schema, migrator)
            .await
            .expect("migrated");
        Database::connect(&self.config, schema, ledger_key(), clock.clone())
            .await
            .expect("connected")
    }

    /// A connection as the owner.
    ///
    /// # Panics
    /// The server does not answer.
    pub async fn owner(&self) -> PgConnection {
        PgConnection::connect(self.config.url.expose_secret())
            .await
            .expect("connected")
    }

    /// Removes the database, whoever is still connected.
    ///
    /// # Panics
    /// The server does not answer.
    pub async fn drop_database(self) {
        let server = std::env::var(SERVER).expect("checked on creation");
        let mut connection = PgConnection::connect(&server)
            .await
            .expect("the test server answers");
        let drop = format!("drop database {} with (force)", self.name);
        connection
            .execute(AssertSqlSafe(drop))
            .await
            .expect("dropped");
    }
}

/// The ledger key of all tests.
#[must_use]
pub const fn ledger_key() -> SecretKey {
    SecretKey::new([42; 32])
}

/// A caller without a token, for tests inside one service.
///
/// # Panics
/// `division` is no division code.
#[must_use]
pub fn caller(role: Role, division: &str) -> Caller {
    caller_named(
        &format!("{}-{division}", role.as_str().to_lowercase()),
        role,
        division,
    )
}

/// The same with an account name of its own.
///
/// # Panics
/// `division` is no division code.
#[must_use]
pub fn caller_named(subject: &str, role: Role, division: &str) -> Caller {
    let division: DivisionCode = division.parse().expect("a division code");
    let department = (role == Role::DepartmentLiaison)
        .then(|| "medical_insurance".parse().expect("a department"));
    let scope = Scope {
        division,
        department,
    };
    Caller::internal(Principal {
        subject: subject.to_owned(),
        role,
        scope,
    })
}

/// An issuer with a key of its own in a folder of its own.
#[derive(Debug)]
pub struct TestIssuer {
    folder: tempfile::TempDir,
    pem: Vec<u8>,
}

const ISSUER: &str = "https://issuer.test";
const AUDIENCE: &str = "backstop";

impl TestIssuer {
    /// An issuer with the given PKCS #8 PEM of an Ed25519 key.
    ///
    /// # Panics
    /// The key is not one, or the folder cannot be written.
    #[must_use]
    pub fn new(pem: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = EncodingKey::from_ed_pem(pem).expect("an Ed25519 key");
        let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).expect("a public key");
        let set = json!({ "keys": [jwk] });
        std::fs::write(folder.path().join("jwks.json"), set.to_string()).expect("written");
        Self {
            folder,
            pem: pem.to_vec(),
        }
    }

    /// Where files of the issuer are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Configuration of a service whose own token this issuer mints.
    ///
    /// # Panics
    /// The token file cannot be written.
    #[must_use]
    pub fn config(&self, service: &str, county: &str) -> AuthConfig {
        let file: PathBuf = self.folder.path().join(format!("{service}.jwt"));
        let token = self.token(&format!("service:{service}"), Role::Service, county, None);
        std::fs::write(&file, token).expect("written");
        AuthConfig {
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            jwks: self.folder.path().join("jwks.json").display().to_string(),
            service_token_file: file,
        }
    }

    /// A token that is good for an hour.
    #[must_use]
    pub fn token(
        &self,
        subject: &str,
        role: Role,
        division: &str,
        department: Option<&str>,
    ) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_secs();
        self.sign(&json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "role": role.as_str(),
            "division": division, "department": department, "iat": now, "exp": now + 3600,
        }))
    }

    /// Any claims, signed.
    ///
    /// # Panics
    /// The key is not one.
    #[must_use]
    pub fn sign(&self, claims: &serde_json::Value) -> String {
        let key = EncodingKey::from_ed_pem(&self.pem).expect("an Ed25519 key");
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key).expect("signed")
    }
}

/// An id that no test shares with another.
#[must_use]
pub fn new_id() -> Uuid {
    Clock::system().new_id()
}
