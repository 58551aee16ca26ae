//! What a file is, by its first bytes.

/// What a file is. Its name tells nothing: people rename files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text, or what is none of the others.
    Text,
    /// A text in a gzip.
    Gzip,
    /// A stream of Arrow IPC.
    ArrowStream,
    /// A file of Arrow IPC (Feather).
    ArrowFile,
    /// Parquet, encrypted or not.
    Parquet,
}

const ARROW_FILE: &[u8] = b"ARROW1";
const PARQUET: [&[u8]; 2] = [b"PAR1", b"PARE"];
/// Before each message of a stream; no text begins like that.
const CONTINUED: &[u8] = b"\xFF\xFF\xFF\xFF";
const GZIP: &[u8] = b"\x1F\x8B";

impl Kind {
    /// As many bytes as it takes to tell.
    pub const BYTES: usize = ARROW_FILE.len();

    /// Tells what begins with these bytes.
    #[must_use]
    pub fn of(beginning: &[u8]) -> Self {
        match () {
            () if beginning.starts_with(ARROW_FILE) => Self::ArrowFile,
            () if beginning.starts_with(CONTINUED) => Self::ArrowStream,
            () if PARQUET.iter().any(|magic| beginning.starts_with(magic)) => Self::Parquet,
            () if beginning.starts_with(GZIP) => Self::Gzip,
            () => Self::Text,
        }
    }
}
