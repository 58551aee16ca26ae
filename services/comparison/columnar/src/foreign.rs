//! Where the formats' libraries are called.

use std::{
    io::{self, ErrorKind},
    panic::{AssertUnwindSafe, catch_unwind},
};

use comparison_engine::Error;

/// A file that contradicts itself. What a library says about it may quote the file, so it is not kept.
pub(crate) fn damaged() -> Error {
    Error::Damaged(io::Error::from(ErrorKind::InvalidData))
}

/// Calls a library with what a file says of itself. The libraries check nearly all of that; where they do
/// not they break off, and that must not be more than the end of this file.
pub(crate) fn guarded<T>(call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(damaged()))
}

/// One number of many; deterministic from release to release, for it stands in checkpoints.
pub(crate) fn fingerprint(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers
        .into_iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, number| {
            (hash ^ number)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .rotate_left(31)
        })
}
