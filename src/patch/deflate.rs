//! Inflates and re-deflates streams with zlib at its nine levels. Charms and wheels are zlib streams.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::bytes::Bytes;
use super::error::PatchError;
use super::format::LEVELS;
use super::work::Work;

/// Buffer for reading, inflating and deflating.
pub(super) const BUFFER_BYTES: usize = 64 << 10;

/// A deflated stream, inflated on demand.
pub(super) struct Inflating {
    state: Decompress,
    /// Range of the compressed bytes not read yet.
    at: u64,
    end: u64,
    input: Vec<u8>,
    input_read: usize,
    is_done: bool,
}

impl Inflating {
    pub fn begin(offset: u64, bytes: u64) -> Self {
        let state = Decompress::new(false);
        Self { state, at: offset, end: offset.saturating_add(bytes), input: Vec::new(), input_read: 0, is_done: false }
    }

    /// Inflates into `out` and returns the bytes written, fewer than `out` only at the end of the stream.
    ///
    /// Errors: [`PatchError::Malformed`] if the stream is invalid or does not end where its bytes do.
    pub fn read(&mut self, from: &(impl Bytes + ?Sized), out: &mut [u8], work: &mut Work) -> Result<usize, PatchError> {
        let mut filled = 0;
        while filled < out.len() && !self.is_done {
            if self.input_read == self.input.len() {
                let bytes = (self.end - self.at).min(BUFFER_BYTES as u64);
                self.input.resize(bytes as usize, 0);
                from.fill_at(&mut self.input, self.at)?;
                work.done(bytes)?;
                self.at += bytes;
                self.input_read = 0;
            }
            let (input_before, out_before) = (self.state.total_in(), self.state.total_out());
            let input = &self.input[self.input_read..];
            let status = self.state.decompress(input, &mut out[filled..], FlushDecompress::None);
            let status = status.map_err(|_| PatchError::Malformed("what should be deflated is not"))?;
            let read = (self.state.total_in() - input_before) as usize;
            let inflated = (self.state.total_out() - out_before) as usize;
            self.input_read += read;
            filled += inflated;
            self.is_done = status == Status::StreamEnd;
            if read == 0 && inflated == 0 && !self.is_done {
                return Err(PatchError::Malformed("a deflated stream that does not end"));
            }
        }
        work.done(filled as u64)?;
        Ok(filled)
    }
}

/// A reusable deflater.
pub(super) struct Deflating {
    level: u8,
    state: Compress,
}

impl Deflating {
    pub fn at(level: u8) -> Self {
        Self { level, state: Compress::new(Compression::new(level.into()), false) }
    }

    /// Deflates `input` and passes the output to `out`, until `out` returns false. `ends`: `input` is the end of the
    /// stream.
    pub fn feed(
        &mut self,
        mut input: &[u8],
        ends: bool,
        mut out: impl FnMut(&[u8]) -> Result<bool, PatchError>,
    ) -> Result<bool, PatchError> {
        let flush = if ends { FlushCompress::Finish } else { FlushCompress::None };
        let mut buffer = [0; 16 << 10];
        loop {
            let (input_before, out_before) = (self.state.total_in(), self.state.total_out());
            let status = self.state.compress(input, &mut buffer, flush);
            let status = status.map_err(|_| PatchError::Malformed("zlib does not deflate it"))?;
            input = &input[(self.state.total_in() - input_before) as usize..];
            let made = (self.state.total_out() - out_before) as usize;
            if made > 0 && !out(&buffer[..made])? {
                self.state.reset();
                return Ok(false);
            }
            if status == Status::StreamEnd {
                self.state.reset();
                return Ok(true);
            }
            // zlib holds back output that later input may still change.
            if !ends && input.is_empty() && made < buffer.len() {
                return Ok(true);
            }
        }
    }
}

/// Deflaters by level, ordered by recent success.
pub(super) struct Levels {
    /// Levels to try, the last successful one first.
    order: Vec<u8>,
    deflaters: Vec<Deflating>,
}

/// A stream that zlib reproduces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Proven {
    pub level: u8,
    pub plain_bytes: u64,
}

impl Levels {
    pub fn new() -> Self {
        // Ordered by frequency: 6 is the usual default.
        Self { order: vec![6, 9, 1, 5, 8, 7, 4, 3, 2], deflaters: Vec::new() }
    }

    pub fn deflater(&mut self, level: u8) -> &mut Deflating {
        debug_assert!(LEVELS.contains(&level));
        let at = self.deflaters.iter().position(|known| known.level == level).unwrap_or_else(|| {
            self.deflaters.push(Deflating::at(level));
            self.deflaters.len() - 1
        });
        &mut self.deflaters[at]
    }

    /// Returns the level at which zlib reproduces exactly these bytes; `None` if there is none or the stream is
    /// invalid.
    pub fn prove(
        &mut self,
        from: &(impl Bytes + ?Sized),
        offset: u64,
        bytes: u64,
        work: &mut Work,
    ) -> Result<Option<Proven>, PatchError> {
        for place in 0..self.order.len() {
            let level = self.order[place];
            let tried = self.matches(level, from, offset, bytes, work);
            match tried {
                Ok(Some(plain_bytes)) => {
                    self.order[..=place].rotate_right(1);
                    return Ok(Some(Proven { level, plain_bytes }));
                }
                Ok(None) => {}
                Err(PatchError::Malformed(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Returns the number of inflated bytes if zlib at `level` reproduces the stream.
    fn matches(
        &mut self,
        level: u8,
        from: &(impl Bytes + ?Sized),
        offset: u64,
        bytes: u64,
        work: &mut Work,
    ) -> Result<Option<u64>, PatchError> {
        let deflater = self.deflater(level);
        let mut inflating = Inflating::begin(offset, bytes);
        let (mut plain, mut expected) = (vec![0; BUFFER_BYTES], Vec::new());
        let (mut plain_bytes, mut compared) = (0, 0);
        loop {
            let inflated = match inflating.read(from, &mut plain, work) {
                Ok(inflated) => inflated,
                Err(error) => {
                    deflater.state.reset();
                    return Err(error);
                }
            };
            plain_bytes += inflated as u64;
            let ends = inflated < plain.len();
            let same = deflater.feed(&plain[..inflated], ends, |made| {
                if made.len() as u64 > bytes - compared {
                    return Ok(false);
                }
                expected.resize(made.len(), 0);
                from.fill_at(&mut expected, offset + compared)?;
                compared += made.len() as u64;
                Ok(expected == made)
            })?;
            if !same {
                return Ok(None);
            }
            if ends {
                return Ok((compared == bytes).then_some(plain_bytes));
            }
        }
    }
}
