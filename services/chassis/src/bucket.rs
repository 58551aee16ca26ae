//! Files of others, in a folder or in a bucket of a server that speaks S3.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig,
    aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::error::Error;

/// A server that is there takes a connection at once.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// And a piece of a file within this.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A call that met a fault of the server or of the network is made anew so often, within so long.
const RETRIES_MAX: usize = 2;
const RETRY_WITHIN: Duration = Duration::from_secs(3);

/// A bucket of a server that speaks S3.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketConfig {
    /// URL of the server, `https://…`; the bucket's name is part of the path.
    pub endpoint: String,
    /// The bucket; it has to be there.
    pub bucket: String,
    /// What the server calls its region.
    #[serde(default = "region")]
    pub region: String,
    /// Whose the bucket is: name of the key.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub access_key_id: SecretString,
    /// The key itself.
    #[schemars(with = "String", extend("writeOnly" = true))]
    pub secret_access_key: SecretString,
    /// File with certificates of authorities that are trusted beside those of the web, PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

fn region() -> String {
    "us-east-1".to_owned()
}

impl BucketConfig {
    /// The bucket. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// A setting is not right, or the file of authorities cannot be read.
    pub fn open(&self) -> anyhow::Result<Arc<dyn ObjectStore>> {
        let mut client = ClientOptions::new()
            .with_connect_timeout(CONNECT_WITHIN)
            .with_timeout(ANSWER_WITHIN)
            // Said by the URL, as of peers: a deployment's own network may encrypt.
            .with_allow_http(self.endpoint.starts_with("http://"));
        if let Some(file) = &self.ca_file {
            let pem = std::fs::read(file).with_context(|| format!("ca_file {}", file.display()))?;
            for authority in Certificate::from_pem_bundle(&pem).context("ca_file")? {
                client = client.with_root_certificate(authority);
            }
        }
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_WITHIN,
        };
        let store = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(self.access_key_id.expose_secret())
            .with_secret_access_key(self.secret_access_key.expose_secret())
            .with_client_options(client)
            .with_retry(retry)
            .build()?;
        Ok(Arc::new(store))
    }
}

/// Files that somebody has put somewhere, to be read as they come.
#[derive(Debug, Clone)]
pub struct Files(Arc<dyn ObjectStore>);

impl Files {
    /// Those below a folder, which has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn folder(folder: &std::path::Path) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(LocalFileSystem::new_with_prefix(folder)?)))
    }

    /// Those in a bucket.
    ///
    /// # Errors
    /// See [`BucketConfig::open`].
    pub fn bucket(config: &BucketConfig) -> anyhow::Result<Self> {
        config.open().map(Self)
    }

    /// The content of a file, in pieces. `key` is a path without `..`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Unavailable`], then or while it comes.
    pub async fn get(
        &self,
        key: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + use<>, Error> {
        // What is no path is no file.
        let path = Path::parse(key).map_err(|_| Error::NotFound { what: "file" })?;
        let found = self.0.get(&path).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Error::NotFound { what: "file" },
            error => failed(&error),
        })?;
        let pieces = found.into_stream();
        Ok(pieces.map(|piece| piece.map_err(|error| failed(&error))))
    }
}

/// Names of files are not told: somebody may have named one after a person.
fn failed(_: &object_store::Error) -> Error {
    tracing::warn!("files of others cannot be read");
    Error::Unavailable { what: "files" }
}
