//! Configuration: a TOML file named by `BACKSTOP_CONFIG`, and over it environment variables
//! `BACKSTOP__SECTION__KEY`. A key that nobody knows is an error, not a surprise.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use kernel::DivisionCode;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use crate::secret::SecretKey;

/// What every service is configured with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessConfig {
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where `/metrics`, `/livez` and `/readyz` are served; nowhere when absent.
    #[serde(default)]
    pub metrics_listen: Option<SocketAddr>,
    /// The county of the deployment.
    #[serde(deserialize_with = "division")]
    pub county: DivisionCode,
    /// The service's database.
    pub database: DatabaseConfig,
    /// How callers prove who they are.
    pub auth: AuthConfig,
    /// Key of the keyed hashes in ledger leaves and of cursors; the same on all replicas.
    pub ledger_key: SecretKey,
    /// URLs of the services that this one calls, by name.
    #[serde(default)]
    pub peers: BTreeMap<String, String>,
}

impl ProcessConfig {
    /// A channel to the service `name`.
    ///
    /// # Errors
    /// The peer is not configured or its URL is not one.
    pub fn peer(&self, name: &str) -> anyhow::Result<tonic::transport::Channel> {
        let url = self.peers.get(name);
        let url = url.ok_or_else(|| anyhow::anyhow!("peers.{name} is not configured"))?;
        crate::client::channel(url)
    }
}

/// The service's database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://…`; the user must be allowed to `SET ROLE` to the service's role.
    pub url: SecretString,
    /// Connections of the pool. No request needs more than one.
    #[serde(default = "eight")]
    pub max_connections: u32,
}

const fn eight() -> u32 {
    8
}

/// How callers prove who they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// `iss` that tokens must have.
    pub issuer: String,
    /// `aud` that tokens must have.
    pub audience: String,
    /// The issuer's key set: an https URL or a file.
    pub jwks: String,
    /// File with this service's own token.
    pub service_token_file: PathBuf,
}

/// Loads a service's configuration.
///
/// # Errors
/// Names the key that is missing, malformed or unknown.
pub fn load<T: de::DeserializeOwned>() -> anyhow::Result<T> {
    let mut builder = config::Config::builder();
    if let Ok(file) = std::env::var("BACKSTOP_CONFIG") {
        builder = builder.add_source(config::File::with_name(&file).required(true));
    }
    let environment = config::Environment::with_prefix("BACKSTOP")
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true);
    Ok(builder.add_source(environment).build()?.try_deserialize()?)
}

fn division<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DivisionCode, D::Error> {
    // `try_parsing` makes a number of twelve digits.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Text {
        Text(String),
        Number(u64),
    }
    let text = match Text::deserialize(deserializer)? {
        Text::Text(text) => text,
        Text::Number(number) => format!("{number:012}"),
    };
    text.parse().map_err(de::Error::custom)
}
