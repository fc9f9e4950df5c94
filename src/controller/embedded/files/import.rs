//! Taking a model in from files: its description, as Juju wrote it, and the binaries that it names.

use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;

use super::import_builder::ImportBuilder;
use super::logs;
use crate::clock::now_ms;
use crate::controller::backup::ENTRIES_FILE;
use crate::controller::description::{Description, DescriptionError, read_bytes};
use crate::controller::embedded::records::record::{ModelRecord, State, Summary};
use crate::controller::embedded::view::Imported;
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::files::{Files, unreadable};
use crate::controller::port::ControllerError;

/// Missing files that an error names; more would not fit on a screen.
const MISSING_NAMED_MAX: usize = 20;

/// Where the binaries are that a description names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blobs {
    /// In a directory: `charms/<charm-url, / as _>`, `tools/<version>`, `resources/<application>/<name>`.
    Dir(PathBuf),
    /// Nowhere: the description comes alone, and the model is marked incomplete if it names any.
    Without,
}

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

impl Embedded {
    /// Takes a model in, live: the description byte for byte, and its binaries, each proven.
    ///
    /// Errors: [`ControllerError::Refused`] for a description that is none or too large, for binaries that
    /// are missing or wrong, and for a model that is here already, by UUID or by name and owner.
    pub fn import(
        &self,
        description: &Path,
        blobs: &Blobs,
        files: &mut dyn Files,
    ) -> Result<Imported, ControllerError> {
        self.import_if(description, blobs, files, false, &mut |_| Ok(()))
    }

    /// Takes a model in, as [`Embedded::import`] does, if `allow` lets the model of that UUID in.
    ///
    /// `over_redirect`: whether a model that was migrated away from here, and is nowhere any more, may be taken in.
    ///
    /// Errors: as there, and those of `allow`.
    pub fn import_if(
        &self,
        description: &Path,
        blobs: &Blobs,
        files: &mut dyn Files,
        over_redirect: bool,
        allow: &mut dyn FnMut(ModelUuid) -> Result<(), ControllerError>,
    ) -> Result<Imported, ControllerError> {
        let mut import =
            ImportBuilder::begin(read_description(description, files)?, &description.display().to_string())?;
        // Before anything is copied: a refusal should not cost an hour. First who has the model in hand: "exists already" is
        // true of one that migrates, and says nothing of the migration.
        allow(import.told.uuid)?;
        self.refuse_clash(&import.told, over_redirect)?;
        // Nothing names what is copied until the model is admitted.
        let _copied = self.inner.store.lease_with_puts();
        if let Blobs::Dir(dir) = blobs {
            self.inner.take_binaries(&mut import, dir, files)?;
            take_entries(&mut import, dir, files)?;
            for (text, shown) in logs::texts(dir, files)? {
                let put = |bytes: &mut dyn io::Read| self.inner.store.put(bytes).map_err(ControllerError::storage);
                import.log(&text, &shown, put)?;
            }
        }
        self.admit(import, over_redirect)
    }

    /// Refuses a model that is here already.
    pub(super) fn refuse_clash(&self, told: &Description, over_redirect: bool) -> Result<(), ControllerError> {
        check_clash(&self.inner.database.models()?, told, over_redirect)
    }

    /// Takes what has come in into service: the one step that makes it a model.
    pub(in crate::controller::embedded) fn admit(
        &self,
        import: ImportBuilder,
        over_redirect: bool,
    ) -> Result<Imported, ControllerError> {
        let ImportBuilder { told, description, binaries, entries, logs, warnings } = import;
        let blob = self.inner.store.put_bytes(&description).map_err(ControllerError::storage)?;
        let record = ModelRecord {
            uuid: told.uuid,
            name: told.name.clone(),
            owner: told.owner.clone(),
            controller: false,
            description: Some(blob.into()),
            incomplete: binaries.len() < told.wanted().len(),
            state: State::Live { came: None },
            since_ms: now_ms(),
            summary: Summary::of(&told),
        };
        self.inner.database.write(|tables| {
            check_clash(&tables.models()?, &told, over_redirect)?;
            tables.put_model(&record)?;
            for (path, blob) in &binaries {
                tables.put_binary(told.uuid, path, *blob)?;
            }
            logs.iter().try_for_each(|log| tables.add_log(told.uuid, log))?;
            entries.iter().try_for_each(|(key, value)| tables.add_entry(told.uuid, key, value).map(drop))
        })?;
        Ok(Imported {
            model: record.path(),
            uuid: told.uuid.to_string(),
            description_bytes: blob.bytes,
            binaries: binaries.len() as u64,
            binaries_bytes: binaries.iter().map(|(_, blob)| blob.bytes).sum(),
            entries: entries.len() as u64,
            incomplete: record.incomplete,
            warnings,
        })
    }
}

impl Inner {
    /// Copies every binary that the description names into the store, or none if a file is missing.
    fn take_binaries(
        &self,
        import: &mut ImportBuilder,
        dir: &Path,
        files: &mut dyn Files,
    ) -> Result<(), ControllerError> {
        let named = import.told.wanted().to_vec();
        let mut missing: Vec<String> = Vec::new();
        for wanted in &named {
            let path = dir.join(wanted.path());
            match files.open(&path) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    missing.push(format!("{} for {wanted}", path.display()));
                }
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        if !missing.is_empty() {
            let more = missing.len().saturating_sub(MISSING_NAMED_MAX);
            let mut text = format!(
                "the model description names binaries whose files are missing: {}",
                missing.iter().take(MISSING_NAMED_MAX).cloned().collect::<Vec<_>>().join(", ")
            );
            if more > 0 {
                text.push_str(&format!(", and {more} more"));
            }
            text.push_str("; put them there, or import the description alone with --without-blobs");
            return Err(refused(text));
        }
        named.iter().try_for_each(|wanted| {
            let path = dir.join(wanted.path());
            let mut file = files.open(&path).map_err(|error| unreadable(&path, &error))?;
            let put = |bytes: &mut dyn io::Read| self.store.put(bytes).map_err(ControllerError::storage);
            import.binary(wanted, &mut file, &path.display().to_string(), put)
        })
    }
}

/// Refuses a model of the same UUID, or of the same name and owner. One that left stands in nobody's way by name, and with
/// `over_redirect` by its UUID neither.
fn check_clash(models: &[ModelRecord], told: &Description, over_redirect: bool) -> Result<(), ControllerError> {
    let uuid = told.uuid;
    match models.iter().find(|model| model.uuid == uuid).map(|known| (known, &known.state)) {
        Some((_, State::Gone(_))) if over_redirect => {}
        Some((known, State::Gone(gone))) => {
            return Err(ControllerError::Moved { model: known.path(), to: Box::new(gone.redirect.card()) });
        }
        Some(_) => return Err(ControllerError::Exists(uuid)),
        None => {}
    }
    check_name(models, uuid, &told.name, &told.owner)
}

/// Refuses another model of the same name and owner.
pub(in crate::controller::embedded) fn check_name(
    models: &[ModelRecord],
    uuid: ModelUuid,
    name: &str,
    owner: &str,
) -> Result<(), ControllerError> {
    let same = |model: &&ModelRecord| model.uuid != uuid && model.name == name && model.owner == owner;
    match models.iter().filter(same).find(|model| !matches!(model.state, State::Gone(_))) {
        Some(_) => Err(refused(format!("model named \"{name}\" already exists"))),
        None => Ok(()),
    }
}

fn read_description(path: &Path, files: &mut dyn Files) -> Result<Vec<u8>, ControllerError> {
    let mut file = files.open(path).map_err(|error| unreadable(path, &error))?;
    let size = file.metadata().map_err(|error| unreadable(path, &error))?.len();
    if size > DESCRIPTION_BYTES_MAX {
        return Err(refused(format!("{}: {} ({size} bytes)", path.display(), DescriptionError::TooLarge)));
    }
    read_bytes(&mut file).map_err(|error| match &error {
        DescriptionError::Io(cause) => unreadable(path, cause),
        _ => refused(format!("{}: {error}", path.display())),
    })
}

fn take_entries(import: &mut ImportBuilder, dir: &Path, files: &mut dyn Files) -> Result<(), ControllerError> {
    let path = dir.join(ENTRIES_FILE);
    match files.open(&path) {
        Ok(mut file) => import.entries(&mut file, &path.display().to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(&path, &error)),
    }
}
