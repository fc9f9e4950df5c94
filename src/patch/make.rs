//! Makes a patch from a new blob and a base.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use zstd::zstd_safe::{CCtx, CParameter, compress_bound};

use super::bytes::Bytes;
use super::deflate::{BUFFER_BYTES, Inflating, Levels};
use super::error::PatchError;
use super::format::{Head, MAGIC, Step, StepWriter};
use super::layout::{Kind, Part, PartIndex, parts};
use super::limits::{PIECE_BYTES_MAX, STEPS_BYTES_MAX, WINDOW_BYTES_MAX};
use super::map::{Marks, Roller};
use super::window::Window;
use super::work::Work;

/// An old part of at most this many opened bytes goes into the window whole.
const WHOLE_BYTES_MAX: u64 = 4 << 20;
/// Of a larger part, the window gets a stretch of this size: a piece's worth, and 4 MiB on either side.
const STRETCH_BYTES_MAX: u64 = 16 << 20;
/// Maximum number of steps in a piece, about 16 bytes each.
const STEPS_MAX: usize = STEPS_BYTES_MAX / 32;
/// Binary logarithm of the compressor's window, which covers the window and the piece.
const REACH_LOG: u32 = 25;
/// zstd level. 7 saves a tenth of the bytes compared with 3, for a tenth more time, most of which deflate takes. 9
/// needs more memory than the limit allows.
const LEVEL: i32 = 7;
const _: () = assert!(PIECE_BYTES_MAX + WINDOW_BYTES_MAX <= 1 << REACH_LOG);
const _: () = assert!(STRETCH_BYTES_MAX + WHOLE_BYTES_MAX <= WINDOW_BYTES_MAX as u64);
const _: () = assert!(WHOLE_BYTES_MAX <= STRETCH_BYTES_MAX);

/// Writes the patch from `base` to `new` and returns its size. Setting `stop` aborts.
///
/// Reads deflated streams twice: once to prove that zlib reproduces them, once to compare them.
///
/// Errors: [`PatchError`]; [`PatchError::TooLarge`] if the patch would exceed `bytes_max`.
pub fn make<B: Bytes + ?Sized>(
    new: &B,
    base: &B,
    out: &mut dyn Write,
    bytes_max: u64,
    stop: &AtomicBool,
) -> Result<u64, PatchError> {
    let (new_parts, base_parts) = (parts(new)?, parts(base)?);
    let index = PartIndex::of(&base_parts);
    let work = Work::allowed(new.size()?, base.size()?, stop);
    let mut maker = Maker {
        new,
        base,
        out,
        out_bytes: 0,
        bytes_max,
        work,
        levels: Levels::new(),
        window: Window::default(),
        window_steps: Vec::new(),
        laid: 0,
        steps: Vec::new(),
        plain: Vec::with_capacity(PIECE_BYTES_MAX),
    };
    maker.write(&MAGIC)?;
    for part in &new_parts {
        let same = match index.same(part) {
            None if part.kind == Kind::Between => index.version(part).filter(|base| base.bytes == part.bytes),
            same => same,
        };
        match same {
            Some(base) if maker.is_same(part, base)? => maker.copy(base.start, base.bytes)?,
            _ => maker.part(part, index.version(part))?,
        }
    }
    maker.flush()?;
    Ok(maker.out_bytes)
}

struct Maker<'a, B: ?Sized> {
    new: &'a B,
    base: &'a B,
    out: &'a mut dyn Write,
    out_bytes: u64,
    bytes_max: u64,
    work: Work<'a>,
    levels: Levels,
    window: Window,
    window_steps: Vec<Step>,
    /// Bytes that this piece's steps appended to the window. They must stay there until the piece is compressed.
    laid: u64,
    steps: Vec<Step>,
    plain: Vec<u8>,
}

/// The old version of a part, and how much of it is in the window.
struct Old<'p> {
    part: &'p Part,
    is_inflated: bool,
    bytes: u64,
    /// Offset up to which it was appended or skipped.
    at: u64,
    /// `None` if the whole part goes into the window.
    marks: Option<Marks>,
}

impl Old<'_> {
    /// Returns the bytes that the next step may append.
    fn needed(&self) -> u64 {
        (self.bytes - self.at).min(STRETCH_BYTES_MAX)
    }
}

/// A new part, read from its beginning.
enum Source {
    Raw { at: u64 },
    Inflated(Inflating),
}

impl<B: Bytes + ?Sized> Maker<'_, B> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PatchError> {
        self.out_bytes += bytes.len() as u64;
        if self.out_bytes > self.bytes_max {
            return Err(PatchError::TooLarge { bytes_max: self.bytes_max });
        }
        Ok(self.out.write_all(bytes)?)
    }

    /// Compares two parts of equal size.
    fn is_same(&mut self, part: &Part, base: &Part) -> Result<bool, PatchError> {
        let (mut new, mut old) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
        let mut at = 0;
        while at < part.bytes {
            let some = (part.bytes - at).min(BUFFER_BYTES as u64) as usize;
            self.work.done(some as u64)?;
            self.new.fill_at(&mut new[..some], part.start + at)?;
            self.base.fill_at(&mut old[..some], base.start + at)?;
            if new[..some] != old[..some] {
                return Ok(false);
            }
            at += some as u64;
        }
        Ok(true)
    }

    fn copy(&mut self, offset: u64, bytes: u64) -> Result<(), PatchError> {
        match self.steps.last_mut() {
            Some(Step::Copy { offset: before, bytes: so_far }) if *before + *so_far == offset => {
                *so_far += bytes;
                Ok(())
            }
            _ => self.push(Step::Copy { offset, bytes }),
        }
    }

    fn push(&mut self, step: Step) -> Result<(), PatchError> {
        self.steps.push(step);
        if self.steps.len() + self.window_steps.len() >= STEPS_MAX { self.flush() } else { Ok(()) }
    }

    /// Adds a part next to its old version. Opens it if zlib reproduces it.
    fn part(&mut self, part: &Part, old: Option<&Part>) -> Result<(), PatchError> {
        let proven = match part.kind {
            Kind::Deflated { .. } => self.levels.prove(self.new, part.start, part.bytes, &mut self.work)?,
            Kind::Raw | Kind::Between => None,
        };
        let (mut source, bytes) = match proven {
            Some(proven) => (Source::Inflated(Inflating::begin(part.start, part.bytes)), proven.plain_bytes),
            None => (Source::Raw { at: part.start }, part.bytes),
        };
        let mut old = match old {
            Some(old) => self.old(old, proven.is_some())?,
            None => None,
        };
        let mut at = 0;
        loop {
            // The window must have room for it in addition to what this piece needs.
            let needed = old.as_ref().map_or(0, Old::needed);
            if self.plain.len() == PIECE_BYTES_MAX || self.laid + needed > WINDOW_BYTES_MAX as u64 {
                self.flush()?;
            }
            let from = self.plain.len();
            let some = (bytes - at).min((PIECE_BYTES_MAX - from) as u64) as usize;
            self.plain.resize(from + some, 0);
            let read = match &mut source {
                Source::Raw { at } => {
                    self.new.fill_at(&mut self.plain[from..], *at)?;
                    *at += some as u64;
                    some
                }
                Source::Inflated(inflating) => inflating.read(self.new, &mut self.plain[from..], &mut self.work)?,
            };
            if read != some {
                return Err(PatchError::Malformed("a blob that changes while it is read"));
            }
            if let Some(old) = &mut old {
                self.advance(old, from, at, bytes)?;
            }
            at += some as u64;
            let (some, ends) = (some as u64, at == bytes);
            self.push(match proven {
                Some(proven) => Step::Deflate { level: proven.level, bytes: some, ends },
                None => Step::Plain(some),
            })?;
            if ends {
                return Ok(());
            }
        }
    }

    /// Prepares an old version. Skips one that contradicts its archive: it would spoil the patch for everything else.
    fn old<'p>(&mut self, part: &'p Part, is_opened: bool) -> Result<Option<Old<'p>>, PatchError> {
        let (is_inflated, bytes) = match part.kind {
            Kind::Deflated { plain_bytes, .. } if is_opened => (true, plain_bytes),
            _ => (false, part.bytes),
        };
        let is_large = bytes > WHOLE_BYTES_MAX;
        let mut marks = None;
        if is_large || is_inflated {
            let Some(seen) = self.look_through(part, is_inflated, bytes)? else { return Ok(None) };
            marks = is_large.then_some(seen);
        }
        let old = Old { part, is_inflated, bytes, at: 0, marks };
        if is_inflated {
            self.move_window(Step::Open { offset: part.start, bytes: part.bytes })?;
        }
        Ok(Some(old))
    }

    /// Returns the marks of an old version; `None` if its size differs from the size in its archive.
    fn look_through(&mut self, part: &Part, is_inflated: bool, bytes: u64) -> Result<Option<Marks>, PatchError> {
        let (mut marks, mut roller) = (Marks::default(), Roller::at(0));
        let mut inflating = is_inflated.then(|| Inflating::begin(part.start, part.bytes));
        let (mut buffer, mut at) = (vec![0; BUFFER_BYTES], 0);
        loop {
            let read = match &mut inflating {
                Some(inflating) => match inflating.read(self.base, &mut buffer, &mut self.work) {
                    Err(PatchError::Malformed(_)) => return Ok(None),
                    read => read?,
                },
                None => {
                    let some = (bytes - at).min(BUFFER_BYTES as u64) as usize;
                    self.base.fill_at(&mut buffer[..some], part.start + at)?;
                    self.work.done(some as u64)?;
                    some
                }
            };
            roller.roll(&buffer[..read], |hash, at| marks.add(hash, at));
            at += read as u64;
            if read < buffer.len() {
                return Ok((at == bytes).then_some(marks));
            }
        }
    }

    /// Appends to the window the stretch of an old version that may match the piece's bytes from `from` on. Those are
    /// at offset `at` of a part of `new_bytes`.
    fn advance(&mut self, old: &mut Old, from: usize, at: u64, new_bytes: u64) -> Result<(), PatchError> {
        let wanted = match &old.marks {
            Some(marks) => marks.stretch(&self.plain[from..], at, new_bytes, old.bytes, STRETCH_BYTES_MAX),
            None => 0..old.bytes,
        };
        if wanted.end <= old.at {
            return Ok(());
        }
        if wanted.start > old.at {
            if old.is_inflated {
                self.move_window(Step::Skip(wanted.start - old.at))?;
            }
            old.at = wanted.start;
        }
        let bytes = wanted.end - old.at;
        self.make_room(bytes)?;
        self.move_window(match old.is_inflated {
            true => Step::Take(bytes),
            false => Step::Lay { offset: old.part.start + old.at, bytes },
        })?;
        self.laid += bytes;
        old.at = wanted.end;
        Ok(())
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), PatchError> {
        let there = self.window.bytes().len() as u64;
        match (there + bytes).checked_sub(WINDOW_BYTES_MAX as u64) {
            None | Some(0) => Ok(()),
            Some(excess) => self.move_window(Step::Drop(excess)),
        }
    }

    fn move_window(&mut self, step: Step) -> Result<(), PatchError> {
        self.window.step(step, self.base, &mut self.work)?;
        self.window_steps.push(step);
        Ok(())
    }

    /// Ends the piece and writes it.
    fn flush(&mut self) -> Result<(), PatchError> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let mut steps = StepWriter::default();
        self.window_steps.drain(..).chain(self.steps.drain(..)).for_each(|step| steps.push(step));
        let steps_wire = compress(&steps.bytes, &[])?;
        let plain_wire = if self.plain.is_empty() { Vec::new() } else { compress(&self.plain, self.window.bytes())? };
        let mut head = Vec::new();
        let (steps, plain) = (steps.bytes.len(), self.plain.len());
        Head { steps, steps_wire: steps_wire.len(), plain, plain_wire: plain_wire.len() }.write(&mut head);
        for bytes in [head, steps_wire, plain_wire] {
            self.write(&bytes)?;
        }
        self.work.done((steps + plain) as u64)?;
        self.plain.clear();
        self.laid = 0;
        Ok(())
    }
}

/// Compresses `plain` with `prefix` as a dictionary.
fn compress(plain: &[u8], prefix: &[u8]) -> Result<Vec<u8>, PatchError> {
    let failed = |code| PatchError::Io(std::io::Error::other(zstd::zstd_safe::get_error_name(code)));
    let mut context = CCtx::create();
    let mut set = |parameter| context.set_parameter(parameter).map_err(failed);
    set(CParameter::CompressionLevel(LEVEL))?;
    if !prefix.is_empty() {
        set(CParameter::WindowLog(REACH_LOG))?;
        set(CParameter::EnableLongDistanceMatching(true))?;
        context.ref_prefix(prefix).map_err(failed)?;
    }
    let mut wire = Vec::with_capacity(compress_bound(plain.len()));
    context.compress2(&mut wire, plain).map_err(failed)?;
    Ok(wire)
}
