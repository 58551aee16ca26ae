//! Files that come as streams of chunks: kept on disk without a name, of bounded size.

use std::{fs::File, io::Write, sync::LazyLock};

use opentelemetry::metrics::Counter;
use sha2::{Digest, Sha256};

use crate::{error::Error, telemetry};

/// Largest file: a register of a county's rows is below.
pub const BYTES_MAX: u64 = 50 * 1024 * 1024;

static ROWS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_intake_rows")
        .build()
});
static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    telemetry::meter()
        .u64_counter("backstop_intake_rows_refused")
        .build()
});

/// Counts what a piece of a file of a kind has brought: rows, and those that were refused.
pub fn count(kind: &'static str, rows: i64, refused: i64) {
    let labels = [telemetry::label("kind", kind)];
    ROWS.add(u64::try_from(rows).unwrap_or(0), &labels);
    REFUSED.add(u64::try_from(refused).unwrap_or(0), &labels);
}

/// A file on its way in.
#[derive(Debug)]
pub struct Upload {
    file: File,
    hash: Sha256,
    bytes: u64,
}

/// A file that has come. It has no name on the disk and goes when it is closed.
#[derive(Debug)]
pub struct Uploaded {
    /// The content.
    pub file: File,
    /// SHA-256 of the content in hex.
    pub sha256: String,
}

impl Upload {
    /// An empty file.
    ///
    /// # Errors
    /// The disk fails.
    pub fn begin() -> Result<Self, Error> {
        Ok(Self {
            file: tempfile::tempfile().map_err(failed)?,
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the file passes [`BYTES_MAX`]; the disk fails.
    pub fn write(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if self.bytes > BYTES_MAX {
            return Err(Error::TooLarge {
                limit: format!("a file of {} MiB", BYTES_MAX / 1024 / 1024),
            });
        }
        self.hash.update(chunk);
        self.file.write_all(chunk).map_err(failed)
    }

    /// The whole file.
    #[must_use]
    pub fn finish(self) -> Uploaded {
        Uploaded {
            file: self.file,
            sha256: hex::encode(self.hash.finalize()),
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match error.kind() {
        // Somebody makes room, and then it goes on.
        StorageFull | QuotaExceeded => {
            tracing::error!(%error, "no room for a file");
            Error::Unavailable { what: "disk" }
        }
        _ => Error::Internal(error.into()),
    }
}

/// A stream that broke off, or one that does not begin with its header, has brought nothing.
#[must_use]
pub fn incomplete() -> Error {
    Error::invalid("file", "INCOMPLETE", "a header and then the whole file")
}
