//! Kept documents, which list the blobs of a backup: small files under `kept/`. The first line of each is its checksum.

use std::fs;
use std::io;
use std::path::PathBuf;

use modelferry_protocol::ids::Hash;

use super::files::files;
use super::{Store, StoreError};

/// Maximum number of kept documents. 4096: one a day for eleven years.
const KEPT_MAX: usize = 4096;

impl Store {
    /// Stores `document` durably under `id`, which must be a plain word.
    ///
    /// Errors: [`StoreError::KeptMany`], [`StoreError::Full`], [`StoreError::Io`].
    pub fn keep(&self, id: &str, document: &[u8]) -> Result<(), StoreError> {
        let path = self.kept_path(id);
        if !path.exists() && self.kept()?.len() >= KEPT_MAX {
            return Err(StoreError::KeptMany(KEPT_MAX));
        }
        let content = checked(document);
        self.ensure_room(content.len() as u64)?;
        let replaced = self.inner.disk.replace(&path, &content);
        replaced.map_err(|source| self.inner.not_written(&path, content.len(), source))
    }

    /// Returns the ids of all kept documents, sorted.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn kept(&self) -> Result<Vec<String>, StoreError> {
        let names = files(&self.inner.kept)?.into_iter();
        let mut ids: Vec<String> =
            names.filter_map(|path| Some(path.file_name()?.to_str()?.strip_suffix(SUFFIX)?.to_owned())).collect();
        // A crash may leave a hidden temporary file. The next write of the same id replaces it.
        ids.retain(|id| !id.starts_with('.'));
        ids.sort();
        Ok(ids)
    }

    /// Returns the document kept under `id` after checking its checksum.
    ///
    /// Errors: [`StoreError::NotKept`], [`StoreError::KeptDamaged`], [`StoreError::Io`].
    pub fn kept_document(&self, id: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.kept_path(id);
        let content = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotKept(id.to_owned()),
            _ => StoreError::io("read", &path, source),
        })?;
        proven(&content).ok_or(StoreError::KeptDamaged(path))
    }

    /// Removes the document kept under `id`. Its blobs stay until the store is pruned.
    ///
    /// Errors: [`StoreError::NotKept`], [`StoreError::Io`].
    pub fn forget_kept(&self, id: &str) -> Result<(), StoreError> {
        let path = self.kept_path(id);
        if !path.exists() {
            return Err(StoreError::NotKept(id.to_owned()));
        }
        self.inner.disk.remove(&path).map_err(|source| StoreError::io("remove", &path, source))
    }

    fn kept_path(&self, id: &str) -> PathBuf {
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "an id is no path");
        self.inner.kept.join(format!("{id}{SUFFIX}"))
    }
}

const SUFFIX: &str = ".kept";

/// Writes a document with its checksum before it.
pub(super) fn checked(document: &[u8]) -> Vec<u8> {
    [Hash::of(document).to_string().as_bytes(), b"\n", document].concat()
}

/// Returns the document that `content` is, if it is what its checksum says.
pub(super) fn proven(content: &[u8]) -> Option<Vec<u8>> {
    let at = content.iter().position(|byte| *byte == b'\n')?;
    let (hash, document) = (&content[..at], &content[at + 1..]);
    (hash == Hash::of(document).to_string().as_bytes()).then(|| document.to_vec())
}
