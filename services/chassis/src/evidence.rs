//! Evidence: files by the hash of their content, in any object store.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{bucket::BucketConfig, error::Error, upload::BYTES_MAX};

/// What a paper or photo may be, by its first bytes: nothing that a browser would run.
const CONTENT_TYPES: [&str; 5] = [
    "application/pdf",
    "image/heif",
    "image/jpeg",
    "image/png",
    "image/webp",
];
/// Bytes that tell what a file is.
const MAGIC_BYTES: usize = 64;

/// Pieces of 5 MiB of one file that wait for the store: whoever sends faster than it takes, waits.
const PIECES_MAX: usize = 2;
/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRef {
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
    /// What its first bytes say it is.
    pub content_type: &'static str,
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

    /// Files below a folder, which is made when it is not there.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn folder(folder: &std::path::Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(folder)?;
        // What was acknowledged is there after a power cut, as it is in the database.
        Ok(Self::new(Arc::new(store.with_fsync(true))))
    }

    /// Files in a bucket. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// A setting is not right, or the file of authorities cannot be read.
    pub fn bucket(config: &BucketConfig) -> anyhow::Result<Self> {
        config.open().map(Self::new)
    }

    /// Stores a stream, hashing while it runs. Half a stream leaves nothing under any hash.
    ///
    /// `upload` is a fresh id that names the file until its hash is known.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`BYTES_MAX`]; [`Error::Invalid`] for a file that is no paper or
    /// photo; the stream's own; or the store fails.
    pub async fn put(
        &self,
        upload: Uuid,
        mut content: impl Stream<Item = Result<Bytes, Error>> + Unpin,
    ) -> Result<EvidenceRef, Error> {
        let mut begun = Vec::new();
        while begun.len() < MAGIC_BYTES
            && let Some(chunk) = content.next().await
        {
            begun.extend_from_slice(&chunk?);
        }
        let content_type = content_type(&begun)?;
        let incoming = Path::from(format!("incoming/{upload}"));
        let mut write = WriteMultipart::new(self.0.put_multipart(&incoming).await.map_err(failed)?);
        let (mut hash, mut bytes) = (Sha256::new(), 0u64);
        let first = futures::stream::once(std::future::ready(Ok(Bytes::from(begun))));
        let mut content = first.chain(content);
        while let Some(chunk) = content.next().await {
            let fits = chunk.and_then(|chunk| {
                bytes += chunk.len() as u64;
                let limit = || format!("a file of {} MiB", BYTES_MAX / 1024 / 1024);
                match bytes <= BYTES_MAX {
                    true => Ok(chunk),
                    false => Err(Error::TooLarge { limit: limit() }),
                }
            });
            let taken = match fits {
                Ok(chunk) => {
                    hash.update(&chunk);
                    write.put(chunk);
                    write.wait_for_capacity(PIECES_MAX).await.map_err(failed)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                // What is left is looked for by no hash.
                let _ = write.abort().await;
                return Err(error);
            }
        }
        write.finish().await.map_err(failed)?;
        let sha256 = hex::encode(hash.finalize());
        let stored = self.0.rename(&incoming, &path_of(&sha256)).await;
        stored.map_err(failed)?;
        Ok(EvidenceRef {
            sha256,
            bytes,
            content_type,
        })
    }

    /// Stores a few bytes under no hash, reads them back and takes them away again. `id` is a fresh one.
    ///
    /// # Errors
    /// What is wrong with the store, in a few words.
    pub async fn try_out(&self, id: Uuid) -> Result<(), String> {
        let path = Path::from(format!("incoming/{id}"));
        let content = Bytes::from_static(b"try-out");
        let tried = async {
            self.0.put(&path, content.clone().into()).await?;
            let found = self.0.get(&path).await?.bytes().await?;
            self.0.delete(&path).await?;
            Ok(found)
        };
        match tried.await {
            Ok(found) if found == content => Ok(()),
            Ok(_) => Err("gives back something else".to_owned()),
            Err(error) => Err(in_few_words(&error)),
        }
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

/// Without a server's own words: they may repeat the name of the key.
fn in_few_words(error: &object_store::Error) -> String {
    match error {
        object_store::Error::PermissionDenied { .. }
        | object_store::Error::Unauthenticated { .. } => return "refuses the key".to_owned(),
        object_store::Error::NotFound { .. } => return "is not there".to_owned(),
        _ => {}
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind().to_string();
        }
        cause = error.source();
    }
    "does not answer as it should".to_owned()
}

fn content_type(begun: &[u8]) -> Result<&'static str, Error> {
    let found = infer::get(begun).map(|kind| kind.mime_type());
    let allowed = found.filter(|found| CONTENT_TYPES.contains(found));
    let expected = "a PDF or a JPEG, PNG, WebP or HEIC photo";
    allowed.ok_or_else(|| Error::invalid("file", "FILE_TYPE", expected))
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

    const PDF: &[u8] = b"%PDF-1.4 a paper";

    fn store() -> (EvidenceStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = EvidenceStore::folder(folder.path()).expect("a store");
        (store, folder)
    }

    fn chunks(content: &[u8], size: usize) -> impl Stream<Item = Result<Bytes, Error>> + Unpin {
        let chunks = content.chunks(size).map(|c| Ok(Bytes::copy_from_slice(c)));
        stream::iter(chunks.collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn finds_by_hash_and_notices_alteration() {
        let (store, folder) = store();
        let put = store.put(Uuid::from_u128(1), chunks(PDF, 3)).await;
        let stored = put.expect("stored");
        assert_eq!((stored.bytes, stored.content_type), (16, "application/pdf"));
        assert_eq!(store.get(&stored.sha256).await.expect("found"), PDF);
        let again = store.put(Uuid::from_u128(2), chunks(PDF, 16)).await;
        assert_eq!(
            again.expect("stored"),
            stored,
            "the same content is one file"
        );

        let hash = &stored.sha256;
        let file = folder.path().join("sha256").join(&hash[..2]).join(hash);
        std::fs::write(&file, b"%PDF-1.4 another").expect("altered");
        assert!(matches!(store.get(hash).await, Err(Error::Internal(_))));
        std::fs::remove_file(file).expect("removed");
        assert!(matches!(store.get(hash).await, Err(Error::NotFound { .. })));
    }

    #[tokio::test]
    async fn a_store_is_tried_out_and_left_as_it_was() {
        let (store, folder) = store();
        store.try_out(Uuid::from_u128(1)).await.expect("well");
        let incoming = std::fs::read_dir(folder.path().join("incoming"));
        assert_eq!(incoming.expect("there").count(), 0);
        std::fs::remove_dir_all(folder.path()).expect("removed");
        std::fs::write(folder.path(), "no folder").expect("written");
        let said = store.try_out(Uuid::from_u128(2)).await;
        assert_eq!(said, Err("not a directory".to_owned()));
        std::fs::remove_file(folder.path()).expect("removed");
    }

    #[tokio::test]
    async fn half_a_stream_leaves_nothing() {
        let (store, folder) = store();
        let cut = stream::iter([
            Ok(Bytes::from(PDF.repeat(9))),
            Err(Error::invalid("file", "INCOMPLETE", "all")),
        ]);
        assert!(store.put(Uuid::from_u128(2), cut).await.is_err());
        assert!(!folder.path().join("sha256").exists());
    }

    #[tokio::test]
    async fn what_a_browser_would_run_is_no_paper() {
        let (store, _folder) = store();
        for content in [
            &b"<svg onload=alert(1)>"[..],
            b"<html>",
            b"MZ\x90\0",
            b"",
            b"%PD",
        ] {
            let put = store.put(Uuid::from_u128(3), chunks(content, 5)).await;
            assert!(matches!(put, Err(Error::Invalid(_))), "{content:?}");
        }
    }

    #[tokio::test]
    async fn a_file_has_a_limit() {
        let (store, folder) = store();
        let endless = stream::iter((0..).map(|at| {
            Ok(match at {
                0 => Bytes::from_static(PDF),
                _ => Bytes::from(vec![0; 1024 * 1024]),
            })
        }));
        let put = store.put(Uuid::from_u128(4), endless).await;
        assert!(matches!(put, Err(Error::TooLarge { .. })));
        assert!(!folder.path().join("sha256").exists());
    }
}
