//! A disk that fails on request, for tests.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use super::medium::{Medium, MediumFile, Open};
use super::real::{Real, open_file};
use parking_lot::Mutex;
use rustix::io::Errno;

/// The faults to inject. All counts start when the plan is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Index of the sync that fails, from 0.
    pub fail_sync: Option<u64>,
    /// Index of the write, from 0, that writes only its first half.
    pub short_write: Option<u64>,
    /// Bytes by which files can still grow.
    pub free_bytes: Option<u64>,
    /// Index of the write, from 0, at which all writes and all growth begin to fail, and the error.
    pub fail_writes: Option<(u64, io::ErrorKind)>,
    /// The error of every read; `None`: reads succeed.
    pub fail_reads: Option<io::ErrorKind>,
    /// Number of opens that fail because no file descriptors are left.
    pub opens_without_descriptor: u64,
    /// Index of the effect, from 0, at which the process dies. A write is torn in half; any other effect does not
    /// happen. Every later operation fails. Effects are writes, syncs, growth, creations, renames and removals.
    pub die_at: Option<u64>,
}

/// A change to a file that has not been synced.
struct Unsynced {
    file: Arc<File>,
    offset: u64,
    before: Vec<u8>,
    size_before: u64,
    /// The bytes written; `None` for a change of size.
    after: Option<Vec<u8>>,
}

#[derive(Default)]
struct State {
    plan: FaultPlan,
    effects: u64,
    syncs: u64,
    writes: u64,
    bytes_written: u64,
    unsynced: Vec<Unsynced>,
}

/// A file system with a [`FaultPlan`]. Clones share it.
#[derive(Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

/// The outcome of a write.
enum Fate {
    Whole,
    /// Writes only this many bytes.
    Short(usize),
    /// Writes only this many bytes, then the process is dead.
    Torn(usize),
}

fn dead() -> io::Error {
    io::Error::other("injected: the process is dead")
}

impl Faults {
    pub fn new(plan: FaultPlan) -> Self {
        let faults = Self::default();
        faults.set(plan);
        faults
    }

    /// Replaces the plan and resets all counts.
    pub fn set(&self, plan: FaultPlan) {
        let mut state = self.state.lock();
        *state = State { plan, unsynced: std::mem::take(&mut state.unsynced), ..State::default() };
    }

    /// Returns the number of effects since the plan was set.
    pub fn effects(&self) -> u64 {
        self.state.lock().effects
    }

    /// Returns the number of syncs since the plan was set.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Returns the bytes written since the plan was set. Overwritten bytes count again.
    pub fn bytes_written(&self) -> u64 {
        self.state.lock().bytes_written
    }

    /// Returns how many opens are still to fail for want of a file descriptor.
    pub fn opens_without_descriptor(&self) -> u64 {
        self.state.lock().plan.opens_without_descriptor
    }

    /// Undoes unsynced changes, as a power cut does. A write survives if `kept` returns true for its position, counted
    /// from the last unsynced change: a disk may write in any order. Call this after all files are closed.
    pub fn power_cut(&self, kept: impl Fn(usize) -> bool) -> io::Result<()> {
        let unsynced = std::mem::take(&mut self.state.lock().unsynced);
        for change in unsynced.iter().rev() {
            change.file.write_all_at(&change.before, change.offset)?;
            change.file.set_size(change.size_before)?;
        }
        for (place, change) in unsynced.iter().rev().enumerate().rev() {
            if let Some(after) = change.after.as_ref().filter(|_| kept(place)) {
                change.file.write_all_at(after, change.offset)?;
            }
        }
        Ok(())
    }

    /// Counts an effect, also if it fails.
    fn effect(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        state.effect()
    }
}

impl State {
    fn effect(&mut self) -> io::Result<()> {
        let at = self.effects;
        self.effects += 1;
        if self.plan.die_at.is_some_and(|die_at| at >= die_at) { Err(dead()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.effect()?;
        let at = self.syncs;
        self.syncs += 1;
        if self.plan.fail_sync == Some(at) { Err(io::Error::other("injected: sync failed")) } else { Ok(()) }
    }

    fn write(&mut self, count: usize) -> io::Result<Fate> {
        let dies_here = self.plan.die_at == Some(self.effects);
        match self.effect() {
            Err(_) if dies_here => return Ok(Fate::Torn(count / 2)),
            other => other?,
        }
        let at = self.writes;
        self.writes += 1;
        if let Some((from, kind)) = self.plan.fail_writes
            && at >= from
        {
            return Err(kind.into());
        }
        Ok(if self.plan.short_write == Some(at) { Fate::Short(count / 2) } else { Fate::Whole })
    }

    /// Takes a file descriptor.
    fn descriptor(&mut self) -> io::Result<()> {
        match self.plan.opens_without_descriptor.checked_sub(1) {
            Some(left) => {
                self.plan.opens_without_descriptor = left;
                Err(Errno::MFILE.into())
            }
            None => Ok(()),
        }
    }

    /// Takes up to `bytes` from the free space for a growing file. Returns the bytes granted.
    fn grow(&mut self, bytes: u64) -> u64 {
        let Some(free) = self.plan.free_bytes.as_mut() else { return bytes };
        let granted = bytes.min(*free);
        *free -= granted;
        granted
    }
}

impl Medium for Faults {
    fn open(&self, path: &Path, open: Open) -> io::Result<Box<dyn MediumFile>> {
        self.state.lock().descriptor()?;
        if open != Open::Existing {
            self.effect()?;
        }
        let file = open_file(path, open)?;
        // A separate handle: the list of unsynced changes outlives the file and must not keep its lock.
        let shadow = Arc::new(open_file(path, Open::Existing)?);
        Ok(Box::new(FaultyFile { faults: self.clone(), file, shadow }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.effect()?;
        Real.create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.effect()?;
        Real.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.effect()?;
        Real.remove(path)
    }

    fn sync_dir(&self, _path: &Path) -> io::Result<()> {
        self.state.lock().sync()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let planned = self.state.lock().plan.free_bytes;
        planned.map_or_else(|| Real.free_bytes(path), Ok)
    }
}

struct FaultyFile {
    faults: Faults,
    file: File,
    shadow: Arc<File>,
}

impl FaultyFile {
    /// Saves the `count` bytes at `offset` before a change. `after`: the new bytes, if the change is a write.
    fn remember(&self, state: &mut State, offset: u64, count: usize, after: Option<&[u8]>) -> io::Result<()> {
        let size_before = self.file.size()?;
        let held = size_before.saturating_sub(offset).min(count as u64) as usize;
        let mut before = vec![0; held];
        FileExt::read_exact_at(&self.file, &mut before, offset)?;
        let after = after.map(<[u8]>::to_vec);
        state.unsynced.push(Unsynced { file: self.shadow.clone(), offset, before, size_before, after });
        Ok(())
    }
}

impl MediumFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<usize> {
        match self.faults.state.lock().plan.fail_reads {
            Some(kind) => Err(kind.into()),
            None => MediumFile::read_at(&self.file, offset, bytes),
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.faults.state.lock();
        let fate = state.write(bytes.len())?;
        let count = match fate {
            Fate::Whole => bytes.len(),
            Fate::Short(count) | Fate::Torn(count) => count,
        };
        let growth = (offset + count as u64).saturating_sub(self.file.size()?).min(count as u64);
        let count = count - (growth - state.grow(growth)) as usize;
        if count == 0 && !bytes.is_empty() && matches!(fate, Fate::Whole) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.remember(&mut state, offset, count, Some(&bytes[..count]))?;
        state.bytes_written += count as u64;
        let written = MediumFile::write_at(&self.file, offset, &bytes[..count])?;
        if matches!(fate, Fate::Torn(_)) { Err(dead()) } else { Ok(written) }
    }

    fn allocate(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.faults.state.lock();
        state.effect()?;
        let growth = bytes.saturating_sub(self.file.size()?);
        // The write that follows takes the space.
        if state.plan.free_bytes.is_some_and(|free| free < growth) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.faults.state.lock();
        state.effect()?;
        if let Some((from, kind)) = state.plan.fail_writes
            && state.writes >= from
            && bytes > self.file.size()?
        {
            return Err(kind.into());
        }
        let cut = usize::try_from(self.file.size()?.saturating_sub(bytes)).unwrap_or(usize::MAX);
        self.remember(&mut state, bytes, cut, None)?;
        self.file.set_size(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.faults.state.lock();
        // Skip the real sync: `power_cut` decides what survives, and tests sync thousands of times.
        state.sync()?;
        // A sync covers all handles on the same file.
        let this = self.file.metadata()?.ino();
        let mut kept = Vec::new();
        for unsynced in state.unsynced.drain(..) {
            if unsynced.file.metadata()?.ino() != this {
                kept.push(unsynced);
            }
        }
        state.unsynced = kept;
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        MediumFile::try_lock(&self.file)
    }

    fn unlock(&self) -> io::Result<()> {
        File::unlock(&self.file)
    }
}
