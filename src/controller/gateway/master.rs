//! The migration master's calls: `MigrationTarget`, and what its controller asks besides.

use async_trait::async_trait;
use modelferry_protocol::codec::Bytes;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use modelferry_protocol::snapshot::{Arguments, Opaque, Params, Reply};
use modelferry_protocol::snapshot::{BlobRef, Call as Step, Name};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::imports::Import;
use super::{Gateway, RelayError, RelayedMigration};
use crate::controller::description::Description;
use crate::controller::master::calls::{BY_TABLES, NO_TIME, QUALIFIED, all_given, envelope_of, model_of};
use crate::controller::master::upload::bad;
use crate::controller::port::VerbatimCall;
use crate::disk::blocking;
use crate::juju::params::migration_target::{
    BytesResult, CreateMigrationMacaroonResult, MigrationModelInfo, SerializedModel,
};
use crate::juju::params::serialized_model::SerializedModelV2;
use crate::juju::params::{ErrorResult, ErrorResults, tag};
use crate::juju::rpc::{RpcCall, RpcError, Session};

/// The facade of migrations.
const FACADE: &str = "MigrationTarget";
/// The form of an import by tables, as the protocol names it.
const OPAQUE_KIND: &str = "juju/8";
/// Calls of other facades that a source makes at its target, or may come to make: they only read. The login would do for more
/// at the destination, where the agent is a superuser.
const READS: &[(&str, &[&str])] = &[
    (
        "Controller",
        &["AllModels", "ControllerConfig", "ControllerVersion", "IdentityProviderURL", "ModelStatus", "MongoVersion"],
    ),
    ("ModelManager", &["ListModels", "ListModelSummaries", "ModelInfo", "ModelStatus"]),
    ("UserManager", &["UserInfo"]),
];
/// The model that is the controller itself: its name and its owner.
const CONTROLLER_MODEL: (&str, &str) = ("controller", "admin");

/// A connection of a master.
pub(super) struct MasterSession {
    gateway: Gateway,
    migration: RelayedMigration,
    /// Kept until the connection ends, if it has carried an import.
    import: Mutex<Option<Import>>,
}

impl MasterSession {
    pub(super) fn new(gateway: Gateway, migration: RelayedMigration) -> Self {
        Self { gateway, migration, import: Mutex::default() }
    }
}

#[async_trait]
impl Session for MasterSession {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        if call.facade != FACADE {
            let reads =
                READS.iter().any(|(facade, methods)| *facade == call.facade && methods.contains(&call.method.as_str()));
            return if reads { self.relayed(call).await } else { Err(RpcError::permission_denied()) };
        }
        let (relay, migration) = (self.gateway.relay(), self.migration.migration_ref);
        match call.method.as_str() {
            "CACert" => json_of(&BytesResult { result: self.gateway.inner.ca_cert.clone().into_bytes() }),
            "CreateMigrationMacaroon" => {
                let macaroon = self.migration.secret.macaroon(migration.mid);
                json_of(&CreateMigrationMacaroonResult { macaroon })
            }
            "Prechecks" => {
                self.must_move(&model_to_come(&call)?)?;
                let verbatim = self.verbatim(call);
                relay.prechecks(migration, verbatim).await?.into_answer()
            }
            "Import" => self.import(&call).await,
            "CheckMachines" => {
                self.must_name_own(&call)?;
                Ok(checked(self.check_machines(&call).await))
            }
            "Activate" => {
                self.must_name_own(&call)?;
                relay.activate(migration, arguments(&call)?).await?;
                Ok(json!({}))
            }
            "AdoptResources" => {
                self.must_name_own(&call)?;
                value_of(&relay.adopt(migration, params(&call)?).await?)
            }
            "LatestLogTime" => {
                self.must_name_own(&call)?;
                let latest = relay.latest_log_time(migration).await?;
                Ok(json!(time(latest).unwrap_or_else(|| NO_TIME.to_owned())))
            }
            "Abort" => {
                self.must_name_own(&call)?;
                relay.abort(migration).await?;
                Ok(json!({}))
            }
            _ => self.relayed(call).await,
        }
    }
}

impl MasterSession {
    async fn relayed(&self, call: RpcCall) -> Result<Value, RpcError> {
        let verbatim = self.verbatim(call);
        self.gateway.relay().call(self.migration.migration_ref, verbatim).await?.into_answer()
    }

    fn verbatim(&self, call: RpcCall) -> VerbatimCall {
        let RpcCall { facade, version, method, params, .. } = call;
        let params = params.to_string().into_bytes();
        VerbatimCall { model: self.migration.migration_ref.model, facade, version, method, params }
    }

    /// Refuses a call about another model than the login is for.
    fn must_name_own(&self, call: &RpcCall) -> Result<(), RpcError> {
        self.must_be_own(model_of(call)?)
    }

    fn must_be_own(&self, model: ModelUuid) -> Result<(), RpcError> {
        let own = self.migration.migration_ref.model;
        if model == own { Ok(()) } else { Err(bad(format!("this login moves model {own}, and no other: not {model}"))) }
    }

    fn must_move(&self, model: &Comes) -> Result<(), RpcError> {
        if (model.name.as_str(), model.owner.as_str()) == CONTROLLER_MODEL {
            return Err(RpcError::plain("controllers can't be migrated"));
        }
        self.must_be_own(model.uuid)
    }

    async fn import(&self, call: &RpcCall) -> Result<Value, RpcError> {
        let migration = self.migration.migration_ref;
        self.import.lock().get_or_insert_with(|| self.gateway.inner.imports.begin(migration.mid));
        let by_tables = call.version >= BY_TABLES;
        let document = if by_tables { envelope_of(call)? } else { call.params::<SerializedModel>()?.bytes };
        if document.len() as u64 > DESCRIPTION_BYTES_MAX {
            let mib = DESCRIPTION_BYTES_MAX >> 20;
            return Err(bad(format!("a model's description has at most {mib} MiB, this one has more")));
        }
        // Nothing names the blob until the relay has it.
        let _stored = self.gateway.inner.store.lease_with_puts();
        let store = self.gateway.inner.store.clone();
        let (model, blob) = blocking(move || {
            let told = Description::parse(&document).map_err(|error| RpcError::plain(error.to_string()))?;
            let stored = store.put_bytes(&document);
            let blob = stored.map_err(|error| RpcError::from(RelayError::Storage(error.to_string())))?;
            Ok::<_, RpcError>((Comes { uuid: told.uuid, name: told.name, owner: told.owner }, blob))
        })
        .await?;
        self.must_move(&model)?;
        let reply = self.gateway.relay().import(migration, &step(by_tables, blob)).await?;
        value_of(&reply)
    }

    async fn check_machines(&self, call: &RpcCall) -> Result<Value, RpcError> {
        let (relay, migration) = (self.gateway.relay(), self.migration.migration_ref);
        relay.seal(migration).await?;
        value_of(&relay.check_machines(migration, params(call)?).await?)
    }
}

fn step(by_tables: bool, blob: BlobRef) -> Step {
    match by_tables {
        true => Step::ImportOpaque(Opaque { kind: Name::cut(OPAQUE_KIND), blob }),
        false => Step::Import(blob),
    }
}

/// A model that wants to come.
struct Comes {
    uuid: ModelUuid,
    name: String,
    owner: String,
}

/// Returns the model that `Prechecks` is about.
fn model_to_come(call: &RpcCall) -> Result<Comes, RpcError> {
    let (uuid, name, owner) = if call.version >= BY_TABLES {
        let SerializedModelV2 { model_info: info, .. } = call.params()?;
        (info.uuid, info.name, info.qualifier)
    } else {
        let info: MigrationModelInfo = call.params()?;
        let owner = match call.version >= QUALIFIED {
            true => info.qualifier,
            false => tag::user_of(&info.owner_tag).unwrap_or_default().to_owned(),
        };
        (info.uuid, info.name, owner)
    };
    all_given(&[(&uuid, "UUID")])?;
    let uuid = uuid.parse().map_err(|_| RpcError::plain(tag::not_a("model", &tag::model(&uuid))))?;
    Ok(Comes { uuid, name, owner })
}

/// Turns an error into a result: after a result a source aborts and names it; after an error it asks again, for ever.
fn checked(outcome: Result<Value, RpcError>) -> Value {
    outcome.unwrap_or_else(|error| json!(ErrorResults { results: vec![ErrorResult { error: Some(error) }] }))
}

fn json_of(value: &impl serde::Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::plain(error.to_string()))
}

/// Reads what the destination replied; nothing is an empty object.
fn value_of(reply: &Reply) -> Result<Value, RpcError> {
    if reply.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(reply)
        .map_err(|error| RpcError::plain(format!("the destination's reply is no JSON: {error}")))
}

fn arguments(call: &RpcCall) -> Result<Arguments, RpcError> {
    bounded(call)
}

fn params(call: &RpcCall) -> Result<Params, RpcError> {
    bounded(call)
}

fn bounded<const MAX: usize>(call: &RpcCall) -> Result<Bytes<MAX>, RpcError> {
    let json = call.params.to_string().into_bytes();
    let count = json.len();
    Bytes::new(json).map_err(|_| bad(format!("{count} bytes are more than the {MAX} that {} may have", call.method)))
}

/// Writes Unix milliseconds as the wire has times; nothing for 0.
fn time(unix_ms: u64) -> Option<String> {
    let time = i64::try_from(unix_ms).ok().filter(|ms| *ms > 0)?;
    Some(jiff::Timestamp::from_millisecond(time).ok()?.to_string())
}
