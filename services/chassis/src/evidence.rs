//! Evidence: files by the hash of their content, in any object store.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::Error;

/// Largest file: a scan of some pages.
pub const FILE_BYTES_MAX: u64 = 50 * 1024 * 1024;

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRef {
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// Stores files under their hash; the same content twice is one file.
#[derive(Debug, Clone)]
pub struct EvidenceStore(Arc<dyn ObjectStore>);

impl EvidenceStore {
    /// Files in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self(store)
    }

    /// Stores a stream, hashing while it runs. Half a stream leaves nothing under any hash.
    ///
    /// `upload` is a fresh id that names the file until its hash is known.
    ///
    /// # Errors
    /// [`Error::TooLarge`], or the stream or the store fails.
    pub async fn put<E: std::error::Error + Send + Sync + 'static>(
        &self,
        upload: Uuid,
        mut content: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<EvidenceRef, Error> {
        let incoming = Path::from(format!("incoming/{upload}"));
        let mut write = WriteMultipart::new(self.0.put_multipart(&incoming).await.map_err(failed)?);
        let (mut hash, mut bytes) = (Sha256::new(), 0u64);
        while let Some(chunk) = content.next().await {
            let chunk = chunk.map_err(|error| Error::Internal(error.into()));
            bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
            let refused = match chunk {
                Ok(_) if bytes > FILE_BYTES_MAX => Some(Error::TooLarge {
                    limit: "50 MB".to_owned(),
                }),
                Ok(chunk) => {
                    hash.update(&chunk);
                    write.put(chunk);
                    None
                }
                Err(error) => Some(error),
            };
            if let Some(error) = refused {
                let _ = write.abort().await;
                return Err(error);
            }
        }
        write.finish().await.map_err(failed)?;
        let sha256 = hex::encode(hash.finalize());
        self.0
            .rename(&incoming, &path_of(&sha256))
            .await
            .map_err(failed)?;
        Ok(EvidenceRef { sha256, bytes })
    }

    /// The content of a file, checked against its hash.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Internal`] when the content was altered.
    pub async fn get(&self, sha256: &str) -> Result<Bytes, Error> {
        let content = match self.0.get(&path_of(sha256)).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::NotFound { what: "evidence" });
            }
            Err(error) => return Err(failed(error)),
        };
        if hex::encode(Sha256::digest(&content)) != sha256 {
            return Err(Error::Internal(anyhow::anyhow!(
                "evidence {sha256} was altered"
            )));
        }
        Ok(content)
    }
}

fn path_of(sha256: &str) -> Path {
    let (folder, _) = sha256.split_at_checked(2).unwrap_or(("", sha256));
    Path::from(format!("sha256/{folder}/{sha256}"))
}

fn failed(error: object_store::Error) -> Error {
    tracing::warn!(%error, "evidence store");
    Error::Unavailable {
        what: "evidence store",
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn store() -> (EvidenceStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let local = object_store::local::LocalFileSystem::new_with_prefix(folder.path());
        (
            EvidenceStore::new(Arc::new(local.expect("a store"))),
            folder,
        )
    }

    fn chunks(
        content: &[&'static [u8]],
    ) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin {
        stream::iter(
            content
                .iter()
                .map(|c| Ok(Bytes::from_static(c)))
                .collect::<Vec<_>>(),
        )
    }

    #[tokio::test]
    async fn finds_by_hash_and_notices_alteration() {
        let (store, folder) = store();
        let stored = store
            .put(Uuid::from_u128(1), chunks(&[b"a", b"bc"]))
            .await
            .expect("stored");
        assert_eq!(stored.bytes, 3);
        assert_eq!(store.get(&stored.sha256).await.expect("found"), "abc");
        let file = folder
            .path()
            .join("sha256")
            .join(&stored.sha256[..2])
            .join(&stored.sha256);
        std::fs::write(file, b"abd").expect("altered");
        assert!(matches!(
            store.get(&stored.sha256).await,
            Err(Error::Internal(_))
        ));
    }

    #[tokio::test]
    async fn half_a_stream_leaves_nothing() {
        let (store, folder) = store();
        let broken = stream::iter([
            Ok(Bytes::from_static(b"a")),
            Err(std::io::Error::other("cut")),
        ]);
        assert!(store.put(Uuid::from_u128(2), broken).await.is_err());
        assert!(!folder.path().join("sha256").exists());
    }
}
