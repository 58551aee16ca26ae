//! Mutual TLS between the processes of a deployment: one authority, a certificate for each process, and
//! new ones taken from the same files while it runs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use opentelemetry::metrics::{Counter, Gauge};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use x509_cert::der::Decode;

use crate::{lifecycle::Lifecycle, telemetry};

/// New files are noticed within this time.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A chain and a bundle of authorities are some kilobytes; whatever is larger was named by mistake.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Connections that are being greeted at once; more wait in the socket's queue.
const HANDSHAKES_MAX: usize = 256;
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// Refused connections are told no more often than this, with how many there were.
const TELL_EVERY: Duration = Duration::from_secs(10);

static EXPIRES: LazyLock<Gauge<f64>> = LazyLock::new(|| {
    telemetry::meter()
        .f64_gauge("backstop_tls_certificate_expires_in")
        .with_unit("s")
        .build()
});
static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_tls_connections_refused")
        .build()
});

/// Certificates for the connections among the processes of a deployment. They are read again when the
/// files change.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// File with the certificates of the deployment's own authorities, PEM: whoever has a certificate of
    /// theirs belongs to it.
    #[schemars(with = "String")]
    pub ca_file: PathBuf,
    /// File with the process's own certificate and what leads from it to the authority, PEM.
    #[schemars(with = "String")]
    pub certificate_file: PathBuf,
    /// File with the certificate's key, PEM.
    #[schemars(with = "String")]
    pub key_file: PathBuf,
}

/// What the files hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: TlsConfig,
    /// Where the files are named.
    section: &'static str,
    current: RwLock<Arc<Current>>,
    refused: AtomicU64,
    /// Milliseconds since `began` from which refusals are told again.
    tell_at_ms: AtomicU64,
    began: Instant,
}

struct Current {
    generation: u64,
    read_at: [SystemTime; 3],
    server: Arc<ServerConfig>,
    client: ClientTlsConfig,
    expires_at: SystemTime,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the key.
        f.debug_struct("Current")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files that a section of the configuration names, and reads them again when they change,
    /// until the process stops.
    ///
    /// # Errors
    /// Names the setting and the file that cannot be read or does not hold what it should.
    pub fn open(
        config: &TlsConfig,
        section: &'static str,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Self> {
        REFUSED.add(0, &[]);
        let current = read(config, section, 1)?;
        let tls = Self(Arc::new(Inner {
            config: config.clone(),
            section,
            current: RwLock::new(Arc::new(current)),
            refused: AtomicU64::new(0),
            tell_at_ms: AtomicU64::new(0),
            began: Instant::now(),
        }));
        tls.judge(lifecycle);
        let (own, watched) = (lifecycle.clone(), tls.clone());
        lifecycle.spawn("tls.files", async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => watched.look(&own),
                    () = own.stopping() => return,
                }
            }
        });
        Ok(tls)
    }

    fn current(&self) -> Arc<Current> {
        let current = self.0.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes with the files.
    #[must_use]
    pub(crate) fn generation(&self) -> u64 {
        self.current().generation
    }

    /// When the certificate ends.
    pub(crate) fn expires_at(&self) -> SystemTime {
        self.current().expires_at
    }

    /// What a client connects with.
    pub(crate) fn client(&self) -> ClientTlsConfig {
        self.current().client.clone()
    }

    /// Reads the files again when they changed. What is not whole yet is not taken: it is looked at again.
    fn look(&self, lifecycle: &Lifecycle) {
        let current = self.current();
        let changed = read_at(&self.0.config).ok() != Some(current.read_at);
        if changed {
            match read(&self.0.config, self.0.section, current.generation + 1) {
                Ok(new) => {
                    let mut current = self
                        .0
                        .current
                        .write()
                        .unwrap_or_else(PoisonError::into_inner);
                    *current = Arc::new(new);
                    drop(current);
                    tracing::info!(section = self.0.section, "new certificates are in use");
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "new certificates cannot be used, the old ones stay");
                }
            }
        }
        self.judge(lifecycle);
    }

    /// Says when the certificate has ended.
    fn judge(&self, lifecycle: &Lifecycle) {
        const ENDED: &str = "tls.certificate_file";
        let expires_at = self.expires_at();
        let now = SystemTime::now();
        let left = match expires_at.duration_since(now) {
            Ok(left) => left.as_secs_f64(),
            Err(ago) => -ago.duration().as_secs_f64(),
        };
        EXPIRES.record(left, &[]);
        if left > 0.0 {
            lifecycle.there(ENDED);
            return;
        }
        let file = self.0.config.certificate_file.display();
        let since = chrono::DateTime::<chrono::Utc>::from(expires_at).format("%Y-%m-%dT%H:%M:%SZ");
        tracing::error!(
            setting = format!("{}.certificate_file", self.0.section),
            %file,
            "the certificate ended at {since}: nobody talks to this process"
        );
        lifecycle.missing(ENDED, format!("{file} ended at {since}"));
    }

    /// Connections of clients with a certificate of the deployment's authorities.
    pub(crate) fn incoming(
        self,
        listener: TcpListener,
        lifecycle: &Lifecycle,
    ) -> ReceiverStream<std::io::Result<TlsStream<TcpStream>>> {
        let (greeted, incoming) = mpsc::channel(HANDSHAKES_MAX);
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let own = lifecycle.clone();
        lifecycle.spawn("tls.accept", async move {
            loop {
                let Ok(permit) = handshakes.clone().acquire_owned().await else {
                    return;
                };
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = own.stopping() => return,
                    () = greeted.closed() => return,
                };
                let stream = match stream {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        // Out of files: others have to close some first.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        continue;
                    }
                };
                let (tls, greeted) = (self.clone(), greeted.clone());
                own.spawn("tls.handshake", async move {
                    let _permit = permit;
                    let _ = stream.set_nodelay(true);
                    let acceptor = TlsAcceptor::from(tls.current().server.clone());
                    let greeting = acceptor.accept(stream);
                    match tokio::time::timeout(HANDSHAKE_WITHIN, greeting).await {
                        Ok(Ok(stream)) => drop(greeted.send(Ok(stream)).await),
                        Ok(Err(error)) => tls.refused(&error),
                        Err(_) => tls.refused(&std::io::ErrorKind::TimedOut.into()),
                    }
                });
            }
        });
        ReceiverStream::new(incoming)
    }

    fn refused(&self, why: &std::io::Error) {
        REFUSED.add(1, &[]);
        let refused = self.0.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let now = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if now >= self.0.tell_at_ms.load(Ordering::Relaxed) {
            let next = now + u64::try_from(TELL_EVERY.as_millis()).unwrap_or(0);
            self.0.tell_at_ms.store(next, Ordering::Relaxed);
            tracing::warn!(refused, reason = %why, "connections without a good certificate");
        }
    }
}

fn read_at(config: &TlsConfig) -> std::io::Result<[SystemTime; 3]> {
    let changed = |file: &Path| fs::metadata(file)?.modified();
    Ok([
        changed(&config.ca_file)?,
        changed(&config.certificate_file)?,
        changed(&config.key_file)?,
    ])
}

fn read(config: &TlsConfig, section: &str, generation: u64) -> anyhow::Result<Current> {
    let text = |name: &str, file: &Path| {
        let said = || format!("{section}.{name}: {}", file.display());
        let bytes = fs::metadata(file).with_context(said)?.len();
        ensure!(bytes <= FILE_BYTES_MAX, "{} is too large", said());
        fs::read(file).with_context(said)
    };
    let said = |name: &str, file: &Path| format!("{section}.{name}: {}", file.display());
    // Times first: a file that changes while it is read is read again.
    let times = read_at(config).with_context(|| format!("{section}: cannot read the files"))?;
    let ca = text("ca_file", &config.ca_file)?;
    let certificate = text("certificate_file", &config.certificate_file)?;
    let key = text("key_file", &config.key_file)?;

    let mut authorities = RootCertStore::empty();
    for one in CertificateDer::pem_slice_iter(&ca) {
        let one = one.with_context(|| said("ca_file", &config.ca_file))?;
        let added = authorities.add(one);
        added.with_context(|| said("ca_file", &config.ca_file))?;
    }
    ensure!(
        !authorities.is_empty(),
        "{} holds no certificate",
        said("ca_file", &config.ca_file)
    );
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificate).collect();
    let chain = chain.with_context(|| said("certificate_file", &config.certificate_file))?;
    let own = chain.first();
    let own = own.with_context(|| {
        let said = said("certificate_file", &config.certificate_file);
        format!("{said} holds no certificate")
    })?;
    let expires_at =
        expiry(own).with_context(|| said("certificate_file", &config.certificate_file))?;
    // Without the library's words: they might show a part of the key.
    let private = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|_| anyhow::anyhow!("{} holds no key", said("key_file", &config.key_file)))?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(authorities.into(), provider.clone());
    let verifier = verifier
        .build()
        .with_context(|| said("ca_file", &config.ca_file))?;
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private)
        .with_context(|| {
            let key = said("key_file", &config.key_file);
            format!(
                "{key} does not belong to {}",
                config.certificate_file.display()
            )
        })?;
    server.alpn_protocols = vec![b"h2".to_vec()];
    let client = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&ca))
        .identity(Identity::from_pem(&certificate, &key));
    Ok(Current {
        generation,
        read_at: times,
        server: Arc::new(server),
        client,
        expires_at,
    })
}

fn expiry(certificate: &CertificateDer<'_>) -> anyhow::Result<SystemTime> {
    let certificate = x509_cert::Certificate::from_der(certificate)?;
    let end = certificate.tbs_certificate.validity.not_after;
    Ok(UNIX_EPOCH + end.to_unix_duration())
}
