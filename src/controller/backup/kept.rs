//! Backups that are kept in the agent's store, for peers: their manifests, and blobs that are shared with all else.

use std::io::Read;

use serde::{Deserialize, Serialize};

use super::archive::Proving;
use super::{BackupError, File, Manifest, Source, Take};
use crate::controller::port::ControllerError;
use crate::store::{Lease, Store, StoreError};

/// Characters of an id that name a backup to be removed, at least: one digit was enough to remove the only one.
const ID_TO_REMOVE: usize = 8;

/// What is kept about a backup besides its blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kept {
    /// The peer that sent it, as it was called then.
    pub peer: String,
    /// The backup.
    pub manifest: Manifest,
}

impl Kept {
    /// Keeps it until it is removed; durable when this returns. Its blobs are in the store.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn keep(&self, store: &Store) -> Result<(), ControllerError> {
        let document = serde_json::to_vec(self).map_err(ControllerError::storage)?;
        store.keep(&self.manifest.id.to_string(), &document).map_err(said)
    }

    /// Reads what is kept under an id, and proves it.
    ///
    /// Errors: [`ControllerError::Storage`] for one that is damaged or missing.
    pub fn read(store: &Store, id: &str) -> Result<Self, ControllerError> {
        let document = store.kept_document(id).map_err(said)?;
        serde_json::from_slice(&document).map_err(ControllerError::storage)
    }

    /// Reads the model's description, and proves it.
    ///
    /// Errors: [`ControllerError::Refused`] for one that is not what was backed up, [`ControllerError::Storage`].
    pub fn description(&self, store: &Store) -> Result<Vec<u8>, ControllerError> {
        let missing = || BackupError::Malformed("it has no description".into());
        let file = self.manifest.files.first().ok_or_else(missing)?;
        let blob = store.open_blob(file.blake3).map_err(ControllerError::storage)?;
        let (mut proving, mut description) = (Proving::new(file, blob), Vec::new());
        proving.read_to_end(&mut description).map_err(ControllerError::storage)?;
        proving.finish().map(|()| description)
    }

    /// Makes its files readable.
    pub fn open(self, store: Store) -> impl Source {
        let lease = store.lease();
        lease.keep(self.manifest.files.iter().map(|file| file.blake3));
        Stored { manifest: self.manifest, store, _files: lease }
    }
}

/// Passes on what the store says where an operator can do something about it.
fn said(error: StoreError) -> ControllerError {
    match error {
        StoreError::NotKept(_) | StoreError::KeptDamaged(_) | StoreError::KeptMany(_) | StoreError::Full { .. } => {
            ControllerError::Refused(error.to_string())
        }
        other => ControllerError::storage(other),
    }
}

/// Forgets the backup kept under an id. Its blobs stay in the store until that is pruned.
///
/// Errors: [`ControllerError::Refused`] if there is none, [`ControllerError::Storage`].
pub fn forget(store: &Store, id: &str) -> Result<(), ControllerError> {
    store.forget_kept(id).map_err(said)
}

/// An id, and what is kept under it, or why that cannot be read.
pub type Listed = (String, Result<Kept, ControllerError>);

/// Lists what is kept: every id, with what is kept under it, or why that cannot be read.
///
/// Errors: [`ControllerError::Storage`] if the store cannot be listed.
pub fn list(store: &Store) -> Result<Vec<Listed>, ControllerError> {
    let ids = store.kept().map_err(ControllerError::storage)?;
    Ok(ids.into_iter().map(|id| (id.clone(), Kept::read(store, &id))).collect())
}

/// Finds the one id that begins with `begin`.
///
/// Errors: [`ControllerError::BackupNotFound`]; [`ControllerError::Refused`] if several do.
pub fn find(store: &Store, begin: &str) -> Result<String, ControllerError> {
    let ids = store.kept().map_err(ControllerError::storage)?;
    let mut matching = ids.into_iter().filter(|id| !begin.is_empty() && id.starts_with(begin));
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(ControllerError::BackupNotFound(begin.to_owned())),
        (Some(_), Some(_)) => Err(BackupError::Ambiguous(begin.to_owned()).into()),
    }
}

/// Finds the one id that begins with `begin`, to remove what is kept under it: with enough digits to be no slip.
///
/// Errors: as [`find`]; [`ControllerError::Refused`] for too few digits.
pub fn find_to_remove(store: &Store, begin: &str) -> Result<String, ControllerError> {
    if begin.len() < ID_TO_REMOVE {
        return Err(BackupError::TooShort(begin.to_owned()).into());
    }
    find(store, begin)
}

/// A kept backup's files.
struct Stored {
    manifest: Manifest,
    store: Store,
    /// Whoever removes the backup meanwhile removes none of these.
    _files: Lease,
}

impl Source for Stored {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn each(&mut self, take: &mut Take<'_>) -> Result<(), ControllerError> {
        self.manifest.files.iter().try_for_each(|file: &File| {
            let blob = self.store.open_blob(file.blake3).map_err(ControllerError::storage)?;
            let mut proving = Proving::new(file, blob);
            take(file, &mut proving as &mut dyn Read)?;
            proving.finish()
        })
    }
}
