//! The embedded controller as a source.

use std::collections::HashMap;

use async_trait::async_trait;
use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::ModelFacts;
use modelferry_protocol::snapshot::{Call, LogSegment, Name, Params, distinct_blobs};

use crate::controller::checks::network::NetworkTable;
use crate::controller::checks::offers::ModelNames;
use crate::controller::checks::source::{self, Source, SourcePresence};
use crate::controller::description::Description;
use crate::controller::embedded::contents::entries::usable;
use crate::controller::embedded::records::record::key;
use crate::controller::embedded::records::record::{Blob, Departed, Mid, ModelRecord, Redirect, State};
use crate::controller::embedded::records::tables::Tables;
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::port::{ControllerError, Departure, Examination, Export, MigrationRef, ModelReader};

#[async_trait]
impl ModelReader for Embedded {
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        self.blocking(move |inner| inner.examine(model, mid)).await
    }

    async fn preview(&self, model: ModelUuid) -> Result<Export, ControllerError> {
        self.blocking(move |inner| {
            let record = inner.known(model)?;
            match usable(&record) {
                Ok(()) | Err(ControllerError::MigrationInProgress) => inner.calls(&record),
                Err(other) => Err(other),
            }
        })
        .await
    }
}

#[async_trait]
impl Departure for Embedded {
    async fn freeze(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.changing(migration, true, move |record| match &record.state {
            State::Live { .. } if record.controller => Err(ControllerError::Refused(source::CONTROLLER.to_owned())),
            State::Live { came } => Ok(Some(State::Frozen { mid: Mid(migration.mid), came: *came, redirect: None })),
            State::Frozen { .. } => ours(record, migration).map(|()| None),
            State::Importing { .. } | State::Staged { .. } => {
                Err(ControllerError::Refused(source::IMPORTING.to_owned()))
            }
            State::Gone(_) => usable(record).map(|()| None),
        })
        .await
    }

    async fn export(&self, migration: MigrationRef) -> Result<Export, ControllerError> {
        self.blocking(move |inner| {
            let record = inner.known(migration.model)?;
            match record.state {
                State::Frozen { .. } => ours(&record, migration)?,
                _ => return Err(ControllerError::Refused(format!("model \"{}\" is not frozen", record.path()))),
            }
            inner.calls(&record)
        })
        .await
    }

    async fn log(&self, migration: MigrationRef, from_ms: u64) -> Result<Vec<LogSegment>, ControllerError> {
        self.blocking(move |inner| inner.log_from(migration, from_ms)).await
    }

    async fn thaw(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.blocking(move |inner| {
            inner.database.write_regardless(|tables| {
                tables.end(migration.mid)?;
                // Unknown, frozen by another migration, or live already: nothing of this migration is left to undo.
                let Some(mut record) = tables.model(migration.model)? else { return Ok(()) };
                match &record.state {
                    State::Frozen { mid, redirect: Some(_), .. } if mid.0 == migration.mid => {
                        // Handed over: another controller owns it, and there must never be two.
                        Err(ControllerError::Refused(format!("model \"{}\" has been handed over", record.path())))
                    }
                    State::Frozen { mid, came, redirect: None } if mid.0 == migration.mid => {
                        let came = *came;
                        record.set_state(State::Live { came });
                        tables.put_model(&record)
                    }
                    _ => Ok(()),
                }
            })
        })
        .await
    }

    async fn redirect(&self, migration: MigrationRef, to: &ControllerCard) -> Result<(), ControllerError> {
        let to = Redirect::new(to);
        self.changing(migration, false, move |record| match &record.state {
            State::Frozen { mid, came, .. } => {
                ours(record, migration)?;
                Ok(Some(State::Frozen { mid: *mid, came: *came, redirect: Some(to.clone()) }))
            }
            State::Gone(gone) if gone.mid.0 == migration.mid => Ok(None),
            _ => Err(not_frozen(record)),
        })
        .await
    }

    async fn reap(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.blocking(move |inner| {
            inner.database.write_regardless(|tables| {
                let Some(mut record) = tables.model(migration.model)? else {
                    return Err(ControllerError::ModelNotFound(migration.model.to_string()));
                };
                match &record.state {
                    State::Frozen { mid, redirect, .. } => {
                        ours(&record, migration)?;
                        // Without a redirect its users would be told that it never was.
                        let redirect = redirect.clone().ok_or_else(|| {
                            ControllerError::Refused(format!("model \"{}\" has no redirect yet", record.path()))
                        })?;
                        let mid = *mid;
                        tables.end(migration.mid)?;
                        tables.remove_content(record.uuid)?;
                        record.description = None;
                        record.set_state(State::Gone(Departed { mid, redirect }));
                        tables.put_model(&record)
                    }
                    State::Gone(gone) if gone.mid.0 == migration.mid => Ok(()),
                    _ => Err(not_frozen(&record)),
                }
            })
        })
        .await
    }
}

/// Tells whether a model is in the migration's migration.
pub(super) fn ours(record: &ModelRecord, migration: MigrationRef) -> Result<(), ControllerError> {
    match record.mid() {
        Some(actual) if actual != migration.mid => {
            Err(ControllerError::OtherMigration { model: migration.model, actual, expected: migration.mid })
        }
        _ => Ok(()),
    }
}

fn not_frozen(record: &ModelRecord) -> ControllerError {
    ControllerError::Refused(format!("model \"{}\" is not frozen for this migration", record.path()))
}

impl Embedded {
    /// Runs `work` where it may block. A caller that stops waiting does not stop it: what it does is
    /// conditional on the migration, so that it may land late.
    pub(in crate::controller::embedded) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, ControllerError> + Send + 'static,
    ) -> Result<T, ControllerError> {
        let turn = crate::disk::background::turn().await;
        let inner = std::sync::Arc::clone(&self.inner);
        let work = move || {
            let _turn = turn;
            work(&inner)
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(failure) => match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(cancelled) => Err(ControllerError::storage(cancelled)),
            },
        }
    }

    /// Puts the model into the state that `next` yields, if it yields one. `begins`: refused once the
    /// migration has ended here.
    async fn changing(
        &self,
        migration: MigrationRef,
        begins: bool,
        next: impl Fn(&ModelRecord) -> Result<Option<State>, ControllerError> + Send + 'static,
    ) -> Result<(), ControllerError> {
        self.blocking(move |inner| {
            let change = |tables: &mut Tables<'_>| {
                if begins {
                    tables.refuse_ended(migration.mid)?;
                }
                let Some(mut record) = tables.model(migration.model)? else {
                    return Err(ControllerError::ModelNotFound(migration.model.to_string()));
                };
                let Some(state) = next(&record)? else { return Ok(()) };
                record.set_state(state);
                tables.put_model(&record)
            };
            // What could not be undone for want of room is not begun.
            if begins { inner.database.write(change) } else { inner.database.write_regardless(change) }
        })
        .await
    }
}

impl Inner {
    fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        let record = self.known(model)?;
        if let State::Gone(_) = record.state {
            usable(&record)?;
        }
        let Some(blob) = record.description else {
            let (name, owner) = (Name::cut(&record.name), Name::cut(&record.owner));
            let facts = ModelFacts { uuid: model, mid, name, owner, ..ModelFacts::default() };
            return Ok(Examination { facts, findings: vec![source::controller_model()], ..Examination::default() });
        };
        let description = self.description_of(blob)?;
        let credential = description.credential.as_ref();
        let revoked = credential.is_some_and(|credential| {
            let known = self.config.credentials.iter().filter(|known| known.revoked);
            known.into_iter().any(|known| known.owner == credential.owner && known.name == credential.name)
        });
        let presence = match &record.state {
            State::Importing { .. } | State::Staged { .. } => SourcePresence::Importing,
            State::Frozen { mid: frozen_by, .. } if Some(frozen_by.0) != mid => SourcePresence::Migrating,
            _ => SourcePresence::Live,
        };
        let findings = source::findings(&Source {
            description: &description,
            presence,
            incomplete: record.incomplete,
            damaged: self.damaged(&record, &description)?,
            credential_revoked: revoked,
            names: self.names(&description)?,
        });
        let mut facts = description.facts().map_err(|error| ControllerError::Refused(error.to_string()))?;
        facts.mid = mid;
        if facts.cloud_type.is_empty() {
            facts.cloud_type = Name::cut(&self.config.cloud_type);
        }
        facts.controller_version = Name::cut(&self.config.version);
        facts.identity_url = Text::cut(&self.config.identity_url);
        // Binaries that several applications share travel once.
        let calls = self.binary_calls(&record)?;
        let entries = self.database.entry_totals(model)?.1;
        facts.bytes_total = blob.bytes + entries + distinct_blobs(&calls).iter().map(|blob| blob.bytes).sum::<u64>();
        Ok(Examination { facts, findings, networks: NetworkTable::of(&description), departing: None })
    }

    /// Returns the names of the controller's models, where this one has to do with others.
    fn names(&self, description: &Description) -> Result<ModelNames, ControllerError> {
        let consumes = description.remote_applications.iter().any(|remote| !remote.is_consumer_proxy);
        if !consumes && description.consumers().is_empty() {
            return Ok(ModelNames::new());
        }
        Ok(self.database.models()?.iter().map(|record| (record.uuid.to_string(), record.path())).collect())
    }

    /// Tells which of a model's binaries are missing here, or not whole. Their bytes are proven when they travel.
    fn damaged(&self, record: &ModelRecord, description: &Description) -> Result<Vec<String>, ControllerError> {
        let held: HashMap<String, Blob> = self.database.binaries(record.uuid)?.into_iter().collect();
        let mut damaged = Vec::new();
        for wanted in description.wanted() {
            let Some(blob) = held.get(&key(wanted)) else {
                damaged.push(format!("{wanted} is missing"));
                continue;
            };
            match self.store.size(blob.hash).map_err(ControllerError::storage)? {
                Some(bytes) if bytes == blob.bytes => {}
                Some(bytes) => damaged.push(format!("{wanted} has {bytes} bytes instead of {}", blob.bytes)),
                None => damaged.push(format!("{wanted} is missing")),
            }
        }
        Ok(damaged)
    }

    /// Yields the calls that stage a model. What they name is in the store; the same model makes the same calls.
    fn calls(&self, record: &ModelRecord) -> Result<Export, ControllerError> {
        let description = record.description.ok_or_else(|| ControllerError::Refused(source::CONTROLLER.to_owned()))?;
        let mut calls = vec![Call::Import(description.into())];
        let entries = self.entries_document(record.uuid)?;
        if !entries.is_empty() {
            calls.push(Call::ImportEntries(self.store.put_bytes(&entries).map_err(ControllerError::storage)?));
        }
        calls.extend(self.binary_calls(record)?);
        calls.push(Call::CheckMachines(Params::default()));
        Ok(Export { name: record.name.clone(), owner: record.owner.clone(), complete: !record.incomplete, calls })
    }

    pub(super) fn binary_calls(&self, record: &ModelRecord) -> Result<Vec<Call>, ControllerError> {
        let Some(description) = record.description else { return Ok(Vec::new()) };
        let held: HashMap<String, Blob> = self.database.binaries(record.uuid)?.into_iter().collect();
        let description = self.description_of(description)?;
        let calls =
            description.wanted().iter().filter_map(|wanted| Some(wanted.upload((*held.get(&key(wanted))?).into())));
        Ok(calls.collect())
    }
}
