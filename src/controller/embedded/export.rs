//! Writing a model out as files: what an import takes in, and nothing else.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Hash;

use super::import::ENTRIES_FILE;
use super::record::Blob;
use super::view::{Exported, ModelState};
use super::{Embedded, Inner};
use crate::controller::port::ControllerError;

/// The description's file. It is written last: a directory with it is a whole export.
const DESCRIPTION_FILE: &str = "model.yaml";
/// Bytes copied at once.
const COPY_BYTES: usize = 256 << 10;

impl Embedded {
    /// Writes a model into `dir`, which must be empty or missing: its description, its binaries, its entries.
    ///
    /// The files are for their owner's eyes alone, as a description holds secrets.
    /// Errors: [`ControllerError::Refused`] for a directory that is not empty or cannot be written,
    /// and for a model that is not in service; [`ControllerError::Storage`] for a damaged blob.
    pub fn export(&self, named: &str, dir: &Path) -> Result<Exported, ControllerError> {
        let record = self.inner.known(self.find(named)?)?;
        if let Some(redirect) = record.redirect() {
            return Err(ControllerError::Moved { model: record.path(), to: Box::new(redirect.card()) });
        }
        let description = match record.model_state() {
            ModelState::Live | ModelState::Frozen => record.description,
            ModelState::Importing | ModelState::Staged | ModelState::Gone => None,
        };
        let description = description.ok_or_else(|| {
            ControllerError::Refused(format!("model \"{}\" has no description to export", record.path()))
        })?;
        let unwritable =
            |error: io::Error| ControllerError::Refused(format!("cannot write {}: {error}", dir.display()));
        make_dir(dir).map_err(unwritable)?;
        if fs::read_dir(dir).map_err(unwritable)?.next().is_some() {
            return Err(ControllerError::Refused(format!("{} is not empty; name a directory that is", dir.display())));
        }
        let mut files: Vec<(PathBuf, Blob)> =
            self.inner.database.binaries(record.uuid)?.into_iter().map(|(path, blob)| (path.into(), blob)).collect();
        files.push((PathBuf::from(DESCRIPTION_FILE), description));
        let entries = self.inner.entries_document(record.uuid)?;
        let mut exported =
            Exported { model: record.path(), files: files.len() as u64, bytes: 0, incomplete: record.incomplete };
        if !entries.is_empty() {
            let mut file = create(&dir.join(ENTRIES_FILE)).map_err(unwritable)?;
            file.write_all(&entries).and_then(|()| file.sync_all()).map_err(unwritable)?;
            exported.files += 1;
            exported.bytes += entries.len() as u64;
        }
        for (path, blob) in &files {
            let path = dir.join(path);
            path.parent().map_or(Ok(()), make_dir).map_err(unwritable)?;
            self.inner.copy_out(*blob, &path)?;
            exported.bytes += blob.bytes;
        }
        Ok(exported)
    }
}

impl Inner {
    /// Copies a blob out of the store and proves it on the way.
    fn copy_out(&self, blob: Blob, path: &Path) -> Result<(), ControllerError> {
        let unwritable =
            |error: io::Error| ControllerError::Refused(format!("cannot write {}: {error}", path.display()));
        let mut source = self.store.open_blob(blob.hash).map_err(ControllerError::storage)?;
        let mut target = create(path).map_err(unwritable)?;
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let count = source.read(&mut buffer).map_err(ControllerError::storage)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            target.write_all(&buffer[..count]).map_err(unwritable)?;
        }
        target.sync_all().map_err(unwritable)?;
        let actual = Hash::from(hasher.finalize());
        if actual == blob.hash {
            Ok(())
        } else {
            Err(ControllerError::storage(Damaged { actual, expected: blob.hash }))
        }
    }
}

/// A blob in the store that is not what it is called.
#[derive(Debug, thiserror::Error)]
#[error("the blob {expected} in the store hashes to {actual}")]
struct Damaged {
    actual: Hash,
    expected: Hash,
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
