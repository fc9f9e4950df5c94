//! `MigrationTarget` 1 to 8: a migration master of Juju's own moves a model straight into the controller.

use std::collections::BTreeSet;

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use modelferry_protocol::plan::ModelFacts;
use modelferry_protocol::snapshot::{Arguments, Call as Step, Name, Params};
use serde_json::{Value, json};

use crate::clock::now_ms;
use crate::controller::checks::target;
use crate::controller::description::{Description, DescriptionError};
use crate::controller::embedded::Inner;
use crate::controller::embedded::api::caller::{Caller, reply};
use crate::controller::embedded::api::errors::{fault, no_tag};
use crate::controller::embedded::api::time;
use crate::controller::embedded::files::import_builder::check_calls;
use crate::controller::embedded::records::record::{ModelRecord, State, key};
use crate::controller::master::calls::{BY_TABLES, NO_TIME, QUALIFIED, all_given, envelope_of, model_of};
use crate::controller::port::{ControllerError, MigrationRef};
use crate::juju::params::migration_target::{
    BytesResult, CreateMigrationMacaroonResult, MigrationModelInfo, SerializedModel,
};
use crate::juju::params::{ErrorResult, ErrorResults, tag};
use crate::juju::rpc::{ErrorCode, RpcCall, RpcError};

/// How Go writes that there is no version.
const NO_VERSION: &str = "0.0.0";

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    caller.must_be_superuser()?;
    let inner = caller.api.inner();
    let refused = |error: ControllerError| fault(&error);
    let perform = |step: &Step| {
        let (_, migration) = inner.brought_by_master(model_of(call)?).map_err(refused)?;
        inner.perform(migration, step).map(|()| json!({})).map_err(refused)
    };
    match call.method.as_str() {
        "CACert" => reply(&BytesResult { result: inner.identity.ca_cert.clone().into_bytes() }),
        "Prechecks" if call.version >= BY_TABLES => prechecks_by_tables(inner, call).map(|()| json!({})),
        "Prechecks" => prechecks(inner, &call.params()?, call.version >= QUALIFIED).map(|()| json!({})),
        "Import" if call.version >= BY_TABLES => import(caller, &envelope_of(call)?).map(|()| json!({})),
        "CreateMigrationMacaroon" if call.version >= BY_TABLES => {
            let bakery = caller.api.bakery(caller.user()?).map_err(refused)?;
            reply(&CreateMigrationMacaroonResult { macaroon: bakery.migration(now_ms()) })
        }
        "Import" => {
            let SerializedModel { bytes } = call.params()?;
            import(caller, &bytes).map(|()| json!({}))
        }
        "CheckMachines" => {
            let (record, migration) = inner.brought_by_master(model_of(call)?).map_err(refused)?;
            reply(&inner.check_machines(&record, migration).map_err(refused)?)
        }
        "Activate" => perform(&Step::Activate(Arguments::default())),
        "AdoptResources" => perform(&Step::AdoptResources(Params::default())),
        "Abort" => perform(&Step::Abort),
        "LatestLogTime" => {
            let (_, migration) = inner.brought_by_master(model_of(call)?).map_err(refused)?;
            let latest = inner.latest_log_time(migration).map_err(refused)?;
            Ok(json!(time(latest).unwrap_or_else(|| NO_TIME.to_owned())))
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

fn prechecks_by_tables(inner: &Inner, call: &RpcCall) -> Result<(), RpcError> {
    let told = Description::parse(&envelope_of(call)?).map_err(|error| RpcError::plain(error.to_string()))?;
    check_calls(&told).map_err(|error| fault(&error))?;
    let facts = told.facts().map_err(|error| RpcError::plain(error.to_string()))?;
    inner.judge_masters(facts).map_err(|error| fault(&error))
}

fn prechecks(inner: &Inner, info: &MigrationModelInfo, qualified: bool) -> Result<(), RpcError> {
    let owner = if qualified { &info.qualifier } else { tag::user_of(&info.owner_tag).unwrap_or_default() };
    let version = if info.agent_version == NO_VERSION { "" } else { info.agent_version.as_str() };
    all_given(&[(&info.uuid, "UUID"), (owner, "Owner"), (&info.name, "Name"), (version, "Version")])?;
    let uuid: ModelUuid = info.uuid.parse().map_err(|_| no_tag("model", &tag::model(&info.uuid)))?;
    let mut facts = match info.model_description.as_slice() {
        [] => ModelFacts { cloud: Name::cut(&inner.config.cloud), ..ModelFacts::default() },
        bytes => {
            let told = Description::parse(bytes).map_err(|error| RpcError::plain(error.to_string()))?;
            check_calls(&told).map_err(|error| fault(&error))?;
            told.facts().map_err(|error| RpcError::plain(error.to_string()))?
        }
    };
    (facts.uuid, facts.name, facts.owner) = (uuid, Name::cut(&info.name), Name::cut(owner));
    facts.agent_version = Name::cut(version);
    facts.controller_version = Name::cut(&info.controller_agent_version);
    inner.judge_masters(facts).map_err(|error| fault(&error))
}

/// Imports a model. What an earlier migration of a master left of it is deleted first.
fn import(caller: &Caller, document: &[u8]) -> Result<(), RpcError> {
    let (inner, by) = (caller.api.inner(), format!("{} from {}", caller.user()?, caller.from));
    let refused = |error: ControllerError| fault(&error);
    if document.len() as u64 > DESCRIPTION_BYTES_MAX {
        return Err(RpcError::plain(DescriptionError::TooLarge.to_string()));
    }
    // Nothing names the blob until the model is staged.
    let _copied = inner.store.lease_with_puts();
    let blob = inner.store.put_bytes(document).map_err(|error| fault(&ControllerError::storage(error)))?;
    let description = inner.description_of(blob.into()).map_err(refused)?;
    let mut facts = description.facts().map_err(|error| RpcError::plain(error.to_string()))?;
    facts.controller_version = Name::cut(NO_VERSION);
    inner.judge_masters(facts).map_err(refused)?;
    let model = description.uuid;
    if let Some(left) = inner.left_over(model).map_err(refused)? {
        tracing::info!(%model, "an import that was left over is deleted, and the model imported anew");
        inner.perform(left, &Step::Abort).map_err(refused)?;
    }
    let migration = MigrationRef { mid: MigrationId(*uuid::Uuid::new_v4().as_bytes()), model };
    tracing::info!(%model, by, "a Juju controller imports a model");
    inner.note_import(migration, by).map_err(refused)?;
    inner.perform(migration, &Step::Import(blob)).map_err(refused)
}

/// Juju's word for how a model stands in a migration.
fn mode(record: &ModelRecord) -> &'static str {
    match record.state {
        State::Importing { .. } | State::Staged { .. } => "importing",
        State::Frozen { .. } => "exporting",
        State::Live { .. } | State::Gone(_) => "",
    }
}

impl Inner {
    /// Returns a model, and the migration by which a master brings it, or has brought it.
    ///
    /// Errors: [`ControllerError::NotImporting`] for any other model that is here.
    fn brought_by_master(&self, model: ModelUuid) -> Result<(ModelRecord, MigrationRef), ControllerError> {
        let record = self.known(model)?;
        if let State::Gone(_) = record.state {
            return Err(ControllerError::ModelNotFound(model.to_string()));
        }
        let noted = self.import_noted(model)?;
        let mid =
            noted.map(|import| import.mid.0).filter(|mid| record.mid() == Some(*mid) || record.came() == Some(*mid));
        match mid {
            Some(mid) => Ok((record, MigrationRef { mid, model })),
            None => Err(ControllerError::NotImporting),
        }
    }

    /// Returns the migration of a master that has not made its model live.
    fn left_over(&self, model: ModelUuid) -> Result<Option<MigrationRef>, ControllerError> {
        match self.brought_by_master(model) {
            Ok((record, migration)) => Ok((mode(&record) == "importing").then_some(migration)),
            Err(ControllerError::ModelNotFound(_) | ControllerError::NotImporting) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Judges a model that a master would bring.
    fn judge_masters(&self, mut facts: ModelFacts) -> Result<(), ControllerError> {
        // What is left over is deleted at the import.
        facts.mid = self.left_over(facts.uuid)?.map(|migration| migration.mid);
        // Behind a master is a real controller, and machines run its models.
        facts.machines_live = true;
        if facts.cloud_type.is_empty() {
            facts.cloud_type = Name::cut(&self.config.cloud_type);
        }
        // The source compares the two for itself.
        facts.identity_url = modelferry_protocol::codec::Text::cut(&self.config.identity_url);
        match self.judged(facts.mid, |target| target::refusal(&facts, target))? {
            Some(finding) => Err(ControllerError::Refused(finding.text.into_string())),
            None => Ok(()),
        }
    }

    /// Ends the staging if nothing is missing, and else lists what is: a master uploads everything, so that something
    /// was lost on the way.
    fn check_machines(&self, record: &ModelRecord, migration: MigrationRef) -> Result<ErrorResults, ControllerError> {
        if record.came() == Some(migration.mid) {
            return Ok(ErrorResults::default());
        }
        let not_found = || ControllerError::ModelNotFound(migration.model.to_string());
        let description = self.description_of(record.description.ok_or_else(not_found)?)?;
        let held: BTreeSet<String> =
            self.database.binaries(migration.model)?.into_iter().map(|(path, _)| path).collect();
        let missing = description.wanted().iter().filter(|wanted| !held.contains(&key(wanted)));
        let results: Vec<ErrorResult> = missing
            .map(|wanted| ErrorResult { error: Some(RpcError::plain(format!("{wanted} was not uploaded"))) })
            .collect();
        if results.is_empty() {
            self.perform(migration, &Step::CheckMachines(Params::default()))?;
        }
        Ok(ErrorResults { results })
    }

    /// Returns the migration of a model whose mode a master's upload or log needs.
    pub(in crate::controller::embedded::api) fn in_mode(
        &self,
        model: ModelUuid,
        wanted: &str,
    ) -> Result<MigrationRef, RpcError> {
        let record = self.known(model).map_err(|error| fault(&error))?;
        let actual = mode(&record);
        if actual != wanted {
            let text = format!("model migration mode is {actual:?} instead of {wanted:?}");
            return Err(RpcError::new(ErrorCode::BadRequest, text));
        }
        self.brought_by_master(model).map(|(_, migration)| migration).map_err(|error| fault(&error))
    }
}
