//! Takes in a model that comes as files: from a directory, an archive, or a kept backup.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use modelferry_protocol::limits::{CALLS_MAX, LOG_SEGMENT_BYTES_MAX};
use modelferry_protocol::snapshot::BlobRef;

use super::log_files::{LOGS_DIR, check_count};
use crate::controller::backup::{BackupError, ENTRIES_FILE, File, Source};
use crate::controller::description::wanted::Wanted;
use crate::controller::description::{Description, read_bytes};
use crate::controller::embedded::contents::entries::{ENTRIES_DOCUMENT_BYTES_MAX, parse_entries};
use crate::controller::embedded::records::record::Blob;
use crate::controller::embedded::records::record::key;
use crate::controller::log_piece::LogPiece;
use crate::controller::port::ControllerError;

/// Calls of a snapshot besides its binaries: description, entries, check.
const CALLS_BESIDES: usize = 3;

/// Stores bytes, or only looks at them, and tells which they were.
pub(in crate::controller::embedded) type Put<'a> =
    dyn Fn(&File, &mut dyn Read) -> Result<BlobRef, ControllerError> + 'a;

/// A model's content, each part proven as far as the description tells.
pub(in crate::controller::embedded) struct ImportBuilder {
    pub told: Description,
    pub description: Vec<u8>,
    pub binaries: Vec<(String, Blob)>,
    pub entries: Vec<(String, String)>,
    pub logs: Vec<LogPiece>,
    /// What whoever asked should know of the binaries.
    pub warnings: Vec<String>,
}

impl ImportBuilder {
    /// Begins with the description. `shown`: where it is from.
    ///
    /// Errors: [`ControllerError::Refused`] for one that is not understood, or names more than can travel.
    pub(in crate::controller::embedded) fn begin(description: Vec<u8>, shown: &str) -> Result<Self, ControllerError> {
        if description.iter().all(u8::is_ascii_whitespace) {
            return Err(ControllerError::Refused(format!(
                "{shown}: the file is empty, and holds no model description"
            )));
        }
        let told = Description::parse(&description);
        let told = told.map_err(|error| {
            let advice = error.advice().map_or_else(String::new, |advice| format!("; {advice}"));
            ControllerError::Refused(format!("{shown}: {error}{advice}"))
        })?;
        check_calls(&told)?;
        Ok(Self {
            told,
            description,
            binaries: Vec::new(),
            entries: Vec::new(),
            logs: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// Takes a binary in. `shown`: where it is from.
    ///
    /// Errors: [`ControllerError::Refused`] if it is not what the description names.
    pub(in crate::controller::embedded) fn binary(
        &mut self,
        wanted: &Wanted,
        source: &mut dyn Read,
        shown: &str,
        put: impl FnOnce(&mut dyn Read) -> Result<BlobRef, ControllerError>,
    ) -> Result<(), ControllerError> {
        let mut proving = wanted.proving(source);
        let blob = put(&mut proving)?;
        let warning = proving.finish().map_err(|error| ControllerError::Refused(format!("{shown}: {error}")))?;
        self.warnings.extend(warning);
        self.binaries.push((key(wanted), blob.into()));
        Ok(())
    }

    /// Takes in what was written to the model. `shown`: where it is from.
    ///
    /// Errors: [`ControllerError::Refused`] for entries that no model has.
    pub(in crate::controller::embedded) fn entries(
        &mut self,
        source: &mut dyn Read,
        shown: &str,
    ) -> Result<(), ControllerError> {
        let unreadable = |error| ControllerError::Refused(format!("cannot read {shown}: {error}"));
        let mut document = Vec::new();
        source.take(ENTRIES_DOCUMENT_BYTES_MAX + 1).read_to_end(&mut document).map_err(unreadable)?;
        if document.len() as u64 > ENTRIES_DOCUMENT_BYTES_MAX {
            return Err(ControllerError::Refused(format!("{shown}: more entries than a model holds")));
        }
        self.entries = parse_entries(&document)?;
        Ok(())
    }

    /// Takes a piece of the log in. `shown`: where it is from.
    ///
    /// Errors: [`ControllerError::Refused`] for what is no log.
    pub(in crate::controller::embedded) fn log(
        &mut self,
        text: &[u8],
        shown: &str,
        put: impl FnOnce(&mut dyn Read) -> Result<BlobRef, ControllerError>,
    ) -> Result<(), ControllerError> {
        let log = LogPiece::read(text, shown)?;
        put(&mut &*text)?;
        self.logs.push(log);
        check_count(self.logs.len())
    }

    /// Takes in a backup. `accept` judges the model before any binary is read.
    ///
    /// Errors: [`ControllerError::Refused`] for a backup that is not what it says; whatever the others answer.
    pub(super) fn of_backup(
        source: &mut dyn Source,
        accept: &dyn Fn(&Description) -> Result<(), ControllerError>,
        put: &Put<'_>,
    ) -> Result<Self, ControllerError> {
        let malformed = |what: String| ControllerError::from(BackupError::Malformed(what));
        let manifest = source.manifest().clone();
        let mut import: Option<Self> = None;
        let mut wanted: HashMap<String, Wanted> = HashMap::new();
        source.each(&mut |file, bytes| match &mut import {
            None => {
                let description =
                    read_bytes(bytes).map_err(|error| ControllerError::Refused(format!("{}: {error}", file.path)))?;
                let begun = Self::begin(description, &file.path)?;
                let told = &begun.told;
                if (told.uuid, &told.name, &told.owner) != (manifest.uuid, &manifest.name, &manifest.owner) {
                    let path = format!("{}/{}", told.owner, told.name);
                    return Err(malformed(format!(
                        "its manifest is of {}, its description of {path}",
                        manifest.path()
                    )));
                }
                accept(told)?;
                wanted = told.wanted().iter().map(|wanted| (key(wanted), wanted.clone())).collect();
                import = Some(begun);
                Ok(())
            }
            Some(import) if file.path == ENTRIES_FILE => import.entries(bytes, ENTRIES_FILE),
            Some(import) if Path::new(&file.path).starts_with(LOGS_DIR) => {
                let mut text = Vec::new();
                let unreadable = |error| ControllerError::Refused(format!("cannot read {}: {error}", file.path));
                (&mut *bytes).take(LOG_SEGMENT_BYTES_MAX + 1).read_to_end(&mut text).map_err(unreadable)?;
                import.log(&text, &file.path, |bytes| put(file, bytes))
            }
            Some(import) => {
                let wanted = wanted.get(&file.path);
                let wanted = wanted.ok_or_else(|| malformed(format!("its description does not name {}", file.path)))?;
                import.binary(wanted, bytes, &file.path, |bytes| put(file, bytes))
            }
        })?;
        let import = import.ok_or_else(|| malformed("it has no files".to_owned()))?;
        if manifest.complete != (import.binaries.len() == wanted.len()) {
            let (count, named) = (import.binaries.len(), wanted.len());
            return Err(malformed(format!("it has {count} of {named} binaries, and its manifest says otherwise")));
        }
        Ok(import)
    }
}

/// Refuses a model with more binaries than a snapshot has calls: it could never leave again.
pub(in crate::controller::embedded) fn check_calls(told: &Description) -> Result<(), ControllerError> {
    let count = told.wanted().len();
    if count + CALLS_BESIDES <= CALLS_MAX {
        return Ok(());
    }
    let text = format!("the model has {count} binaries, at most {} can be moved", CALLS_MAX - CALLS_BESIDES);
    Err(ControllerError::Refused(text))
}
