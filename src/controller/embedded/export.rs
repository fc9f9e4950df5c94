//! Writing a model out as files: what an import takes in, and nothing else.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::Embedded;
use super::view::Exported;
use crate::controller::backup::{File, Proving};
use crate::controller::port::ControllerError;

impl Embedded {
    /// Writes a model into `dir`, which must be empty or missing: its description, its binaries, its entries.
    ///
    /// The files are for their owner's eyes alone, as a description holds secrets.
    /// Errors: [`ControllerError::Refused`] for a directory that is not empty or cannot be written,
    /// and for a model that is not in service; [`ControllerError::Storage`] for a damaged blob.
    pub fn export(&self, named: &str, dir: &Path) -> Result<Exported, ControllerError> {
        let shipment = self.shipment(named)?;
        let manifest = &shipment.manifest;
        let unwritable =
            |error: io::Error| ControllerError::Refused(format!("cannot write {}: {error}", dir.display()));
        make_dir(dir).map_err(unwritable)?;
        if fs::read_dir(dir).map_err(unwritable)?.next().is_some() {
            return Err(ControllerError::Refused(format!("{} is not empty; name a directory that is", dir.display())));
        }
        // The description last: a directory with it is a whole export.
        for file in manifest.files.iter().skip(1).chain(manifest.files.first()) {
            let path = dir.join(&file.path);
            path.parent().map_or(Ok(()), make_dir).map_err(unwritable)?;
            copy_out(file, self.inner.open(&shipment, file)?, &path)?;
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
fn copy_out(file: &File, source: Box<dyn Read>, path: &Path) -> Result<(), ControllerError> {
    let unwritable = |error: io::Error| ControllerError::Refused(format!("cannot write {}: {error}", path.display()));
    let mut target = create(path).map_err(unwritable)?;
    let mut proving = Proving::new(file, source);
    let copied = io::copy(&mut proving, &mut target);
    if let Some(error) = proving.failure() {
        return Err(ControllerError::storage(error));
    }
    copied.and_then(|_| target.sync_all()).map_err(unwritable)?;
    proving.finish()
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn create(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
