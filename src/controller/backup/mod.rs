//! Backups: a model as files with their hashes, in one archive or kept in a store. `docs/backup.md` is the format.

mod archive;
mod draft;
mod error;
mod kept;
mod manifest;
mod source;
#[cfg(test)]
mod tests;
pub mod view;

pub(super) use archive::Proving;
pub use archive::{Archive, read_manifest, write};
pub use draft::Draft;
pub use error::BackupError;
pub use kept::{Kept, find, find_to_remove, forget, list};
pub use manifest::{DESCRIPTION_FILE, ENTRIES_FILE, File, LOG_FILES_MAX, Manifest, Origin};
pub use source::{Source, Take};
