//! Writes to a model: numbered, acknowledged, and part of whatever leaves with it.

use serde::{Deserialize, Serialize};

use crate::controller::embedded::records::record::ModelRecord;
use crate::controller::embedded::view::{EntryView, ModelState};
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::port::ControllerError;
use modelferry_protocol::ids::ModelUuid;

/// Bytes in an entry's key.
const KEY_BYTES_MAX: usize = 256;
/// Bytes in an entry's value.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// Bytes in a model's keys and values together: they are read at once when the model leaves.
const ENTRIES_BYTES_MAX: u64 = 16 << 20;
/// Entries of a model.
const ENTRIES_MAX: u64 = 1 << 20;
/// Bytes of all entries as they travel: JSON doubles a text at most sixfold, and adds what stands around it.
pub(in crate::controller::embedded) const ENTRIES_DOCUMENT_BYTES_MAX: u64 = 6 * ENTRIES_BYTES_MAX + 64 * ENTRIES_MAX;

/// An entry as it travels: a line of JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    number: u64,
    #[serde(borrow)]
    key: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    value: std::borrow::Cow<'a, str>,
}

impl Embedded {
    /// Writes to a model, and returns the entry's number, which counts from 1. Durable when this returns.
    ///
    /// Errors: [`ControllerError::MigrationInProgress`] while it is frozen, [`ControllerError::Moved`]
    /// afterwards, [`ControllerError::Refused`] for more than an entry or a model holds.
    pub fn set(&self, named: &str, key: &str, value: &str) -> Result<u64, ControllerError> {
        check(key, value)?;
        let model = self.find(named)?;
        self.inner.database.write(|tables| {
            // Asked inside the transaction that writes: a freeze comes before or after it, never in between.
            let record = tables.model(model)?.ok_or_else(|| ControllerError::ModelNotFound(named.to_owned()))?;
            usable(&record)?;
            if record.controller {
                return Err(ControllerError::Refused("the controller model cannot be written to".to_owned()));
            }
            let (count, bytes) = tables.entry_totals(model)?;
            if count >= ENTRIES_MAX || bytes + (key.len() + value.len()) as u64 > ENTRIES_BYTES_MAX {
                return Err(ControllerError::Refused(format!(
                    "model \"{}\" is full: it holds {count} entries of {bytes} bytes",
                    record.path()
                )));
            }
            tables.add_entry(model, key, value)
        })
    }

    /// Returns everything that was written to a model, oldest first.
    ///
    /// Errors: [`ControllerError::Moved`] for a model that is elsewhere.
    pub fn get(&self, named: &str) -> Result<Vec<EntryView>, ControllerError> {
        let model = self.find(named)?;
        let record = self.inner.known(model)?;
        match usable(&record) {
            Ok(()) | Err(ControllerError::MigrationInProgress) => {}
            Err(other) => return Err(other),
        }
        self.inner.entry_views(model)
    }
}

impl Inner {
    /// Returns a model's entries, oldest first.
    pub(in crate::controller::embedded) fn entry_views(
        &self,
        model: ModelUuid,
    ) -> Result<Vec<EntryView>, ControllerError> {
        let mut entries = Vec::new();
        self.database.entries(model, |number, key, value| {
            entries.push(EntryView { number, key: key.to_owned(), value: value.to_owned() });
            Ok(())
        })?;
        Ok(entries)
    }

    /// Writes a model's entries as they travel; the same entries always make the same bytes. Empty for none.
    pub(in crate::controller::embedded) fn entries_document(
        &self,
        model: ModelUuid,
    ) -> Result<Vec<u8>, ControllerError> {
        let mut document = Vec::new();
        self.database.entries(model, |number, key, value| {
            let line = Line { number, key: key.into(), value: value.into() };
            serde_json::to_writer(&mut document, &line).map_err(ControllerError::storage)?;
            document.push(b'\n');
            Ok(())
        })?;
        Ok(document)
    }
}

/// Reads entries as they travel.
///
/// Errors: [`ControllerError::Refused`] for anything that [`Inner::entries_document`] would not have written.
pub(in crate::controller::embedded) fn parse_entries(
    document: &[u8],
) -> Result<Vec<(String, String)>, ControllerError> {
    let refused = |number: usize, why: &str| ControllerError::Refused(format!("entry {number} of the model {why}"));
    let mut entries = Vec::new();
    let mut bytes = 0;
    for (index, line) in document.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let line: Line<'_> = serde_json::from_slice(line).map_err(|_| refused(number, "is malformed"))?;
        if line.number != number as u64 {
            return Err(refused(number, "is missing"));
        }
        check(&line.key, &line.value)?;
        bytes += (line.key.len() + line.value.len()) as u64;
        if number as u64 > ENTRIES_MAX || bytes > ENTRIES_BYTES_MAX {
            return Err(refused(number, "is more than a model holds"));
        }
        entries.push((line.key.into_owned(), line.value.into_owned()));
    }
    Ok(entries)
}

fn check(key: &str, value: &str) -> Result<(), ControllerError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.chars().any(|c| c.is_control() || c == '=') {
        return Err(ControllerError::Refused(format!(
            "an entry's key has 1 to {KEY_BYTES_MAX} bytes, without `=` and control characters"
        )));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(ControllerError::Refused(format!("an entry's value has at most {VALUE_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// Tells whether a model is in service, and else what its users are told.
pub(in crate::controller::embedded) fn usable(record: &ModelRecord) -> Result<(), ControllerError> {
    if let Some(redirect) = record.redirect() {
        return Err(ControllerError::Moved { model: record.path(), to: Box::new(redirect.card()) });
    }
    match record.model_state() {
        ModelState::Live => Ok(()),
        ModelState::Frozen => Err(ControllerError::MigrationInProgress),
        ModelState::Importing | ModelState::Staged | ModelState::Gone => Err(ControllerError::Importing),
    }
}
