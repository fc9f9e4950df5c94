//! What is here of a model that has arrived, beside what was handed over.

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::plan::{Finding, Level};
use modelferry_protocol::snapshot::{BlobRef, Call};

use crate::controller::embedded::Inner;
use crate::controller::embedded::contents::entries::{ENTRIES_DOCUMENT_BYTES_MAX, parse_entries};
use crate::controller::embedded::records::record::{ModelRecord, State, Summary};
use crate::controller::port::ControllerError;

/// Things that a finding names each.
const NAMED_MAX: usize = 10;

fn finding(check: &str, wrong: Option<String>, well: String) -> Finding {
    let (level, text) = match wrong {
        Some(wrong) => (Level::Fail, wrong),
        None => (Level::Pass, well),
    };
    Finding { level, check: Text::cut(check), text: Text::cut(text), fix: Text::default() }
}

impl Inner {
    /// Compares a model with the calls that staged it.
    ///
    /// Errors: [`ControllerError::Moved`] for a model that has left again; [`ControllerError::Storage`].
    pub(in crate::controller::embedded) fn audit(
        &self,
        model: ModelUuid,
        calls: &[Call],
    ) -> Result<Vec<Finding>, ControllerError> {
        let Some(record) = self.database.model(model)? else {
            return Ok(vec![finding("model", Some(format!("model {model} not found")), String::new())]);
        };
        if let Some(redirect) = record.redirect() {
            return Err(ControllerError::Moved { model: record.path(), to: Box::new(redirect.card()) });
        }
        let mut findings = vec![self.state(&record)];
        for call in calls {
            match call {
                Call::Import(sealed) => findings.extend(self.description_and_counts(&record, *sealed)?),
                Call::ImportEntries(sealed) => findings.push(self.entries_of(&record, *sealed)?),
                _ => {}
            }
        }
        findings.push(self.uploads(&record, calls)?);
        Ok(findings)
    }

    fn state(&self, record: &ModelRecord) -> Finding {
        let wrong = match record.state {
            State::Live { .. } => None,
            State::Frozen { .. } => Some("the model is frozen: it is on its way elsewhere".to_owned()),
            State::Importing { .. } | State::Staged { .. } | State::Gone(_) => {
                Some("the model is not in service".to_owned())
            }
        };
        finding("model", wrong, format!("model \"{}\" is in service", record.path()))
    }

    fn description_and_counts(&self, record: &ModelRecord, sealed: BlobRef) -> Result<Vec<Finding>, ControllerError> {
        let held = record.description.map(BlobRef::from);
        let wrong = (held != Some(sealed)).then(|| {
            let held = held.map_or_else(|| "none".to_owned(), |held| held.hash.to_string());
            format!("the model description here is {held}, handed over was {}", sealed.hash)
        });
        let description =
            finding("description", wrong, format!("the model description hashes to {}, as handed over", sealed.hash));
        // A description that was handed over and cannot be read any more is told among the blobs.
        let Ok(told) = self.description_of(sealed.into()) else { return Ok(vec![description]) };
        let expected = Summary::of(&told);
        let known = (record.summary.machines, record.summary.units);
        let wrong = (known != (expected.machines, expected.units)).then(|| {
            format!(
                "the controller counts {} machines and {} units, the snapshot {} and {}",
                known.0, known.1, expected.machines, expected.units
            )
        });
        let here = held.and_then(|held| self.description_of(held.into()).ok()).map(|here| here.counts());
        let wanted = told.counts();
        let differing = here.as_ref().map_or_else(Vec::new, |here| {
            let differs = |((what, here), (_, wanted)): (&(String, u64), &(String, u64))| {
                (here != wanted).then(|| format!("{here} {what} instead of {wanted}"))
            };
            here.iter().zip(&wanted).filter_map(differs).collect::<Vec<_>>()
        });
        let wrong = wrong.or_else(|| (!differing.is_empty()).then(|| differing.join(", ")));
        let all: Vec<String> =
            wanted.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect();
        Ok(vec![description, finding("counts", wrong, format!("all of the snapshot is here: {}", all.join(", ")))])
    }

    fn entries_of(&self, record: &ModelRecord, sealed: BlobRef) -> Result<Finding, ControllerError> {
        let document = self.store.read(sealed, ENTRIES_DOCUMENT_BYTES_MAX);
        let Ok(document) = document else {
            let wrong = format!("the entries handed over, {}, cannot be read any more", sealed.hash);
            return Ok(finding("entries", Some(wrong), String::new()));
        };
        let wanted = parse_entries(&document)?;
        let mut here = Vec::new();
        self.database.entries(record.uuid, |_, key, value| {
            // What was written since the model arrived stands after them.
            if here.len() < wanted.len() {
                here.push((key.to_owned(), value.to_owned()));
            }
            Ok(())
        })?;
        let lost = wanted.iter().zip(here.iter().map(Some).chain(std::iter::repeat(None)));
        let lost = lost.filter(|(wanted, here)| Some(*wanted) != *here).count();
        let wrong =
            (lost > 0).then(|| format!("{lost} of {} acknowledged writes are missing or changed", wanted.len()));
        Ok(finding("entries", wrong, format!("all {} acknowledged writes are here", wanted.len())))
    }

    fn uploads(&self, record: &ModelRecord, calls: &[Call]) -> Result<Finding, ControllerError> {
        let held = self.binary_calls(record)?;
        let wanted: Vec<&Call> = calls.iter().filter(|call| call.uploads()).collect();
        // A Juju controller's master names the same binaries by queries of its own.
        let has = |call: &Call| held.iter().any(|held| held.binary() == call.binary() && held.blob() == call.blob());
        let missing: Vec<String> = wanted.iter().filter(|call| !has(call)).filter_map(|call| call.binary()).collect();
        let wrong = (!missing.is_empty()).then(|| {
            let named = missing.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
            format!("{} of {} binaries are missing or others: {named}", missing.len(), wanted.len())
        });
        Ok(finding("binaries", wrong, format!("the controller has all {} binaries of the model", wanted.len())))
    }
}
