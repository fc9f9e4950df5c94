//! Writing a model out as files: what an import takes in, and nothing else.

use std::io::{self, Read};
use std::path::Path;

use super::export_plan::ExportPlan;
use crate::controller::backup::{File, Proving};
use crate::controller::embedded::Embedded;
use crate::controller::embedded::view::Exported;
use crate::controller::files::Files;
use crate::controller::port::ControllerError;

impl Embedded {
    /// Writes a model into `dir`: its description, its binaries, its entries. No file that is there is written over.
    ///
    /// Errors: [`ControllerError::Refused`] for files that cannot be made or written, and for a model that is not in
    /// service; [`ControllerError::Storage`] for a damaged blob.
    pub fn export(&self, named: &str, dir: &Path, files: &mut dyn Files) -> Result<Exported, ControllerError> {
        self.write_out(&self.export_plan(named)?, dir, files)
    }

    /// Writes the files of `plan` into `dir`.
    pub(super) fn write_out(
        &self,
        plan: &ExportPlan,
        dir: &Path,
        files: &mut dyn Files,
    ) -> Result<Exported, ControllerError> {
        let manifest = &plan.manifest;
        // The description last: a directory with it is a whole export.
        for file in manifest.files.iter().skip(1).chain(manifest.files.first()) {
            let path = dir.join(&file.path);
            copy_out(file, self.inner.open(plan, file)?, &path, files)?;
        }
        Ok(Exported {
            model: manifest.path(),
            files: manifest.files.len() as u64,
            bytes: manifest.bytes(),
            incomplete: !manifest.complete,
        })
    }
}

/// Copies a file out of the store and proves it on the way.
fn copy_out(file: &File, source: Box<dyn Read>, path: &Path, files: &mut dyn Files) -> Result<(), ControllerError> {
    let unwritable = |error: io::Error| ControllerError::Refused(format!("cannot write {}: {error}", path.display()));
    let mut target = files.create(path).map_err(unwritable)?;
    let mut proving = Proving::new(file, source);
    let copied = io::copy(&mut proving, &mut target);
    if let Some(error) = proving.failure() {
        return Err(ControllerError::storage(error));
    }
    copied.and_then(|_| target.sync_all()).map_err(unwritable)?;
    proving.finish_stored()
}
