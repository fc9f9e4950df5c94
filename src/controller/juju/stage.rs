//! The calls that stage a model in a real controller, take it into service, or remove its copy.
//!
//! What must hold: nothing is ever activated after an import that failed; a call whose reply was lost is looked after, not
//! repeated blindly; a removal has ended when the model is seen gone. The import has a file of its own.

use std::sync::Arc;

use modelferry_protocol::ids::{Hash, ModelUuid};
use modelferry_protocol::snapshot::{Arguments, Call, Params, Reply};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::Inner;
use super::connection::{CallError, Live};
use super::import::payload;
use super::outcome::Seen;
use super::record::{Copy, Import, Step};
use crate::clock::now_ms;
use crate::controller::port::{ControllerError, MigrationRef, Presence};
use crate::juju::params::{ErrorResults, from_value, tag};

/// What an entry of an embedded controller's model becomes in a real one: nothing, so a model with entries stays where it is.
pub(super) const ENTRIES: &str =
    "the entries that `modelferry embedded get MODEL` lists have no place in a real controller";

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

fn model_args(model: ModelUuid) -> Value {
    json!({ "model-tag": tag::model(&model.to_string()) })
}

/// Reads the parameters that the source's controller wrote; nothing where it wrote none.
fn told(params: &[u8]) -> Result<Option<Value>, ControllerError> {
    if params.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(params).map(Some).map_err(|error| refused(format!("the parameters are no JSON: {error}")))
}

/// Returns what the controller answered, as it is carried; nothing of what is too long.
fn reply(answer: &Value) -> Reply {
    Reply::new(answer.to_string().into_bytes()).unwrap_or_default()
}

impl Inner {
    /// Makes one call. The caller holds the model's lock.
    pub(super) async fn perform(
        self: &Arc<Self>,
        migration: MigrationRef,
        call: &Call,
    ) -> Result<Reply, ControllerError> {
        let done = |()| Reply::default();
        match call {
            Call::Import(_) | Call::ImportOpaque(_) => self.import(migration, payload(call)?).await.map(done),
            Call::ImportEntries(blob) if blob.bytes == 0 => Ok(Reply::default()),
            Call::ImportEntries(_) => Err(refused(ENTRIES)),
            Call::UploadCharm(_) | Call::UploadAgentBinary(_) | Call::UploadResource(_) => {
                let copy = self.imported(migration).await?;
                self.upload(migration, &copy, call).await.map(done)
            }
            Call::CheckMachines(_) => self.check(migration).await,
            Call::Activate(arguments) => self.activate(migration, arguments).await.map(done),
            Call::AdoptResources(params) => self.adopt(migration, params).await,
            Call::Abort => self.abort(migration).await.map(done),
        }
    }

    /// Returns the migration's copy, if its import is known to be whole.
    async fn imported(self: &Arc<Self>, migration: MigrationRef) -> Result<Copy, ControllerError> {
        let copy = self.begun(migration).await?;
        match &copy.import {
            _ if copy.activation == Some(Step::Done) => Ok(copy),
            _ if copy.ended => Err(ControllerError::ModelNotFound(migration.model.to_string())),
            Import::Done => Ok(copy),
            Import::Failed { cause } => Err(refused(cause)),
            Import::PutOff | Import::Sent { .. } => Err(refused("whether the model was imported is not known yet")),
        }
    }

    async fn check(self: &Arc<Self>, migration: MigrationRef) -> Result<Reply, ControllerError> {
        let copy = self.imported(migration).await?;
        if copy.checked {
            return Ok(reply(&json!({ "results": [] })));
        }
        self.all_uploaded(migration, &copy).await?;
        self.tell_revisions(migration, &copy).await?;
        let answer = self
            .connector
            .call("MigrationTarget", &[copy.facade], "CheckMachines", model_args(migration.model))
            .await?;
        let told: ErrorResults = from_value(&answer).map_err(|error| refused(error.to_string()))?;
        let errors: Vec<String> = told.results.into_iter().filter_map(|it| it.error).map(|it| it.to_string()).collect();
        match errors.len() {
            0 => {
                self.put(migration.mid, &Copy { checked: true, ..copy }).await?;
                Ok(reply(&answer))
            }
            1 => Err(refused(format!("machine sanity check failed, 1 error found: {}", errors[0]))),
            count => Err(refused(format!("machine sanity check failed, {count} errors found: {}", errors.join("; ")))),
        }
    }

    async fn activate(self: &Arc<Self>, migration: MigrationRef, arguments: &Arguments) -> Result<(), ControllerError> {
        let mut copy = self.imported(migration).await?;
        if copy.activation == Some(Step::Done) {
            return Ok(());
        }
        if !copy.checked {
            return Err(refused("the model is not staged as a whole, and is not activated"));
        }
        let live = self.connector.live().await?;
        if copy.activation.is_none() {
            copy.activation = Some(Step::Sent);
            self.put(migration.mid, &copy).await?;
        }
        let params = match told(arguments)? {
            Some(params) => params,
            None => {
                let mut params = model_args(migration.model);
                params["controller-tag"] = json!("");
                params["controller-alias"] = json!("");
                params["source-ca-cert"] = json!("");
                params["source-api-addrs"] = Value::Null;
                params["cross-model-uuids"] = Value::Null;
                params
            }
        };
        if let Err(error) = live.call("MigrationTarget", &[copy.facade], "Activate", params).await {
            // An earlier one may have been carried out although its reply was lost.
            let is_live = error.refusal().is_some() && self.look(migration.model).await? == Seen::Live;
            if !is_live {
                return Err(error.into());
            }
        }
        self.put(migration.mid, &Copy { activation: Some(Step::Done), ..copy }).await
    }

    async fn adopt(self: &Arc<Self>, migration: MigrationRef, params: &Params) -> Result<Reply, ControllerError> {
        let copy = self.begun(migration).await?;
        if copy.activation != Some(Step::Done) {
            return Err(refused("the model is not active, so its cloud resources are not taken over"));
        }
        if copy.adopted {
            return Ok(Reply::default());
        }
        let live: Arc<Live> = self.connector.live().await?;
        let params = match told(params)? {
            Some(params) => params,
            None => {
                let mut params = model_args(migration.model);
                params["source-controller-version"] = json!(live.result.server_version);
                params
            }
        };
        let answer = live.call("MigrationTarget", &[copy.facade], "AdoptResources", params).await?;
        self.put(migration.mid, &Copy { adopted: true, ..copy }).await?;
        Ok(reply(&answer))
    }

    async fn abort(self: &Arc<Self>, migration: MigrationRef) -> Result<(), ControllerError> {
        let copy = match self.copy(migration.mid).await? {
            Some(copy) if copy.model == migration.model => copy,
            Some(_) => return Ok(()),
            None => return self.put(migration.mid, &never_begun(migration.model)).await,
        };
        if copy.gone {
            return Ok(());
        }
        if copy.activation == Some(Step::Sent) {
            // One that is on its way is given time to land, so that it is not overtaken.
            sleep(self.timing.look * 5).await;
        }
        // Looked at before every abort: at version 8 one that follows a second import deletes a model that is live.
        if copy.activation == Some(Step::Done) || self.look(migration.model).await? == Seen::Live {
            let activation = copy.activation.map(|_| Step::Done);
            self.put(migration.mid, &Copy { activation, ..copy }).await?;
            return Err(ControllerError::NotImporting);
        }
        let copy = Copy { ended: true, ..copy };
        self.put(migration.mid, &copy).await?;
        match self.connector.call("MigrationTarget", &[copy.facade], "Abort", model_args(migration.model)).await {
            Ok(_) => {}
            Err(error @ CallError::Refused(_)) => match self.look(migration.model).await? {
                Seen::Nothing => {}
                Seen::Live => return Err(ControllerError::NotImporting),
                // Half an import, such as the controller leaves when the connection ends under it. It shows no such model to
                // remove, nobody can use what is left, and nothing is activated after it: there is nothing to wait for.
                Seen::Hidden if error.is_not_found() && !self.may_still_run(&copy.import) => {
                    return self.put(migration.mid, &Copy { gone: true, ..copy }).await;
                }
                Seen::Hidden | Seen::Importing => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
        self.wait_until_gone(migration.model).await?;
        self.put(migration.mid, &Copy { gone: true, ..copy }).await
    }

    /// Reports whether the controller may still be carrying out an import whose reply was lost.
    fn may_still_run(&self, import: &Import) -> bool {
        let Import::Sent { at_ms } = import else { return false };
        u128::from(now_ms().saturating_sub(*at_ms)) < self.timing.import_settles.as_millis()
    }

    /// An abort is answered before it is carried out.
    async fn wait_until_gone(self: &Arc<Self>, model: ModelUuid) -> Result<(), ControllerError> {
        let begun = Instant::now();
        while self.look(model).await? != Seen::Nothing {
            if begun.elapsed() > self.timing.gone {
                let text = format!("the controller \"{}\" is still removing the model's copy", self.connector.name());
                return Err(ControllerError::Unknown(text));
            }
            sleep(self.timing.look).await;
        }
        Ok(())
    }

    /// Says what is here of the model, by what was written down and, where that does not tell, by a look.
    pub(super) async fn presence(self: &Arc<Self>, migration: MigrationRef) -> Result<Presence, ControllerError> {
        let copy = self.copy(migration.mid).await?.filter(|copy| copy.model == migration.model);
        let Some(copy) = copy.as_ref().filter(|copy| !copy.gone) else {
            return Ok(match self.look(migration.model).await? {
                Seen::Nothing => Presence::Absent,
                // What a failed import of this migration has left behind, and the controller does not remove.
                Seen::Hidden if copy.is_some() => Presence::Absent,
                _ => Presence::Other,
            });
        };
        Ok(match copy.activation {
            Some(Step::Done) => Presence::Live,
            Some(Step::Sent) if self.look(migration.model).await? == Seen::Live => Presence::Live,
            _ if copy.checked && !copy.ended => Presence::Staged,
            _ if copy.import == Import::Done && !copy.ended => Presence::Imported,
            _ => Presence::Importing,
        })
    }
}

/// What is kept of a migration that ended before its import: one that lands late is refused.
fn never_begun(model: ModelUuid) -> Copy {
    let import = Import::Failed { cause: "the migration ended before its import".to_owned() };
    Copy { ended: true, gone: true, ..Copy::new(model, Hash::default(), 0, import) }
}
