//! The window: the part of the opened base that a piece is compressed against. Steps move it in the same way on both
//! sides.

use super::bytes::Bytes;
use super::deflate::{BUFFER_BYTES, Inflating};
use super::error::PatchError;
use super::format::{Step, fits_window};
use super::work::Work;

/// Dropped bytes that may stay in memory.
const DROPPED_BYTES_MAX: usize = 2 << 20;

/// A window over the opened base.
#[derive(Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    dropped: usize,
    inflating: Option<Inflating>,
}

impl Window {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.dropped..]
    }

    /// Applies a step to the window.
    ///
    /// Errors: [`PatchError::Malformed`] if the window would grow too large or lacks the bytes; [`PatchError::Bomb`],
    /// [`PatchError::Stopped`], [`PatchError::Io`].
    pub fn step(&mut self, step: Step, base: &(impl Bytes + ?Sized), work: &mut Work) -> Result<(), PatchError> {
        match step {
            Step::Drop(bytes) => {
                if bytes > self.bytes().len() as u64 {
                    return Err(PatchError::Malformed("more dropped than there is"));
                }
                work.done(bytes)?;
                self.dropped += bytes as usize;
                if self.dropped > DROPPED_BYTES_MAX {
                    self.bytes.drain(..self.dropped);
                    self.dropped = 0;
                }
            }
            Step::Lay { offset, bytes } => {
                let from = self.grow(bytes, work)?;
                base.fill_at(&mut self.bytes[from..], offset)?;
            }
            Step::Open { offset, bytes } => self.inflating = Some(Inflating::begin(offset, bytes)),
            Step::Skip(mut bytes) => {
                let mut buffer = vec![0; BUFFER_BYTES];
                while bytes > 0 {
                    let some = bytes.min(BUFFER_BYTES as u64) as usize;
                    self.inflate(base, &mut buffer[..some], work)?;
                    bytes -= some as u64;
                }
            }
            Step::Take(bytes) => {
                let from = self.grow(bytes, work)?;
                let mut taken = std::mem::take(&mut self.bytes);
                let inflated = self.inflate(base, &mut taken[from..], work);
                self.bytes = taken;
                inflated?;
            }
            Step::Copy { .. } | Step::Plain(_) | Step::Deflate { .. } => {
                return Err(PatchError::Malformed("a step that moves no window"));
            }
        }
        Ok(())
    }

    fn inflate(&mut self, base: &(impl Bytes + ?Sized), out: &mut [u8], work: &mut Work) -> Result<(), PatchError> {
        let inflating = self.inflating.as_mut().ok_or(PatchError::Malformed("nothing is being inflated"))?;
        match inflating.read(base, out, work)? {
            inflated if inflated == out.len() => Ok(()),
            _ => Err(PatchError::Malformed("a stream that ends too early")),
        }
    }

    fn grow(&mut self, bytes: u64, work: &mut Work) -> Result<usize, PatchError> {
        let from = self.bytes.len();
        if !fits_window((self.bytes().len() as u64).saturating_add(bytes)) {
            return Err(PatchError::Malformed("a window that is too large"));
        }
        work.done(bytes)?;
        // Reserve exactly, because a vector would double its capacity.
        self.bytes.reserve_exact((bytes as usize).next_multiple_of(1 << 20));
        self.bytes.resize(from + bytes as usize, 0);
        Ok(from)
    }
}
