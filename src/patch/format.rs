//! The byte format of a patch: pieces, and the steps of each piece.

use std::io::Read;

use super::error::PatchError;
use super::limits::{PIECE_BYTES_MAX, STEPS_BYTES_MAX, WINDOW_BYTES_MAX};

/// The first bytes of every patch. The last one is the version.
pub const MAGIC: [u8; 8] = *b"mfpatch\x01";
/// zlib's compression levels.
pub(super) const LEVELS: std::ops::RangeInclusive<u8> = 1..=9;

const DROP: u8 = 0x01;
const LAY: u8 = 0x02;
const OPEN: u8 = 0x03;
const SKIP: u8 = 0x04;
const TAKE: u8 = 0x05;
const COPY: u8 = 0x11;
const PLAIN: u8 = 0x12;
const DEFLATE: u8 = 0x13;
const DEFLATE_ON: u8 = 0x14;

/// One step in producing a piece of the new blob. The first five move the window over the opened base, before the
/// piece's own bytes are decompressed against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Removes this many bytes from the window's beginning.
    Drop(u64),
    /// Appends bytes of the base to the window.
    Lay { offset: u64, bytes: u64 },
    /// Begins to inflate these bytes of the base.
    Open { offset: u64, bytes: u64 },
    /// Skips this many inflated bytes.
    Skip(u64),
    /// Appends this many inflated bytes to the window.
    Take(u64),
    /// Copies these bytes of the base to the new blob.
    Copy { offset: u64, bytes: u64 },
    /// Copies this many bytes of the piece to the new blob.
    Plain(u64),
    /// Deflates this many bytes of the piece into the new blob. `ends`: the stream ends with them; otherwise it
    /// continues in the next piece.
    Deflate { level: u8, bytes: u64, ends: bool },
}

impl Step {
    /// Reports whether the step moves the window.
    pub fn is_of_window(self) -> bool {
        matches!(self, Self::Drop(_) | Self::Lay { .. } | Self::Open { .. } | Self::Skip(_) | Self::Take(_))
    }
}

/// Encodes steps. An offset in the base is stored as the distance from the end of the previous range.
#[derive(Debug, Default)]
pub(super) struct StepWriter {
    pub bytes: Vec<u8>,
    at: u64,
}

impl StepWriter {
    pub fn push(&mut self, step: Step) {
        let mut named = |out: &mut Vec<u8>, tag, offset: u64, bytes: u64| {
            out.push(tag);
            let distance = offset.wrapping_sub(self.at) as i64;
            put_number(out, ((distance << 1) ^ (distance >> 63)) as u64);
            put_number(out, bytes);
            self.at = offset.wrapping_add(bytes);
        };
        let out = &mut self.bytes;
        let mut counted = |tag, bytes| {
            out.push(tag);
            put_number(out, bytes);
        };
        match step {
            Step::Drop(bytes) => counted(DROP, bytes),
            Step::Skip(bytes) => counted(SKIP, bytes),
            Step::Take(bytes) => counted(TAKE, bytes),
            Step::Plain(bytes) => counted(PLAIN, bytes),
            Step::Deflate { level, bytes, ends } => {
                out.extend([if ends { DEFLATE } else { DEFLATE_ON }, level]);
                put_number(out, bytes);
            }
            Step::Lay { offset, bytes } => named(out, LAY, offset, bytes),
            Step::Open { offset, bytes } => named(out, OPEN, offset, bytes),
            Step::Copy { offset, bytes } => named(out, COPY, offset, bytes),
        }
    }
}

/// Decodes steps one by one.
#[derive(Debug, Default)]
pub(super) struct StepReader {
    bytes: Vec<u8>,
    read: usize,
    at: u64,
}

impl StepReader {
    /// Begins with the steps of the next piece.
    pub fn begin(&mut self, bytes: Vec<u8>) {
        (self.bytes, self.read, self.at) = (bytes, 0, 0);
    }

    pub fn next(&mut self) -> Result<Option<Step>, PatchError> {
        if self.read == self.bytes.len() {
            return Ok(None);
        }
        let step = match self.byte()? {
            DROP => Step::Drop(self.number()?),
            SKIP => Step::Skip(self.number()?),
            TAKE => Step::Take(self.number()?),
            PLAIN => Step::Plain(self.number()?),
            tag @ (DEFLATE | DEFLATE_ON) => {
                let level = self.byte()?;
                if !LEVELS.contains(&level) {
                    return Err(PatchError::Malformed("a level that zlib does not have"));
                }
                Step::Deflate { level, bytes: self.number()?, ends: tag == DEFLATE }
            }
            tag @ (LAY | OPEN | COPY) => {
                let (offset, bytes) = self.named()?;
                match tag {
                    LAY => Step::Lay { offset, bytes },
                    OPEN => Step::Open { offset, bytes },
                    _ => Step::Copy { offset, bytes },
                }
            }
            _ => return Err(PatchError::Malformed("an unknown step")),
        };
        Ok(Some(step))
    }

    fn byte(&mut self) -> Result<u8, PatchError> {
        let byte = *self.bytes.get(self.read).ok_or(PatchError::Malformed("its steps end within one"))?;
        self.read += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, PatchError> {
        number(|| self.byte())
    }

    fn named(&mut self) -> Result<(u64, u64), PatchError> {
        let folded = self.number()?;
        let distance = (folded >> 1) ^ (folded & 1).wrapping_neg();
        let offset = self.at.wrapping_add(distance);
        let bytes = self.number()?;
        self.at = offset.checked_add(bytes).ok_or(PatchError::Malformed("bytes beyond the end of everything"))?;
        Ok((offset, bytes))
    }
}

/// Appends a number as a varint: seven bits per byte, the lowest first, the highest bit set in all bytes but the last.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a varint. Only the shortest encoding is valid.
fn number(mut byte: impl FnMut() -> Result<u8, PatchError>) -> Result<u64, PatchError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let next = byte()?;
        let bits = u64::from(next & 0x7f);
        if bits << shift >> shift != bits || next == 0 && shift > 0 {
            return Err(PatchError::Malformed("a number that is not in its one form"));
        }
        number |= bits << shift;
        if next & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(PatchError::Malformed("a number of more than 64 bits"))
}

/// The sizes in front of a piece: plain and compressed sizes of its steps and of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub steps: usize,
    pub steps_wire: usize,
    pub plain: usize,
    pub plain_wire: usize,
}

impl Head {
    pub fn write(self, out: &mut Vec<u8>) {
        [self.steps, self.steps_wire, self.plain, self.plain_wire]
            .iter()
            .for_each(|bytes| put_number(out, *bytes as u64));
    }

    /// Reads the next head; `None` after the last piece.
    pub fn read(patch: &mut impl Read) -> Result<Option<Self>, PatchError> {
        let mut first = [0];
        loop {
            match patch.read(&mut first) {
                Ok(0) => return Ok(None),
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut first = Some(first[0]);
        let mut next = || {
            let number = number(|| match first.take() {
                Some(byte) => Ok(byte),
                None => {
                    let mut byte = [0];
                    patch.read_exact(&mut byte).map_err(|_| PatchError::Malformed("it ends within a piece"))?;
                    Ok(byte[0])
                }
            })?;
            usize::try_from(number).map_err(|_| PatchError::Malformed("a piece that is too large"))
        };
        let head = Self { steps: next()?, steps_wire: next()?, plain: next()?, plain_wire: next()? };
        // zstd makes incompressible bytes hardly larger.
        let fits = |plain: usize, wire: usize, most: usize| plain <= most && wire <= most + most / 128;
        if head.steps == 0 || !fits(head.steps, head.steps_wire, STEPS_BYTES_MAX) {
            return Err(PatchError::Malformed("a piece of too many steps, or none"));
        }
        if !fits(head.plain, head.plain_wire, PIECE_BYTES_MAX) {
            return Err(PatchError::Malformed("a piece that is too large"));
        }
        Ok(Some(head))
    }
}

/// Reports whether `bytes` fit in a window.
pub(super) fn fits_window(bytes: u64) -> bool {
    bytes <= WINDOW_BYTES_MAX as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step() -> impl Strategy<Value = Step> {
        let place = || (0..u64::MAX / 2, 0..u64::MAX / 2);
        prop_oneof![
            any::<u64>().prop_map(Step::Drop),
            any::<u64>().prop_map(Step::Take),
            any::<u64>().prop_map(Step::Skip),
            any::<u64>().prop_map(Step::Plain),
            place().prop_map(|(offset, bytes)| Step::Lay { offset, bytes }),
            place().prop_map(|(offset, bytes)| Step::Open { offset, bytes }),
            place().prop_map(|(offset, bytes)| Step::Copy { offset, bytes }),
            (LEVELS, any::<u64>(), any::<bool>()).prop_map(|(level, bytes, ends)| Step::Deflate { level, bytes, ends }),
        ]
    }

    proptest! {
        #[test]
        fn steps_are_read_as_they_were_written(steps in prop::collection::vec(step(), 0..40)) {
            let mut writer = StepWriter::default();
            steps.iter().for_each(|step| writer.push(*step));
            let mut reader = StepReader::default();
            reader.begin(writer.bytes);
            let mut read = Vec::new();
            while let Some(step) = reader.next().unwrap() {
                read.push(step);
            }
            prop_assert_eq!(read, steps);
        }

        #[test]
        fn whatever_is_called_steps_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut reader = StepReader::default();
            reader.begin(bytes);
            while let Ok(Some(_)) = reader.next() {}
        }
    }

    #[test]
    fn a_number_has_one_form() {
        let read = |bytes: &[u8]| {
            let mut rest = bytes.iter();
            number(|| rest.next().copied().ok_or(PatchError::NoPatch)).ok()
        };
        assert_eq!(read(&[0]), Some(0));
        assert_eq!(read(&[0x80, 1]), Some(128));
        assert_eq!(read(&[0x80, 0]), None);
        let most = [[0xff; 9].as_slice(), &[1]].concat();
        assert_eq!(read(&most), Some(u64::MAX));
        assert_eq!(read(&[[0xff; 9].as_slice(), &[2]].concat()), None);
    }
}
