//! Patches: a blob made from a similar one that the other side holds, and from what differs.
//!
//! What deflate has made of the members of a zip, or of a gzip file, is undone first, where zlib is proven to make the same bytes of
//! it again; the rest is taken as it is. What is then left differs little between two versions, and each piece of it is
//! compressed with the matching part of the old one as a prefix. The format is in `protocol/SPEC.md`.
//!
//! Pure: bytes in, bytes out, in a working set that [`PIECE_BYTES_MAX`] and [`WINDOW_BYTES_MAX`] bound. Nobody has to trust
//! what comes out: its name is its hash.

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

/// Bytes of opened content in one piece. 8 MiB: both sides have one in memory, compressed and not.
pub const PIECE_BYTES_MAX: usize = 8 << 20;
/// Bytes of opened old content that a piece is compared with. 20 MiB: with a piece, what it was compressed to, and the tables of
/// the compressor, within a working set of 64 MiB.
pub const WINDOW_BYTES_MAX: usize = 20 << 20;
/// Bytes of a piece's instructions: some 100,000 of them.
pub const STEPS_BYTES_MAX: usize = 1 << 20;
/// Opened bytes, old and new, to each byte of the two blobs: more is a bomb, or an archive of nothing but zeros.
const WORK_RATIO_MAX: u64 = 64;
/// Opened bytes that are always allowed, so that a few small blobs of zeros are no bomb.
const WORK_BYTES_MIN: u64 = 64 << 20;

/// Bytes that can be read at any place.
pub trait Bytes: Sync {
    /// Returns how many there are.
    fn size(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset` on. Errors: [`io::ErrorKind::UnexpectedEof`] where there are not so many.
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

/// Why a patch cannot be made, or makes nothing.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// Bytes could not be read or written.
    #[error("cannot read or write")]
    Io(#[from] io::Error),
    /// It is no patch, or one of another version.
    #[error("no patch of a version that is known")]
    NoPatch,
    /// The patch contradicts itself, its base or its limits.
    #[error("the patch is malformed: {0}")]
    Malformed(&'static str),
    /// Opened, the two would be more than anybody should have to handle.
    #[error("opened, the two are more than {WORK_RATIO_MAX} times as large")]
    Bomb,
    /// The patch would have more bytes than it may.
    #[error("the patch would have more than {bytes_max} bytes")]
    TooLarge {
        /// What it may have.
        bytes_max: u64,
    },
    /// Nobody waits for it any longer.
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

/// Counts opened bytes, and ends what has become too much of it, or that nobody waits for.
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
