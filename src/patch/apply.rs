//! Applies a patch to a base and yields the new blob.

use std::io::{self, Read};
use std::sync::atomic::AtomicBool;

use zstd::zstd_safe::DCtx;

use super::bytes::Bytes;
use super::deflate::{BUFFER_BYTES, Levels};
use super::error::PatchError;
use super::format::{Head, MAGIC, Step, StepReader};
use super::window::Window;
use super::work::Work;

/// Produces the new blob while it is read. Does not know the blob's hash: the reader must check it.
pub struct Applying<'a, B: Bytes + ?Sized, P: Read> {
    base: &'a B,
    patch: P,
    work: Work<'a>,
    window: Window,
    steps: StepReader,
    /// The unfinished step.
    step: Option<Step>,
    levels: Levels,
    /// The level of a deflate stream that continues in the next piece.
    open: Option<u8>,
    plain: Vec<u8>,
    plain_read: usize,
    out: Vec<u8>,
    out_read: usize,
    /// Bytes still to produce.
    left: u64,
    is_ended: bool,
}

impl<'a, B: Bytes + ?Sized, P: Read> Applying<'a, B, P> {
    /// Begins to produce a blob of `new_bytes` from `base` and `patch`. Setting `stop` aborts.
    ///
    /// Errors: [`PatchError::NoPatch`], [`PatchError::Io`].
    pub fn begin(base: &'a B, mut patch: P, new_bytes: u64, stop: &'a AtomicBool) -> Result<Self, PatchError> {
        let mut magic = [0; MAGIC.len()];
        patch.read_exact(&mut magic).map_err(|_| PatchError::NoPatch)?;
        if magic != MAGIC {
            return Err(PatchError::NoPatch);
        }
        Ok(Self {
            base,
            patch,
            work: Work::allowed(new_bytes, base.size()?, stop),
            window: Window::default(),
            steps: StepReader::default(),
            step: None,
            levels: Levels::new(),
            open: None,
            plain: Vec::new(),
            plain_read: 0,
            out: Vec::new(),
            out_read: 0,
            left: new_bytes,
            is_ended: false,
        })
    }

    /// Produces more bytes, unless the blob is complete.
    fn more(&mut self) -> Result<(), PatchError> {
        self.out.clear();
        self.out_read = 0;
        while self.out.is_empty() && !self.is_ended {
            match self.step.take() {
                Some(step) => self.go_on(step)?,
                None => match self.steps.next()? {
                    Some(step) if step.is_of_window() => {
                        return Err(PatchError::Malformed("a window that moves under its piece"));
                    }
                    Some(step) => self.step = Some(step),
                    None => self.piece()?,
                },
            }
        }
        let made = self.out.len() as u64;
        self.left = self.left.checked_sub(made).ok_or(PatchError::Malformed("more than the blob has"))?;
        if self.is_ended && self.left > 0 {
            return Err(PatchError::Malformed("less than the blob has"));
        }
        Ok(())
    }

    /// Runs part of a step that produces bytes, and keeps the rest for later.
    fn go_on(&mut self, step: Step) -> Result<(), PatchError> {
        match step {
            Step::Copy { bytes: 0, .. } | Step::Plain(0) => {}
            Step::Copy { offset, bytes } => {
                let some = bytes.min(BUFFER_BYTES as u64);
                self.work.done(some)?;
                self.out.resize(some as usize, 0);
                self.base.fill_at(&mut self.out, offset)?;
                self.step = Some(Step::Copy { offset: offset + some, bytes: bytes - some });
            }
            Step::Plain(bytes) => {
                let some = bytes.min(BUFFER_BYTES as u64);
                let from = self.take(some)?;
                self.out.extend_from_slice(&self.plain[from..self.plain_read]);
                self.step = Some(Step::Plain(bytes - some));
            }
            Step::Deflate { level, bytes, ends } => {
                if *self.open.get_or_insert(level) != level {
                    return Err(PatchError::Malformed("a stream that changes its level"));
                }
                let some = bytes.min(BUFFER_BYTES as u64);
                let from = self.take(some)?;
                let is_last = some == bytes;
                let out = &mut self.out;
                self.levels.deflater(level).feed(&self.plain[from..self.plain_read], is_last && ends, |made| {
                    out.extend_from_slice(made);
                    Ok(true)
                })?;
                if is_last {
                    self.open = self.open.filter(|_| !ends);
                } else {
                    self.step = Some(Step::Deflate { level, bytes: bytes - some, ends });
                }
            }
            _ => return Err(PatchError::Malformed("a window that moves under its piece")),
        }
        Ok(())
    }

    /// Consumes the next `bytes` of the piece and returns their offset.
    fn take(&mut self, bytes: u64) -> Result<usize, PatchError> {
        let from = self.plain_read;
        if bytes > (self.plain.len() - from) as u64 {
            return Err(PatchError::Malformed("a piece that is too short for its steps"));
        }
        self.plain_read += bytes as usize;
        Ok(from)
    }

    /// Begins the next piece, or ends.
    fn piece(&mut self) -> Result<(), PatchError> {
        if self.plain_read < self.plain.len() {
            return Err(PatchError::Malformed("a piece that is too long for its steps"));
        }
        let Some(head) = Head::read(&mut self.patch)? else {
            if self.open.is_some() {
                return Err(PatchError::Malformed("a stream that does not end"));
            }
            self.is_ended = true;
            return Ok(());
        };
        self.work.done((head.steps + head.steps_wire + head.plain + head.plain_wire) as u64)?;
        let steps = self.unpack(head.steps_wire, head.steps, None)?;
        self.steps.begin(steps);
        let first = loop {
            match self.steps.next()? {
                Some(step) if step.is_of_window() => self.window.step(step, self.base, &mut self.work)?,
                other => break other,
            }
        };
        self.step = first;
        let window = std::mem::take(&mut self.window);
        // Free the old piece first, so that only one is in memory.
        self.plain = Vec::new();
        let plain = self.unpack(head.plain_wire, head.plain, Some(window.bytes()));
        self.window = window;
        (self.plain, self.plain_read) = (plain?, 0);
        Ok(())
    }

    /// Reads `wire_bytes` and decompresses them to exactly `bytes`.
    fn unpack(&mut self, wire_bytes: usize, bytes: usize, prefix: Option<&[u8]>) -> Result<Vec<u8>, PatchError> {
        let mut wire = vec![0; wire_bytes];
        self.patch.read_exact(&mut wire).map_err(|_| PatchError::Malformed("it ends within a piece"))?;
        if bytes == 0 && wire.is_empty() {
            return Ok(Vec::new());
        }
        let bad = |_| PatchError::Malformed("what should be compressed is not");
        let mut context = DCtx::create();
        if let Some(prefix) = prefix {
            context.ref_prefix(prefix).map_err(bad)?;
        }
        let mut plain = Vec::with_capacity(bytes);
        context.decompress(&mut plain, &wire).map_err(bad)?;
        if plain.len() == bytes { Ok(plain) } else { Err(PatchError::Malformed("a piece of another size")) }
    }
}

impl<B: Bytes + ?Sized, P: Read> Read for Applying<'_, B, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.out_read == self.out.len() && !self.is_ended {
            self.more()?;
        }
        let some = buffer.len().min(self.out.len() - self.out_read);
        buffer[..some].copy_from_slice(&self.out[self.out_read..self.out_read + some]);
        self.out_read += some;
        Ok(some)
    }
}
