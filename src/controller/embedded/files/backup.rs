//! Backups of the controller's models: written, checked, and taken in again.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use modelferry_protocol::snapshot::{Call, LogSegment, Params};

use super::export_plan::ExportPlan;
use super::import_builder::ImportBuilder;
use crate::controller::backup::view::BackupView;
use crate::controller::backup::{self, BackupError, Source};
use crate::controller::description::Description;
use crate::controller::embedded::Embedded;
use crate::controller::embedded::records::record::Blob;
use crate::controller::embedded::records::record::key;
use crate::controller::embedded::view::Imported;
use crate::controller::files::Files;
use crate::controller::port::ControllerError;
use crate::store::Store;

impl Embedded {
    /// Writes a model into an archive, durably. The model goes on meanwhile.
    ///
    /// Errors: as [`Embedded::export`]; [`ControllerError::Refused`] for an archive that cannot be written: what there
    /// is of it is none.
    pub fn back_up(&self, named: &str, path: &Path, files: &mut dyn Files) -> Result<BackupView, ControllerError> {
        self.write_archive(&self.export_plan(named)?, path, files)
    }

    /// Writes the held copy of a model that has moved into an archive, durably.
    ///
    /// Errors: as [`Embedded::back_up`] and [`Embedded::held_model`].
    pub fn back_up_held(&self, named: &str, path: &Path, files: &mut dyn Files) -> Result<BackupView, ControllerError> {
        self.write_archive(&self.held_shipment(named)?, path, files)
    }

    fn write_archive(
        &self,
        plan: &ExportPlan,
        path: &Path,
        files: &mut dyn Files,
    ) -> Result<BackupView, ControllerError> {
        let manifest = &plan.manifest;
        let unwritable = |source| BackupError::Unwritable { path: path.to_owned(), source };
        let mut file = files.create(path).map_err(unwritable)?;
        let bytes = backup::write(&mut file, manifest, &mut |file| self.inner.open(plan, file), path)?;
        file.sync_all().map_err(unwritable)?;
        Ok(BackupView::new(manifest, path.display().to_string(), Some(bytes)))
    }

    /// Takes a model in, live, as it was when it was backed up. Nothing of it is here before all of it is proven.
    ///
    /// `over_redirect`: whether it may take the place of the redirect that it left behind when it was migrated away, as whoever
    /// asks has made sure that it is nowhere any more.
    /// Errors: [`ControllerError::Refused`] for a backup that is not what it says; as [`Embedded::import`].
    pub fn restore(&self, source: &mut dyn Source, over_redirect: bool) -> Result<Imported, ControllerError> {
        // Before anything is copied: a refusal should not cost an hour.
        let accept = |told: &_| self.refuse_clash(told, over_redirect);
        let store = &self.inner.store;
        // Nothing names what is copied until the model is admitted.
        let _copied = store.lease_with_puts();
        let import =
            ImportBuilder::of_backup(source, &accept, &|_, bytes| store.put(bytes).map_err(ControllerError::storage))?;
        self.admit(import, over_redirect)
    }
}

/// A backup in an agent's store, and the calls that stage its model in a controller.
pub struct Unpacked {
    /// The model.
    pub description: Description,
    /// As a source exports them.
    pub calls: Vec<Call>,
    /// The model's log.
    pub log: Vec<LogSegment>,
    /// How many entries the model had.
    pub entries: usize,
    /// What an operator should know of the binaries.
    pub warnings: Vec<String>,
}

impl Unpacked {
    /// Says what is taken in. `model`: `owner/name`.
    pub fn imported(&self, model: &str) -> Imported {
        let bytes = |imports: bool| {
            let calls = self.calls.iter().filter(move |call| call.imports() == imports);
            calls.filter_map(Call::blob).map(|blob| blob.bytes)
        };
        Imported {
            model: model.to_owned(),
            uuid: self.description.uuid.to_string(),
            description_bytes: bytes(true).sum(),
            binaries: bytes(false).count() as u64,
            binaries_bytes: bytes(false).sum(),
            entries: self.entries as u64,
            incomplete: false,
            warnings: self.warnings.clone(),
        }
    }
}

/// Puts a backup's files into a store, each proven. Nothing names them there: the caller holds them.
///
/// Errors: [`ControllerError::Refused`] for a backup that is not what it says.
pub fn unpack(source: &mut dyn Source, store: &Store) -> Result<Unpacked, ControllerError> {
    let put = |_: &backup::File, bytes: &mut dyn io::Read| store.put(bytes).map_err(ControllerError::storage);
    let import = ImportBuilder::of_backup(source, &|_| Ok(()), &put)?;
    let blob = store.put_bytes(&import.description).map_err(ControllerError::storage)?;
    let held: HashMap<String, Blob> = import.binaries.into_iter().collect();
    let wanted = import.told.wanted().iter();
    let uploads = wanted.filter_map(|wanted| Some(wanted.upload((*held.get(&key(wanted))?).into())));
    let mut calls = vec![Call::Import(blob)];
    calls.extend(uploads);
    calls.push(Call::CheckMachines(Params::default()));
    Ok(Unpacked {
        description: import.told,
        calls,
        log: import.logs.into_iter().map(LogSegment::from).collect(),
        entries: import.entries.len(),
        warnings: import.warnings,
    })
}

/// Reads a backup to its end and proves it: every file against the manifest, and against the description.
///
/// Errors: [`ControllerError::Refused`] for a backup that is not what it says.
pub fn verify(source: &mut dyn Source) -> Result<(), ControllerError> {
    let look = |file: &backup::File, bytes: &mut dyn io::Read| {
        io::copy(bytes, &mut io::sink()).map_err(ControllerError::storage)?;
        Ok(file.blob())
    };
    ImportBuilder::of_backup(source, &|_| Ok(()), &look).map(drop)
}
