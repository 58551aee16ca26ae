//! Who calls: bearer JWTs of an OIDC issuer, verified in every service.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use futures::future::BoxFuture;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header, get_current_timestamp,
    jwk::{AlgorithmParameters, EllipticCurve, JwkSet},
};
use kernel::{Code, Department, DivisionCode, Principal, Role, Scope};
use moka::future::Cache;
use serde::Deserialize;
use tonic::{Status, body::Body};

use crate::{client, config::AuthConfig, error::Error, lifecycle::Lifecycle};

/// A token longer than this is not looked at: ours have some 400 bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// Difference that clocks of issuer and service may have.
const LEEWAY_SECONDS: u64 = 60;
/// A storm of unknown key ids asks the issuer no more often than this.
const REFETCH_EVERY: Duration = Duration::from_secs(30);
/// The same while there is no key at all.
const FETCH_EVERY: Duration = Duration::from_secs(1);
/// A key that the issuer has withdrawn, because somebody stole it perhaps, is good no longer than this.
const RELOAD_EVERY: Duration = Duration::from_secs(5 * 60);

/// A signature is checked once, not in every call that a page makes of every service: that would be most of
/// what a small call costs. Whoever comes back later is checked again.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// All who are logged in in a county, some megabytes.
const REMEMBERED_MAX: u64 = 10_000;

/// Every RPC of a service, and the roles that may call it.
pub type Access = &'static [(&'static str, &'static [Role])];

/// A verified caller and the token to pass on in its name.
#[derive(Clone)]
pub struct Caller {
    /// Who it is and what it may see.
    pub principal: Principal,
    /// When the token ends, in seconds of the epoch.
    pub expires_at: u64,
    token: Arc<str>,
}

impl Caller {
    /// A caller without a token, for a service's own work inside its own database and for tests.
    #[must_use]
    pub fn internal(principal: Principal) -> Self {
        Self {
            principal,
            expires_at: u64::MAX,
            token: "".into(),
        }
    }

    /// Whether the caller's role may call `rpc`. Which rows it sees is another matter: scope decides.
    ///
    /// # Errors
    /// [`Error::PermissionDenied`] when the table does not say so.
    pub fn check(&self, table: Access, rpc: &str) -> Result<(), Error> {
        let allowed = table
            .iter()
            .any(|(name, roles)| *name == rpc && roles.contains(&self.principal.role));
        if allowed {
            Ok(())
        } else {
            Err(Error::PermissionDenied)
        }
    }

    /// The token, for the `authorization` header of calls in the caller's name.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("role", &self.principal.role)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    role: String,
    division: String,
    department: Option<String>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Verifies bearer tokens against the keys of the issuer. Cheap to clone.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    issuer: String,
    audience: String,
    source: String,
    keys: RwLock<Arc<Vec<Key>>>,
    /// By token.
    remembered: Cache<Arc<str>, Caller>,
    fetched: Mutex<Instant>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("issuer", &self.0.issuer)
            .finish_non_exhaustive()
    }
}

impl Authenticator {
    /// Loads the issuer's keys. An issuer that does not answer is asked again, once a second at most,
    /// until it does; nobody is let in meanwhile.
    ///
    /// # Errors
    /// The key set is a file that cannot be read or holds no usable key.
    pub async fn new(config: &AuthConfig) -> anyhow::Result<Self> {
        let keys = match load_keys(&config.jwks).await {
            Err(error) if is_url(&config.jwks) => {
                tracing::warn!(error = format!("{error:#}"), "no keys of the issuer yet");
                Vec::new()
            }
            loaded => loaded?,
        };
        Ok(Self::of(config, keys))
    }

    /// The same where there are keys now, and how many.
    ///
    /// # Errors
    /// There are none, or none that can be had.
    pub(crate) async fn with_keys(config: &AuthConfig) -> anyhow::Result<(Self, usize)> {
        let keys = load_keys(&config.jwks).await?;
        let many = keys.len();
        Ok((Self::of(config, keys), many))
    }

    fn of(config: &AuthConfig, keys: Vec<Key>) -> Self {
        Self(Arc::new(Inner {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            source: config.jwks.clone(),
            keys: RwLock::new(Arc::new(keys)),
            remembered: Cache::builder()
                .max_capacity(REMEMBERED_MAX)
                .time_to_live(REMEMBERED_FOR)
                .build(),
            fetched: Mutex::new(Instant::now()),
        }))
    }

    /// Whether there are keys; asks the issuer for them when there are none.
    pub async fn has_keys(&self) -> bool {
        if self.keys().is_empty()
            && self.may_refetch(FETCH_EVERY)
            && let Ok(keys) = load_keys(&self.0.source).await
        {
            self.take(keys);
        }
        !self.keys().is_empty()
    }

    /// Asks for the issuer's keys anew; those that are there stay where it does not give any.
    pub async fn reload(&self) {
        match load_keys(&self.0.source).await {
            Ok(keys) => self.take(keys),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the issuer's keys stay"),
        }
    }

    /// Does so every five minutes.
    pub fn spawn_reloading(&self, lifecycle: &Lifecycle) {
        let (own, stopping) = (self.clone(), lifecycle.clone());
        lifecycle.spawn("issuer", async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(RELOAD_EVERY) => own.reload().await,
                    () = stopping.stopping() => return,
                }
            }
        });
    }

    fn take(&self, keys: Vec<Key>) {
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        // A key that the issuer has withdrawn vouches for nobody any more.
        self.0.remembered.invalidate_all();
    }

    /// The caller of a bearer token.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] whatever is wrong with it: the answer tells nothing.
    /// [`Error::Unavailable`] before there were any keys.
    pub async fn verify(&self, token: &str) -> Result<Caller, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::Unauthenticated);
        }
        if let Some(caller) = self.0.remembered.get(token).await
            && caller.expires_at.saturating_add(LEEWAY_SECONDS) >= get_current_timestamp()
        {
            return Ok(caller);
        }
        if !self.has_keys().await {
            return Err(Error::Unavailable { what: "issuer" });
        }
        let keys = self.keys();
        if let Some(caller) = self.verify_with(&keys, token) {
            let known = &self.0.remembered;
            known.insert(caller.token.clone(), caller.clone()).await;
            if !Arc::ptr_eq(&keys, &self.keys()) {
                // Those keys are not the issuer's any more, or not all of them.
                known.invalidate(token).await;
            }
            return Ok(caller);
        }
        // Perhaps the issuer has rotated its keys; ask, but not for every bad token.
        let kid = decode_header(token).ok().and_then(|header| header.kid);
        let unknown = kid.is_some() && !self.keys().iter().any(|key| key.id == kid);
        if unknown
            && self.may_refetch(REFETCH_EVERY)
            && let Ok(keys) = load_keys(&self.0.source).await
        {
            self.take(keys);
            return self
                .verify_with(&self.keys(), token)
                .ok_or(Error::Unauthenticated);
        }
        Err(Error::Unauthenticated)
    }

    fn keys(&self) -> Arc<Vec<Key>> {
        self.0
            .keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn may_refetch(&self, every: Duration) -> bool {
        let mut fetched = self
            .0
            .fetched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let due = fetched.elapsed() >= every;
        if due {
            *fetched = Instant::now();
        }
        due
    }

    fn verify_with(&self, keys: &[Key], token: &str) -> Option<Caller> {
        let kid = decode_header(token).ok()?.kid;
        let candidates = keys.iter().filter(|key| kid.is_none() || key.id == kid);
        for key in candidates {
            // The algorithm is the key's, never the token's.
            let mut validation = Validation::new(key.algorithm);
            validation.set_issuer(&[&self.0.issuer]);
            validation.set_audience(&[&self.0.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation.validate_nbf = true;
            validation.leeway = LEEWAY_SECONDS;
            if let Ok(data) = decode::<Claims>(token, &key.key, &validation) {
                return caller_of(data.claims, token);
            }
        }
        None
    }
}

fn caller_of(claims: Claims, token: &str) -> Option<Caller> {
    if claims.sub.is_empty() || claims.sub.len() > 100 {
        return None;
    }
    let role = Role::parse(&claims.role).ok()?;
    let division: DivisionCode = claims.division.parse().ok()?;
    let department: Option<Department> = claims
        .department
        .map(|text| text.parse())
        .transpose()
        .ok()?;
    // A liaison without a department would see every department's alerts.
    if (role == Role::DepartmentLiaison) != department.is_some() {
        return None;
    }
    let scope = Scope {
        division,
        department,
    };
    let principal = Principal {
        subject: claims.sub,
        role,
        scope,
    };
    Some(Caller {
        principal,
        expires_at: claims.exp,
        token: token.into(),
    })
}

fn is_url(source: &str) -> bool {
    source.starts_with("https://") || source.starts_with("http://")
}

async fn load_keys(source: &str) -> anyhow::Result<Vec<Key>> {
    let text = if is_url(source) {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .build()?;
        client
            .get(source)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?
    } else {
        tokio::fs::read_to_string(source).await?
    };
    let set: JwkSet = serde_json::from_str(&text)?;
    let keys: Vec<Key> = set
        .keys
        .iter()
        .filter_map(|jwk| {
            let algorithm = match &jwk.algorithm {
                AlgorithmParameters::EllipticCurve(p) if p.curve == EllipticCurve::P256 => {
                    Algorithm::ES256
                }
                AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
                AlgorithmParameters::RSA(_) => Algorithm::RS256,
                _ => return None,
            };
            let key = DecodingKey::from_jwk(jwk).ok()?;
            Some(Key {
                id: jwk.common.key_id.clone(),
                algorithm,
                key,
            })
        })
        .collect();
    anyhow::ensure!(
        !keys.is_empty(),
        "the key set holds no ES256, EdDSA or RS256 key"
    );
    Ok(keys)
}

/// A service's own identity, for feed subscriptions and fact requests. The token lives in a file
/// that the platform renews; it is read again whenever the file changes.
#[derive(Clone)]
pub struct ServiceIdentity(Arc<IdentityInner>);

struct IdentityInner {
    file: PathBuf,
    authenticator: Authenticator,
    current: Mutex<Option<(SystemTime, Caller)>>,
}

impl fmt::Debug for ServiceIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceIdentity")
            .field("file", &self.0.file)
            .finish_non_exhaustive()
    }
}

impl ServiceIdentity {
    /// The identity whose token is in `file`.
    #[must_use]
    pub fn new(file: &Path, authenticator: Authenticator) -> Self {
        let file = file.to_owned();
        Self(Arc::new(IdentityInner {
            file,
            authenticator,
            current: Mutex::new(None),
        }))
    }

    /// This service as a caller.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the file holds no valid token.
    pub async fn caller(&self) -> Result<Caller, Error> {
        let unavailable = Error::Unavailable {
            what: "service identity",
        };
        let Ok(changed) = tokio::fs::metadata(&self.0.file)
            .await
            .and_then(|m| m.modified())
        else {
            return Err(unavailable);
        };
        let current = self
            .0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((read_at, caller)) = current
            && read_at == changed
        {
            return Ok(caller);
        }
        let Ok(token) = tokio::fs::read_to_string(&self.0.file).await else {
            return Err(unavailable);
        };
        let caller = self
            .0
            .authenticator
            .verify(token.trim())
            .await
            .map_err(|_| unavailable)?;
        *self
            .0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((changed, caller.clone()));
        Ok(caller)
    }
}

/// The caller that [`AuthLayer`] put into the request.
///
/// # Errors
/// [`Error::Unauthenticated`] when there is none.
pub fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Error> {
    request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or(Error::Unauthenticated)
}

/// Refuses every call without a valid token before a handler sees it. Health and reflection are
/// open: they say nothing of anybody.
#[derive(Debug, Clone)]
pub struct AuthLayer(pub Authenticator);

impl<S> tower::Layer<S> for AuthLayer {
    type Service = AuthService<S>;
    fn layer(&self, inner: S) -> Self::Service {
        AuthService {
            inner,
            authenticator: self.0.clone(),
        }
    }
}

/// See [`AuthLayer`].
#[derive(Debug, Clone)]
pub struct AuthService<S> {
    inner: S,
    authenticator: Authenticator,
}

impl<S> tower::Service<http::Request<Body>> for AuthService<S>
where
    S: tower::Service<http::Request<Body>, Response = http::Response<Body>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        // The clone takes the place of the instance that was polled ready.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let path = request.uri().path();
        if path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.") {
            return Box::pin(inner.call(request));
        }
        let authenticator = self.authenticator.clone();
        Box::pin(async move {
            let caller = match bearer(request.headers()) {
                Some(token) => authenticator.verify(token).await,
                None => Err(Error::Unauthenticated),
            };
            match caller {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                // Without the issuer's keys; another replica may have them.
                Err(error @ Error::Unavailable { .. }) => Ok(client::not_looked_at(error)),
                Err(error) => Ok(Status::from(error).into_http()),
            }
        })
    }
}

/// The token of an `Authorization: Bearer …` header.
#[must_use]
pub fn bearer(headers: &http::HeaderMap) -> Option<&str> {
    headers
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}
