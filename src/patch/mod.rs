//! Patches: transfer a blob as its difference from a similar blob that the other side holds.
//!
//! A patch works on opened content. It inflates the members of a zip archive, or a gzip file, if zlib is proven to
//! reproduce the compressed bytes exactly. Other bytes stay as they are. Opened versions differ little, and each piece
//! is compressed with the matching part of the old version as a prefix. `protocol/SPEC.md` describes the format.
//!
//! The code is pure, bytes in and bytes out. [`PIECE_BYTES_MAX`] and [`WINDOW_BYTES_MAX`] bound its memory. The output
//! needs no trust, because the receiver checks the blob's hash.

mod apply;
mod deflate;
mod format;
mod layout;
mod make;
mod map;
mod survey;
#[cfg(test)]
mod tests;
mod window;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicBool;

pub use apply::Applying;
pub use format::MAGIC;
pub use make::make;
pub use survey::{Survey, kinship, survey};

/// Maximum opened content of one piece. 8 MiB: both sides hold one piece in memory, plain and compressed.
pub const PIECE_BYTES_MAX: usize = 8 << 20;
/// Maximum opened old content that a piece is compared with. 20 MiB: together with a piece, its compressed form and the
/// compressor's tables, the working set stays within 64 MiB.
pub const WINDOW_BYTES_MAX: usize = 20 << 20;
/// Maximum size of a piece's steps, about 100,000 of them.
pub const STEPS_BYTES_MAX: usize = 1 << 20;
/// Maximum opened bytes per byte of both blobs. More is a decompression bomb, or an archive of zeros.
const WORK_RATIO_MAX: u64 = 64;
/// Opened bytes that are always allowed, so that small blobs of zeros do not count as bombs.
const WORK_BYTES_MIN: u64 = 64 << 20;

/// A byte sequence with positioned reads.
pub trait Bytes: Sync {
    /// Returns the size in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`. Errors: [`io::ErrorKind::UnexpectedEof`] if the sequence is too short.
    fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl Bytes for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

impl Bytes for [u8] {
    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn fill_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|from| self.get(from..)?.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

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

/// Counts opened bytes. Fails if they exceed the limit, or if the caller has set `stop`.
struct Work<'a> {
    left: u64,
    stop: &'a AtomicBool,
}

impl<'a> Work<'a> {
    fn allowed(new_bytes: u64, base_bytes: u64, stop: &'a AtomicBool) -> Self {
        let both = new_bytes.saturating_add(base_bytes);
        Self { left: both.saturating_mul(WORK_RATIO_MAX).saturating_add(WORK_BYTES_MIN), stop }
    }

    fn done(&mut self, bytes: u64) -> Result<(), PatchError> {
        if self.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(PatchError::Stopped);
        }
        self.left = self.left.checked_sub(bytes).ok_or(PatchError::Bomb)?;
        Ok(())
    }
}
