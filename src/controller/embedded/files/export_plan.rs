//! A model as files on their way out: to a directory, or into an archive.

use std::io::{Cursor, Read};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;

use super::log_files;
use crate::controller::backup::{BackupError, DESCRIPTION_FILE, ENTRIES_FILE, File, Manifest, Origin};
use crate::controller::embedded::records::record::ModelRecord;
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::port::ControllerError;
use crate::store::{Lease, StoreError};

/// What is written of a model.
pub(in crate::controller::embedded) struct ExportPlan {
    pub manifest: Manifest,
    entries: Vec<u8>,
    /// Whoever removes the model meanwhile removes none of these.
    _files: Lease,
}

impl Embedded {
    /// Lists a model's files as they are now. The model stays as it is.
    ///
    /// Errors: [`ControllerError::Moved`], [`ControllerError::Refused`] for a model that is not in service.
    pub(in crate::controller::embedded) fn export_plan(&self, named: &str) -> Result<ExportPlan, ControllerError> {
        let record = self.inner.known(self.find(named)?)?;
        if let Some(redirect) = record.redirect() {
            return Err(ControllerError::Moved { model: record.path(), to: Box::new(redirect.card()) });
        }
        self.inner.export_plan_of(record, |record| record.is_here() && record.redirect().is_none())
    }
}

impl Inner {
    /// Lists the files of a model's record. `fits`: whether the record is still one that may be written out.
    ///
    /// Errors: [`ControllerError::Refused`] for a record that does not fit, or that has changed meanwhile.
    pub(super) fn export_plan_of(
        &self,
        record: ModelRecord,
        fits: fn(&ModelRecord) -> bool,
    ) -> Result<ExportPlan, ControllerError> {
        let description = record.description.filter(|_| fits(&record)).ok_or_else(|| {
            ControllerError::Refused(format!("model \"{}\" has no description to export", record.path()))
        })?;
        let mut files = vec![File::new(DESCRIPTION_FILE, description.into())];
        let entries = self.entries_document(record.uuid)?;
        if !entries.is_empty() {
            let blob = BlobRef { hash: Hash::of(&entries), bytes: entries.len() as u64 };
            files.push(File::new(ENTRIES_FILE, blob));
        }
        let binaries = self.database.binaries(record.uuid)?;
        files.extend(binaries.into_iter().map(|(path, blob)| File::new(path, blob.into())));
        let pieces = self.database.logs(record.uuid)?;
        files.extend((1..).zip(pieces).map(|(number, log)| File::new(log_files::path(number), log.blob.into())));
        let lease = self.store.lease();
        lease.keep(files.iter().map(|file| file.blake3));
        // Each part was read in a transaction of its own. A model that has left meanwhile has lost its binaries,
        // and what was read of it must not pass for the whole.
        let after = self.known(record.uuid)?;
        if !fits(&after) || after.description != record.description {
            return Err(ControllerError::Refused(format!(
                "model \"{}\" has changed meanwhile; try again",
                record.path()
            )));
        }
        let origin = Origin { name: self.config.name.clone(), uuid: self.identity.uuid };
        let model = (record.uuid, record.name.as_str(), record.owner.as_str());
        Ok(ExportPlan { manifest: Manifest::new(origin, model, !record.incomplete, files)?, entries, _files: lease })
    }

    /// Opens one of the files of `plan`. The reader does not check the bytes against the blob's hash.
    pub(in crate::controller::embedded) fn open(
        &self,
        plan: &ExportPlan,
        file: &File,
    ) -> Result<Box<dyn Read>, ControllerError> {
        if file.path == ENTRIES_FILE {
            return Ok(Box::new(Cursor::new(plan.entries.clone())));
        }
        match self.store.open_blob(file.blake3) {
            Ok(blob) => Ok(Box::new(blob)),
            Err(StoreError::NotHeld(hash)) => Err(BackupError::Stored { file: file.path.clone(), hash }.into()),
            Err(error) => Err(ControllerError::storage(error)),
        }
    }
}
