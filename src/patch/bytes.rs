//! Byte sequences that patches read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

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
