//! Why a patch was not made or applied.

use std::io;

use super::limits::WORK_RATIO_MAX;

/// A failure to make or to apply a patch.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    #[error("cannot read or write")]
    Io(#[from] io::Error),
    /// The input is not a patch, or has another version.
    #[error("no patch of a version that is known")]
    NoPatch,
    /// The patch contradicts itself, its base or its limits.
    #[error("the patch is malformed: {0}")]
    Malformed(&'static str),
    /// The opened content of the two blobs exceeds the limit; see [`WORK_RATIO_MAX`].
    #[error("opened, the two are more than {WORK_RATIO_MAX} times as large")]
    Bomb,
    /// The patch would exceed the maximum size.
    #[error("the patch would have more than {bytes_max} bytes")]
    TooLarge {
        /// The maximum.
        bytes_max: u64,
    },
    /// The caller set `stop`.
    #[error("given up")]
    Stopped,
}

impl From<PatchError> for io::Error {
    fn from(error: PatchError) -> Self {
        match error {
            PatchError::Io(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other),
        }
    }
}
