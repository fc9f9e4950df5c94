//! The embedded controller as a target.

use std::collections::BTreeSet;

use async_trait::async_trait;
use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts, NetworkSubnet, Networks};
use modelferry_protocol::snapshot::{BlobRef, Call, LogSegment, Name, Reply};
use serde_json::json;

use super::dry_run::uploaded;
use super::facts;
use crate::clock::now_ms;
use crate::config::SpaceConfig;
use crate::controller::checks::target::{self, Known, Target};
use crate::controller::description::Description;
use crate::controller::description::wanted::Wanted;
use crate::controller::embedded::contents::entries::{ENTRIES_DOCUMENT_BYTES_MAX, parse_entries};
use crate::controller::embedded::files::import::check_name;
use crate::controller::embedded::files::import_builder::check_calls;
use crate::controller::embedded::records::record::{Blob, Mid, ModelRecord, State, Summary, key};
use crate::controller::embedded::records::tables::Tables;
use crate::controller::embedded::records::user_record::UserRecord;
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::inventory::Held;
use crate::controller::passed_on::{asks_for_login, is_passed_on, not_passed_on};
use crate::controller::port::{Arrival, ControllerError, Holding, MigrationRef, Presence, Said, VerbatimCall};
use crate::disk::blocking;

#[async_trait]
impl Arrival for Embedded {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(self.controller_card())
    }

    async fn holdings(&self) -> Result<Vec<Holding>, ControllerError> {
        self.blocking(|inner| {
            let holding = |(model, blobs): (ModelRecord, Vec<Blob>)| Holding {
                model: model.path(),
                blobs: blobs.into_iter().map(|blob| blob.hash).collect(),
            };
            Ok(inner.database.holdings()?.into_iter().map(holding).collect())
        })
        .await
    }

    async fn places(&self) -> Result<Option<Vec<Held>>, ControllerError> {
        self.blocking(|inner| {
            let models = inner.database.models()?;
            models.iter().map(|record| inner.held_as(record)).collect::<Result<_, _>>().map(Some)
        })
        .await
    }

    async fn prechecks(&self, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        let facts = facts.clone();
        self.blocking(move |inner| inner.judged(facts.mid, |target| target::findings(&facts, target))).await
    }

    async fn networks(&self) -> Result<Networks, ControllerError> {
        Ok(networks(&self.inner.config.spaces))
    }

    async fn audit(&self, migration: MigrationRef, calls: &[Call]) -> Result<Vec<Finding>, ControllerError> {
        let calls = calls.to_vec();
        self.blocking(move |inner| inner.audit(migration.model, &calls)).await
    }

    async fn dry_run_stage(&self, _: MigrationRef, calls: &[Call]) -> Result<(), ControllerError> {
        let calls = calls.to_vec();
        self.blocking(move |inner| inner.dry_run_stage(&calls)).await
    }

    async fn perform(&self, migration: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        let call = call.clone();
        self.blocking(move |inner| inner.perform(migration, &call)).await?;
        Ok(Reply::default())
    }

    async fn latest_log_time(&self, migration: MigrationRef) -> Result<u64, ControllerError> {
        self.blocking(move |inner| inner.latest_log_time(migration)).await
    }

    async fn take_log(&self, migration: MigrationRef, segment: &LogSegment) -> Result<u64, ControllerError> {
        let segment = segment.clone();
        self.blocking(move |inner| inner.take_log(migration, &segment)).await
    }

    async fn relay(&self, call: &VerbatimCall) -> Result<Said, ControllerError> {
        if asks_for_login(call) {
            return Ok(Said::of(Ok(json!(self.login_told()))));
        }
        if !is_passed_on(call) {
            return Err(not_passed_on(call));
        }
        let (embedded, call) = (self.clone(), call.clone());
        Ok(Said::of(blocking(move || embedded.relayed(&call)).await))
    }

    async fn probe(&self, migration: MigrationRef) -> Result<Presence, ControllerError> {
        self.blocking(move |inner| {
            let Some(record) = inner.database.model(migration.model)? else { return Ok(Presence::Absent) };
            Ok(match &record.state {
                State::Gone(_) => Presence::Absent,
                State::Importing { mid, .. } if mid.0 == migration.mid => Presence::Importing,
                State::Staged { mid, .. } if mid.0 == migration.mid => Presence::Staged,
                _ if record.came() == Some(migration.mid) => Presence::Live,
                _ => Presence::Other,
            })
        })
        .await
    }
}

/// Returns what a target's checks look at of a model that is here; `mid`: the migration they are for.
fn known(model: &ModelRecord, mid: Option<MigrationId>) -> Known {
    let presence = match &model.state {
        State::Live { .. } => target::ModelPresence::Live,
        State::Frozen { .. } => target::ModelPresence::Leaving,
        State::Importing { mid: of, .. } | State::Staged { mid: of, .. } if Some(of.0) == mid => {
            target::ModelPresence::Ours
        }
        State::Importing { .. } | State::Staged { .. } => target::ModelPresence::LeftOver,
        State::Gone(_) => target::ModelPresence::Gone,
    };
    Known { uuid: model.uuid, name: model.name.clone(), owner: model.owner.clone(), presence, mid: model.mid() }
}

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

/// How far the migration's copy of a model is.
enum Copy {
    Importing(ModelRecord),
    Staged(ModelRecord),
}

/// Returns the migration's copy of its model, as long as nobody uses it.
fn copy(record: Option<ModelRecord>, migration: MigrationRef) -> Result<Copy, ControllerError> {
    let Some(record) = record else { return Err(ControllerError::ModelNotFound(migration.model.to_string())) };
    match &record.state {
        State::Importing { mid, .. } if mid.0 == migration.mid => Ok(Copy::Importing(record)),
        State::Staged { mid, .. } if mid.0 == migration.mid => Ok(Copy::Staged(record)),
        State::Importing { mid, .. } | State::Staged { mid, .. } => {
            Err(ControllerError::OtherMigration { model: migration.model, actual: mid.0, expected: migration.mid })
        }
        State::Live { .. } | State::Frozen { .. } => Err(ControllerError::NotImporting),
        State::Gone(_) => Err(ControllerError::ModelNotFound(migration.model.to_string())),
    }
}

/// Returns what the configuration tells of networks; one that names no space tells nothing.
fn networks(spaces: &[SpaceConfig]) -> Networks {
    let subnets = spaces.iter().flat_map(|space| space.subnets.iter().map(move |subnet| (space, subnet)));
    Networks {
        told: !spaces.is_empty(),
        spaces: Bounded::truncated(spaces.iter().map(|space| Name::cut(&space.name)).collect()),
        subnets: Bounded::truncated(
            subnets
                .map(|(space, subnet)| NetworkSubnet {
                    cidr: Text::cut(&subnet.cidr),
                    provider_id: Name::cut(&subnet.provider_id),
                    zone: Name::cut(&subnet.zone),
                    space: Name::cut(&space.name),
                })
                .collect(),
        ),
    }
}

impl Inner {
    /// Makes one of the calls that stage a model, take it into service, or delete its copy.
    pub(in crate::controller::embedded) fn perform(
        &self,
        migration: MigrationRef,
        call: &Call,
    ) -> Result<(), ControllerError> {
        match call {
            Call::Import(blob) => self.stage_description(migration, *blob),
            Call::ImportOpaque(opaque) => Err(refused(format!(
                "this controller does not know what an export of kind \"{}\" holds; export the model as a description",
                &*opaque.kind
            ))),
            Call::ImportEntries(blob) => self.stage_entries(migration, *blob),
            Call::UploadCharm(_) | Call::UploadAgentBinary(_) | Call::UploadResource(_) => {
                self.stage_binary(migration, call)
            }
            Call::CheckMachines(_) => self.finish_staging(migration),
            Call::Activate(_) => self.activate(migration),
            Call::AdoptResources(_) => self.adopt(migration),
            Call::Abort => self.abort(migration),
        }
    }

    /// Judges by what the controller is now; `mid`: the migration that asks.
    pub(in crate::controller::embedded) fn judged<T>(
        &self,
        mid: Option<MigrationId>,
        judge: impl FnOnce(&Target) -> T,
    ) -> Result<T, ControllerError> {
        let users = self.database.users::<UserRecord>()?.into_iter().map(|(name, _)| name).collect();
        let models: Vec<Known> = self.database.models()?.iter().map(|model| known(model, mid)).collect();
        Ok(judge(&facts::target(&self.config, users, models)))
    }

    /// Holds an import to the rules that prechecks tell of, for a source that has not asked or was told long ago.
    fn check_import(&self, migration: MigrationRef, description: &Description) -> Result<(), ControllerError> {
        let mut facts = description.facts().map_err(|error| refused(error.to_string()))?;
        facts.mid = Some(migration.mid);
        if facts.cloud_type.is_empty() {
            facts.cloud_type = Name::cut(&self.config.cloud_type);
        }
        // What only the source knows is not in a description, and was judged when it was told.
        facts.controller_version = Name::cut(&self.config.version);
        facts.identity_url = Text::cut(&self.config.identity_url);
        match self.judged(facts.mid, |target| target::refusal(&facts, target))? {
            Some(finding) => Err(refused(finding.text.into_string())),
            None => Ok(()),
        }
    }

    fn stage_description(&self, migration: MigrationRef, blob: BlobRef) -> Result<(), ControllerError> {
        let description = self.description_of(blob.into())?;
        if description.uuid != migration.model {
            return Err(refused(format!("the description is of model {}, not {}", description.uuid, migration.model)));
        }
        check_calls(&description)?;
        if !self.is_here_by(migration)? {
            self.check_import(migration, &description)?;
        }
        self.database.write(|tables| {
            tables.refuse_ended(migration.mid)?;
            let known = tables.model(migration.model)?;
            let before = match known.map(|known| (known.description, known.state)) {
                None => None,
                // It comes home. An abort puts the redirect back.
                Some((_, State::Gone(departed))) => Some(departed),
                Some((of, State::Importing { mid, .. } | State::Staged { mid, .. }))
                    if mid.0 == migration.mid && of == Some(blob.into()) =>
                {
                    return Ok(());
                }
                Some(_) => return Err(refused(format!("model with same UUID already exists ({})", migration.model))),
            };
            check_name(&tables.models()?, migration.model, &description.name, &description.owner)?;
            tables.put_model(&ModelRecord {
                uuid: migration.model,
                name: description.name.clone(),
                owner: description.owner.clone(),
                controller: false,
                description: Some(blob.into()),
                incomplete: !description.wanted().is_empty(),
                state: State::Importing { mid: Mid(migration.mid), before },
                since_ms: now_ms(),
                summary: Summary::of(&description),
            })
        })
    }

    /// Reports whether the model is here by this very migration, so that importing it again is no new import.
    fn is_here_by(&self, migration: MigrationRef) -> Result<bool, ControllerError> {
        let known = self.database.model(migration.model)?;
        Ok(known.is_some_and(|known| known.mid() == Some(migration.mid) || known.came() == Some(migration.mid)))
    }

    fn stage_entries(&self, migration: MigrationRef, blob: BlobRef) -> Result<(), ControllerError> {
        let document = self.store.read(blob, ENTRIES_DOCUMENT_BYTES_MAX).map_err(ControllerError::storage)?;
        let entries = parse_entries(&document)?;
        if let Copy::Staged(record) = copy(self.database.model(migration.model)?, migration)? {
            let same = self.entries_document(record.uuid)? == document;
            return if same { Ok(()) } else { Err(refused("the model is staged with other entries")) };
        }
        self.database.write(|tables| {
            importing(tables, migration)?;
            tables.clear_entries(migration.model)?;
            entries.iter().try_for_each(|(key, value)| tables.add_entry(migration.model, key, value).map(drop))
        })
    }

    fn stage_binary(&self, migration: MigrationRef, call: &Call) -> Result<(), ControllerError> {
        let (Copy::Importing(record) | Copy::Staged(record)) = copy(self.database.model(migration.model)?, migration)?;
        let description =
            record.description.ok_or_else(|| ControllerError::ModelNotFound(migration.model.to_string()))?;
        let description = self.description_of(description)?;
        let (blob, wanted) = uploaded(call, &description)?;
        let path = key(wanted);
        let held = self.database.binaries(migration.model)?;
        if held.iter().any(|(known, of)| *known == path && *of == blob.into()) {
            return Ok(());
        }
        self.prove(blob, wanted)?;
        // What is lost of a half staged copy is staged again: the end of the staging makes all of it durable.
        self.database.write_soon(|tables| {
            importing(tables, migration)?;
            tables.put_binary(migration.model, &path, blob.into())
        })
    }

    /// Ends the staging: from here on the model can be activated, and everything that can fail has been tried.
    fn finish_staging(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        let record = match copy(self.database.model(migration.model)?, migration)? {
            Copy::Staged(_) => return Ok(()),
            Copy::Importing(record) => record,
        };
        let description =
            record.description.ok_or_else(|| ControllerError::ModelNotFound(migration.model.to_string()))?;
        let description = self.description_of(description)?;
        self.database.write(|tables| {
            let mut record = importing(tables, migration)?;
            let held: BTreeSet<String> = tables.binaries(migration.model)?.into_iter().map(|(path, _)| path).collect();
            let missing: Vec<String> = description
                .wanted()
                .iter()
                .filter(|wanted| !held.contains(&key(wanted)))
                .map(Wanted::to_string)
                .collect();
            // A model that was imported without its binaries comes without any. Some of them is an upload that failed.
            if !missing.is_empty() && !held.is_empty() {
                return Err(refused(format!(
                    "machine sanity check failed, binaries are missing: {}",
                    missing.join(", ")
                )));
            }
            let State::Importing { mid, before } = record.state.clone() else { return Ok(()) };
            record.incomplete = !missing.is_empty();
            record.set_state(State::Staged { mid, before });
            tables.put_model(&record)
        })
    }

    fn activate(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.database.write_regardless(|tables| {
            let known = tables.model(migration.model)?;
            if known.as_ref().is_some_and(|known| known.came() == Some(migration.mid)) {
                return Ok(());
            }
            match copy(known, migration)? {
                Copy::Importing(record) => {
                    Err(refused(format!("model \"{}\" is not completely imported", record.path())))
                }
                Copy::Staged(mut record) => {
                    // THE MODEL GOES LIVE HERE, once this transaction is on the disk.
                    tables.end(migration.mid)?;
                    record.set_state(State::Live { came: Some(Mid(migration.mid)) });
                    tables.put_model(&record)
                }
            }
        })
    }

    fn adopt(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        let known = self.database.model(migration.model)?;
        if known.as_ref().is_some_and(|known| known.came() == Some(migration.mid)) {
            return Ok(());
        }
        let (Copy::Importing(record) | Copy::Staged(record)) = copy(known, migration)?;
        Err(refused(format!("model \"{}\" is not active", record.path())))
    }

    fn abort(&self, migration: MigrationRef) -> Result<(), ControllerError> {
        self.database.write_regardless(|tables| {
            let Some(mut record) = tables.model(migration.model)? else { return tables.end(migration.mid) };
            if record.came() == Some(migration.mid) {
                return Err(ControllerError::NotImporting);
            }
            tables.end(migration.mid)?;
            match &record.state {
                State::Importing { mid, before } | State::Staged { mid, before } if mid.0 == migration.mid => {
                    let Some(departed) = before.clone() else { return tables.remove_model(migration.model) };
                    tables.remove_content(migration.model)?;
                    record.description = None;
                    record.set_state(State::Gone(departed));
                    tables.put_model(&record)
                }
                // Nothing of this migration is here: another one's copy and a live model are not its to delete.
                _ => Ok(()),
            }
        })
    }
}

/// Returns the migration's copy inside a transaction, while it may still change.
fn importing(tables: &Tables<'_>, migration: MigrationRef) -> Result<ModelRecord, ControllerError> {
    match copy(tables.model(migration.model)?, migration)? {
        Copy::Importing(record) => Ok(record),
        Copy::Staged(record) => Err(refused(format!("model \"{}\" is staged already", record.path()))),
    }
}
