//! Reading a model while it is live: its description, and the binaries that a migration will upload.

use std::sync::Arc;

use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use modelferry_protocol::plan::ModelFacts;
use modelferry_protocol::snapshot::{BlobRef, Call, Name, Params};
use serde_json::{Value, json};

use super::super::Inner;
use super::super::connection::Live;
use super::super::facades::MODEL_MANAGER;
use super::super::summary::{owner, text};
use super::model_info;
use crate::controller::checks::network::NetworkTable;
use crate::controller::checks::source::{self, Source, SourcePresence};
use crate::controller::description::Description;
use crate::controller::description::wanted::Wanted;
use crate::controller::port::{ControllerError, Examination, Export};
use crate::disk::blocking;
use crate::juju::params::tag;
use crate::juju::rpc::ErrorCode;

/// The first series whose `DumpModels` yields the tables of a database, and no description.
const TABLES_SINCE: u32 = 4;

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

/// Reads the error of a result, if it has one.
pub(super) fn failure(model: ModelUuid, result: &Value) -> Option<ControllerError> {
    let error = result.get("error").filter(|error| !error.is_null())?;
    let message = text(&error["message"]);
    Some(match ErrorCode::from(error["code"].as_str().unwrap_or_default()) {
        ErrorCode::NotFound | ErrorCode::ModelNotFound | ErrorCode::Unauthorized => {
            ControllerError::ModelNotFound(model.to_string())
        }
        ErrorCode::Redirect => refused(format!("model {model} has been migrated to another controller")),
        _ => refused(message),
    })
}

impl Inner {
    /// Says what there is to know about a model before it is moved. Changes nothing.
    pub(in super::super) async fn examine(
        self: &Arc<Self>,
        model: ModelUuid,
        mid: Option<MigrationId>,
    ) -> Result<Examination, ControllerError> {
        let live = self.connector.live().await?;
        let info = model_info(&live, model).await?;
        if let Some(error) = failure(model, &info) {
            return Err(error);
        }
        let info = &info["result"];
        if info["is-controller"] == true {
            return Ok(Examination { findings: vec![source::controller_model()], ..Examination::default() });
        }
        if !live.yields_descriptions() {
            let mut examination = unseen(&live, model, mid, info).await?;
            examination.findings.push(self.may_migrate(&live).await);
            return Ok(examination);
        }
        let (blob, told) = self.dumped(&live, model).await?;
        let runs = info["migration"].is_object() && info["migration"]["end"].is_null();
        let is_ours = match mid {
            Some(mid) => self.departure(mid).await?.is_some(),
            None => false,
        };
        let presence = if runs && !is_ours { SourcePresence::Migrating } else { SourcePresence::Live };
        let mut findings = source::findings(&Source {
            description: &told,
            presence,
            incomplete: false,
            damaged: Vec::new(),
            credential_revoked: info["cloud-credential-validity"] == false,
            names: self.names(&live, &told).await?,
        });
        findings.push(self.may_migrate(&live).await);
        let departing = self.departing(&live, &told).await?;
        let mut facts = told.facts().map_err(|error| refused(error.to_string()))?;
        facts.mid = mid;
        if facts.cloud_type.is_empty() {
            facts.cloud_type = Name::cut(text(&info["provider-type"]));
        }
        if facts.agent_version.is_empty() {
            facts.agent_version = Name::cut(text(&info["agent-version"]));
        }
        add_controller(&live, &mut facts).await?;
        facts.bytes_total = blob.bytes + told.wanted().iter().map(bytes_told).sum::<u64>();
        Ok(Examination { facts, findings, networks: NetworkTable::of(&told), departing: Some(departing) })
    }

    /// Yields the calls that would stage the model as it is now. What they name is in the store, once this returns.
    pub(in super::super) async fn preview(self: &Arc<Self>, model: ModelUuid) -> Result<Export, ControllerError> {
        let live = self.connector.live().await?;
        let (description, told) = self.dumped(&live, model).await?;
        let mut calls = vec![Call::Import(description)];
        for wanted in told.wanted() {
            let blob = self.fetched(&live, model, wanted).await?;
            calls.push(wanted.upload(blob));
        }
        calls.push(Call::CheckMachines(Params::default()));
        Ok(Export { name: told.name.clone(), owner: told.owner.clone(), complete: true, calls })
    }

    /// Yields what can travel while the model is live: nothing of one whose description nobody yields.
    pub(in super::super) async fn ahead(self: &Arc<Self>, model: ModelUuid) -> Result<Option<Export>, ControllerError> {
        match self.connector.live().await?.yields_descriptions() {
            true => self.preview(model).await.map(Some),
            false => Ok(None),
        }
    }

    /// Returns the model's description as the controller writes it now, in the store.
    async fn dumped(
        self: &Arc<Self>,
        live: &Live,
        model: ModelUuid,
    ) -> Result<(BlobRef, Arc<Description>), ControllerError> {
        if !live.yields_descriptions() {
            let version = &live.version;
            return Err(refused(format!(
                "a controller of Juju {version} does not yield the description of a model that is live"
            )));
        }
        let params = json!({ "entities": [{ "tag": tag::model(&model.to_string()) }], "simplified": false });
        let mut answer = live.call("ModelManager", MODEL_MANAGER, "DumpModels", params).await?;
        let result = answer["results"][0].take();
        if let Some(error) = failure(model, &result) {
            return Err(error);
        }
        let Value::String(yaml) = &result["result"] else { return Err(refused("DumpModels yields no text")) };
        if yaml.len() as u64 > DESCRIPTION_BYTES_MAX {
            return Err(refused(format!("a model's description has at most {} MiB", DESCRIPTION_BYTES_MAX >> 20)));
        }
        let (store, yaml) = (self.store.clone(), yaml.clone());
        blocking(move || {
            let told = Description::parse(yaml.as_bytes()).map_err(|error| refused(error.to_string()))?;
            let blob = store.put_bytes(yaml.as_bytes()).map_err(ControllerError::storage)?;
            Ok((blob, Arc::new(told)))
        })
        .await
    }
}

impl Live {
    /// Reports whether the controller yields the description of a live model.
    fn yields_descriptions(&self) -> bool {
        self.version.major < TABLES_SINCE
    }
}

/// Adds what the controller says of itself.
async fn add_controller(live: &Live, facts: &mut ModelFacts) -> Result<(), ControllerError> {
    facts.controller_version = Name::cut(&live.result.server_version);
    facts.machines_live = true;
    let identity = live.call("Controller", &[11, 12, 13, 14], "IdentityProviderURL", json!({})).await?;
    facts.identity_url = Text::cut(text(&identity["result"]));
    Ok(())
}

/// Says what `ModelInfo` shows of a model whose description nobody yields before it migrates.
async fn unseen(
    live: &Live,
    model: ModelUuid,
    mid: Option<MigrationId>,
    info: &Value,
) -> Result<Examination, ControllerError> {
    let users = info["users"].as_array().into_iter().flatten();
    let mut facts = ModelFacts {
        mid,
        uuid: model,
        name: Name::cut(text(&info["name"])),
        owner: Name::cut(owner(info)),
        agent_version: Name::cut(text(&info["agent-version"])),
        cloud: Name::cut(text(&info["cloud-tag"]).trim_start_matches("cloud-")),
        region: Name::cut(text(&info["cloud-region"])),
        cloud_type: Name::cut(text(&info["provider-type"])),
        users: Bounded::truncated(users.map(|user| Name::cut(text(&user["user"]))).collect()),
        ..ModelFacts::default()
    };
    add_controller(live, &mut facts).await?;
    let findings = vec![source::not_controller_model(), source::unseen(&live.version), source::goes_on(&live.version)];
    Ok(Examination { facts, findings, ..Examination::default() })
}

/// Returns how large the description says that a binary is; 0 where it does not.
fn bytes_told(wanted: &Wanted) -> u64 {
    match wanted {
        Wanted::AgentBinary { bytes, .. } | Wanted::File { bytes, .. } => *bytes,
        Wanted::Charm { .. } | Wanted::OciImage { .. } => 0,
    }
}
