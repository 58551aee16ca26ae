//! The development issuer: mints the tokens that a deployment gets from its OIDC issuer.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use ed25519_dalek::pkcs8::{EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use kernel::{Code, DivisionCode, Role};
use serde_json::{Value, json};

use crate::folder::{random_bytes, write_private};

const ISSUER: &str = "https://issuer.backstop.invalid";
const AUDIENCE: &str = "backstop";
/// A working day of somebody who tries the platform.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Service tokens outlive two renewals, so that one that fails is noticed and not felt.
const SERVICE_LIFETIME: Duration = Duration::from_secs(48 * 3600);

/// The issuer. Its key never leaves the data folder.
pub struct Issuer {
    folder: PathBuf,
    key: EncodingKey,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Whom a token is for.
#[derive(Debug, Clone)]
pub struct Account {
    /// Account name; never a person's.
    pub name: String,
    /// What the account acts as.
    pub role: Role,
    /// What it may see.
    pub division: DivisionCode,
    /// Department of a liaison.
    pub department: Option<String>,
}

impl Account {
    /// An account that is named after its role and division.
    #[must_use]
    pub fn new(role: Role, division: DivisionCode) -> Self {
        let name = format!(
            "{}-{division}",
            role.as_str().to_lowercase().replace('_', "-")
        );
        Self {
            name,
            role,
            division,
            department: None,
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// The same for a department.
    #[must_use]
    pub fn of_department(mut self, department: &str) -> Self {
        self.department = Some(department.to_owned());
        self
    }
}

impl Issuer {
    /// Opens the issuer of a folder; makes its key the first time.
    ///
    /// # Errors
    /// The folder cannot be written or holds something that is no key.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("issuer.pem");
        if !path.exists() {
            // Without the public half: jsonwebtoken reads no other form.
            let key = KeypairBytes {
                secret_key: random_bytes(),
                public_key: None,
            };
            let pem = key
                .to_pkcs8_pem(LineEnding::LF)
                .context("cannot encode the issuer's key")?;
            write_private(&path, pem.as_bytes())?;
        }
        let pem = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let key = EncodingKey::from_ed_pem(&pem).context("issuer.pem is no Ed25519 key")?;
        let public = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
        let jwks = json!({ "keys": [public] }).to_string();
        let jwks_path = folder.join("jwks.json");
        // Another process may be reading it: leave it alone when it is right.
        if fs::read_to_string(&jwks_path).ok().as_deref() != Some(&jwks) {
            write_private(&jwks_path, jwks.as_bytes())?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            key,
        })
    }

    /// A token for an account.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn mint(&self, account: &Account) -> anyhow::Result<String> {
        self.mint_for(account, LIFETIME)
    }

    /// The same for as long as is asked for.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn mint_for(&self, account: &Account, lifetime: Duration) -> anyhow::Result<String> {
        self.sign(account, lifetime)
    }

    /// Writes the token file of a service and returns its `auth` configuration.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn service(&self, service: &str, county: DivisionCode) -> anyhow::Result<Value> {
        self.renew(service, county)?;
        Ok(json!({
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwks": self.folder.join("jwks.json"),
            "service_token_file": self.token_file(service),
        }))
    }

    /// Renews the token file of a service.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn renew(&self, service: &str, county: DivisionCode) -> anyhow::Result<()> {
        let account = Account::new(Role::Service, county).named(&format!("service:{service}"));
        let token = self.sign(&account, SERVICE_LIFETIME)?;
        let file = self.token_file(service);
        fs::create_dir_all(self.folder.join("tokens"))?;
        write_private(&file, token.as_bytes())
    }

    fn token_file(&self, service: &str) -> PathBuf {
        self.folder.join("tokens").join(format!("{service}.jwt"))
    }

    /// Tokens end by the machine's clock, whatever a demonstration does to the county's.
    fn sign(&self, account: &Account, lifetime: Duration) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        self.sign_claims(&json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": account.name,
            "role": account.role.as_str(),
            "division": account.division.as_str(),
            "department": account.department,
            "iat": now.as_secs(),
            "exp": (now + lifetime).as_secs(),
        }))
    }

    /// Signs any claims: tests need bad ones.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn sign_claims(&self, claims: &Value) -> anyhow::Result<String> {
        Ok(jsonwebtoken::encode(
            &Header::new(Algorithm::EdDSA),
            claims,
            &self.key,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use chassis::{auth::Authenticator, config::AuthConfig};

    use super::*;

    #[tokio::test]
    async fn services_accept_its_tokens_and_a_second_opening_keeps_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let county: DivisionCode = "999999000000".parse().expect("a code");
        let issuer = Issuer::open(folder.path()).expect("made");
        let config: AuthConfig =
            serde_json::from_value(issuer.service("workflow", county).expect("written"))
                .expect("an auth configuration");
        let verifier = Authenticator::new(&config).await.expect("keys");

        let account = Account::new(Role::DepartmentLiaison, county).of_department("education");
        let again = Issuer::open(folder.path()).expect("read");
        let caller = verifier
            .verify(&again.mint(&account).expect("minted"))
            .await
            .expect("valid");
        assert_eq!(caller.principal.subject, "department-liaison-999999000000");
        assert_eq!(
            caller
                .principal
                .scope
                .department
                .map(|d| d.to_string())
                .as_deref(),
            Some("education")
        );

        let own = fs::read_to_string(config.service_token_file).expect("there");
        let service = verifier.verify(&own).await.expect("valid");
        assert_eq!(service.principal.role, Role::Service);
    }
}
