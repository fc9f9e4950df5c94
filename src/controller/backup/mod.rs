//! Backups: a model as files with their hashes, in one archive or kept in a store. `docs/backup.md` is the format.

mod archive;
mod draft;
mod error;
mod kept;
mod manifest;
#[cfg(test)]
mod tests;
pub mod view;

use std::io::Read;

use crate::controller::port::ControllerError;

pub(super) use archive::Proving;
pub use archive::{Archive, read_manifest, write};
pub use draft::Draft;
pub use error::BackupError;
pub use kept::{Kept, find, forget, list};
pub use manifest::{DESCRIPTION_FILE, ENTRIES_FILE, File, LOG_FILES_MAX, Manifest, Origin};

/// Takes a file of a backup: what the manifest says about it, and its bytes.
pub type Take<'a> = dyn FnMut(&File, &mut dyn Read) -> Result<(), ControllerError> + 'a;

/// Where the files of a backup come from.
pub trait Source {
    /// Returns what the backup says about itself.
    fn manifest(&self) -> &Manifest;

    /// Hands every file to `take`, in the manifest's order, and proves it: an error after `take` means that
    /// what was taken is not what was backed up.
    fn each(&mut self, take: &mut Take<'_>) -> Result<(), ControllerError>;
}
