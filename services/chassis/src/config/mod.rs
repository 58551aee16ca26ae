//! Configuration: a TOML file named by `BACKSTOP_CONFIG`, and over it environment variables
//! `BACKSTOP__SECTION__KEY`. Secrets may stand in files of their own, named by `…_file`. A key that nobody
//! knows is an error, not a surprise.

mod key;
mod source;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use kernel::DivisionCode;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

pub use key::{Key, Kind, keys};
pub use source::{Settings, Shown};

use crate::{secret::SecretKey, tls::TlsConfig};

/// What every service is configured with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// Where gRPC is served.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where `/metrics`, `/livez`, `/readyz` and `/startupz` are served; nowhere when absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub metrics_listen: Option<SocketAddr>,
    /// The county of the deployment, 12 digits.
    #[schemars(with = "String")]
    pub county: DivisionCode,
    /// The service's database.
    pub database: DatabaseConfig,
    /// How callers prove who they are.
    pub auth: AuthConfig,
    /// Key of the keyed hashes in ledger leaves and of cursors, 32 bytes in base64; the same on all
    /// replicas.
    pub ledger_key: SecretKey,
    /// URLs of the services that this one calls, by name. Several of one, separated by commas, are its
    /// replicas, and so is whatever a name in a URL resolves to; it is looked up again every 5 s.
    #[serde(default)]
    pub peers: BTreeMap<String, String>,
    /// Mutual TLS: given, gRPC is served to clients with a certificate only, and peers are https.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
}

/// The service's database.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://…`; the user must be allowed to `SET ROLE` to the service's role.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub url: SecretString,
    /// Connections of the pool. No request needs more than one.
    #[serde(default = "eight")]
    pub max_connections: u32,
}

const fn eight() -> u32 {
    8
}

/// How callers prove who they are.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// `iss` that tokens must have.
    pub issuer: String,
    /// `aud` that tokens must have.
    pub audience: String,
    /// The issuer's key set: an https URL or a file.
    pub jwks: String,
    /// File with this service's own token; read again whenever it changes.
    pub service_token_file: PathBuf,
}
