//! Query tokens of the county: what signs them, what they are checked with (CMP-4).

use anyhow::Context as _;
use chassis::secret::SecretKey;
use comparison_query::token::{Keys, Signer};
use schemars::JsonSchema;
use serde::Deserialize;

/// Query tokens that go to departments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryConfig {
    /// Name of the county in its tokens, the same for ever; like a URL without its scheme.
    pub issuer: String,
    /// Ed25519 seed that tokens are signed with; the same on all replicas, and nobody else's.
    pub key: SecretKey,
    /// Seeds that tokens were signed with before and that are still good, at most 15.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true))]
    pub earlier_keys: Vec<SecretKey>,
}

/// What signs and checks tokens.
#[derive(Debug)]
pub struct Queries {
    pub signer: Signer,
    pub keys: Keys,
}

impl Queries {
    /// The county's keys.
    ///
    /// # Errors
    /// There are too many of them.
    pub fn new(config: &QueryConfig) -> anyhow::Result<Self> {
        let signer = |key: &SecretKey| Signer::new(&config.issuer, key.expose());
        let earlier = config.earlier_keys.iter().map(signer);
        let earlier: Vec<Signer> = earlier.collect::<Result<_, _>>()?;
        let signer = signer(&config.key)?;
        let keys = Keys::of(&signer, &earlier).context("queries.earlier_keys")?;
        Ok(Self { signer, keys })
    }
}
