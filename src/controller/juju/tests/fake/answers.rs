//! What the controller answers to calls.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::MODEL;
use super::{Fake, Fault, OWN_MODEL, Stand, State};
use crate::juju::rpc::{ErrorCode, RpcCall, RpcError, Session};

pub(super) struct Talk(pub Arc<Fake>);

fn model_of(call: &RpcCall) -> String {
    call.params["model-tag"].as_str().unwrap_or_default().trim_start_matches("model-").to_owned()
}

#[async_trait]
impl Session for Talk {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        let fault = self.0.meet(&call.method);
        self.0.state().params.insert(call.method.clone(), call.params.clone());
        match &fault {
            Some(Fault::Refuse(error)) => return Err(error.clone()),
            Some(fault @ (Fault::Cut | Fault::Kill)) => self.0.cut(fault).await,
            Some(Fault::CutWithin) => {
                let (late, called) = (Self(self.0.clone()), call.clone());
                // It outlives its connection.
                tokio::spawn(async move { late.half(&called) });
                self.0.cut(&Fault::CutWithin).await;
            }
            _ if call.facade == "MigrationTarget" && !self.0.may() => return Err(RpcError::permission_denied()),
            _ => {}
        }
        let answer = self.answer(&call);
        if let Some(fault @ Fault::LoseReply) = &fault {
            self.0.cut(fault).await;
        }
        answer
    }
}

/// Takes a model in. By version 8 one that is live fails, and is importing from then on.
fn import(state: &mut State, version: u32) -> Result<Value, RpcError> {
    let begun = if version >= 8 { Stand::Unseen } else { Stand::Importing };
    match state.models.insert(MODEL.to_owned(), begun) {
        None => {
            state.imports += 1;
            Ok(json!({}))
        }
        Some(before) if version < 8 => {
            state.models.insert(MODEL.to_owned(), before);
            Err(RpcError::plain("claiming lease: lease already held"))
        }
        Some(_) => Err(RpcError::plain("model already exists")),
    }
}

impl Talk {
    /// Carries out what goes on when its connection has ended: 4.1 ends an import half-way.
    fn half(&self, call: &RpcCall) {
        match call.method.as_str() {
            "Import" => {
                let mut state = self.0.state();
                state.models.insert(MODEL.to_owned(), Stand::Halved);
                state.imports += 1;
            }
            // Nobody is there to be answered.
            _ => drop(self.answer(call)),
        }
    }

    fn answer(&self, call: &RpcCall) -> Result<Value, RpcError> {
        let mut state = self.0.state();
        let model = model_of(call);
        match call.method.as_str() {
            "Import" => import(&mut state, call.version),
            "CheckMachines" => Ok(json!({ "results": [] })),
            "DumpModels" => Ok(match &state.dump {
                Some(dump) => json!({ "results": [{ "result": dump }] }),
                None => json!({ "results": [{ "error": { "message": "model not found", "code": "not found" } }] }),
            }),
            "InitiateMigration" => {
                state.migration = json!({ "status": "starting", "start": "2026-02-02T00:00:00Z" });
                state.is_exporting = true;
                Ok(json!({ "results": [{ "migration-id": "m:0" }] }))
            }
            "Set" if state.is_exporting => {
                Err(RpcError::new(ErrorCode::MigrationInProgress, "model migration in progress"))
            }
            "Set" => Ok(json!({ "results": [] })),
            "Prechecks" => Ok(json!({})),
            "Activate" => match state.models.get_mut(&model) {
                Some(stand) => {
                    *stand = Stand::Live;
                    Ok(json!({}))
                }
                None => Err(RpcError::plain("database not found")),
            },
            "AdoptResources" if state.adopts_refused > 0 => {
                state.adopts_refused -= 1;
                Err(RpcError::plain("the cloud refuses"))
            }
            "AdoptResources" => Ok(json!({})),
            "Abort" => match state.models.get_mut(&model) {
                Some(Stand::Live) => Err(RpcError::plain("migration mode for the model is not importing")),
                Some(Stand::Halved) => Err(RpcError::new(ErrorCode::ModelNotFound, "model does not exist")),
                Some(stand) => {
                    *stand = Stand::Dying(3);
                    Ok(json!({}))
                }
                None => Err(RpcError::plain("database not found")),
            },
            "ModelInfo" => {
                // Who may add models administers its own.
                let may = self.0.may() || *self.0.access.lock() == "add-model";
                Ok(json!({ "results": [info(&mut state, call, may)] }))
            }
            "ControllerConfig" => Ok(json!({ "config": state.config })),
            "ListModelSummaries" => Ok(summaries(&state)),
            "Clouds" => Ok(json!({ "clouds": { "cloud-openstack-eu": {
                "type": "openstack", "regions": [{ "name": "RegionOne" }] } } })),
            "Credential" => match &state.credential {
                Some(known) => Ok(json!({ "results": [{ "result": known }] })),
                None => Err(RpcError::new(ErrorCode::NotFound, "credential not found")),
            },
            "ListSecretBackends" => Ok(json!({ "results": [{ "id": "63c8ad37c906eb278540e942", "result": {} }] })),
            "IdentityProviderURL" => Ok(json!({ "result": "" })),
            "UserInfo" => {
                let users = self.0.users.lock().clone();
                let access = self.0.access.lock().clone();
                let of = |name: &String| json!({ "result": { "username": name, "access": access } });
                Ok(json!({ "results": users.iter().map(of).collect::<Vec<_>>() }))
            }
            "ListSecrets" => {
                let of = |uri: &String| json!({ "uri": uri, "version": 1 });
                Ok(json!({ "results": state.secrets.iter().map(of).collect::<Vec<_>>() }))
            }
            "FullStatus" => Ok(json!({ "applications": {
                "postgresql": { "units": { "postgresql/0": { "agent-status": { "status": "idle" } } } } },
                "machines": {}, "relations": [] })),
            _ => Err(RpcError::unknown_method(call)),
        }
    }
}

fn summaries(state: &State) -> Value {
    let own = json!({
        "name": "controller", "uuid": OWN_MODEL, "qualifier": "admin", "is-controller": true,
        "cloud-tag": "cloud-openstack-eu", "cloud-region": "RegionOne", "status": { "status": "available" }
    });
    let all = std::iter::once(&own).chain(&state.others);
    json!({ "results": all.map(|model| json!({ "result": model })).collect::<Vec<_>>() })
}

/// Shows a model as Juju 4.1 does.
fn info(state: &mut State, call: &RpcCall, may: bool) -> Value {
    let tag = call.params["entities"][0]["tag"].as_str().unwrap_or_default();
    let uuid = tag.trim_start_matches("model-").to_owned();
    let not_found = |text: &str| json!({ "error": { "message": text, "code": "not found" } });
    if !may {
        return json!({ "error": { "message": "permission denied", "code": "unauthorized access" } });
    }
    if uuid == OWN_MODEL {
        return json!({ "result": { "life": "alive", "is-controller": true, "status": { "status": "available" } } });
    }
    if uuid == MODEL && state.dump.is_some() {
        let migration = state.migration.clone();
        return json!({ "result": { "life": "alive", "agent-version": "3.6.11", "migration": migration,
            "name": "shop-eu", "owner-tag": "user-admin", "cloud-tag": "cloud-openstack-eu", "cloud-region": "RegionOne",
            "users": [{ "user": "bob" }], "is-controller": false, "status": { "status": "available" } } });
    }
    let busy = |life: &str| {
        let note = "the model is being migrated";
        json!({ "result": { "life": life, "status": { "status": "busy", "info": note }, "migration": { "status": note } } })
    };
    match state.models.get_mut(&uuid) {
        None => not_found("invoking getDB: database not found"),
        Some(Stand::Broken | Stand::Halved | Stand::Unseen) => not_found("model not found"),
        Some(Stand::Importing) => busy("alive"),
        Some(Stand::Live) => {
            json!({ "result": { "life": "alive", "status": { "status": "available" }, "migration": null } })
        }
        Some(Stand::Dying(0)) => {
            // Charms and resources go with their model.
            state.models.remove(&uuid);
            state.uploads.clear();
            not_found("invoking getDB: database not found")
        }
        Some(Stand::Dying(left)) => {
            *left -= 1;
            busy("dead")
        }
    }
}
