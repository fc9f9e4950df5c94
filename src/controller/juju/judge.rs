//! The checks before a model comes to a real controller: ours with what the controller tells, and the controller's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::plan::{Finding, Level, ModelFacts};
use modelferry_protocol::snapshot::{Call, Name};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use super::Inner;
use super::connection::{CallError, Live};
use super::facades::{CLOUD, MIGRATION_TARGET, SUPERUSER};
use super::import::{BY_ENVELOPE, envelope, imported, versions};
use super::summary::{controllers_own, owner, summaries, text};
use crate::controller::checks::finding;
use crate::controller::checks::target::{self, Credential, Kind, Known, ModelPresence, StoragePool, Target};
use crate::controller::port::ControllerError;
use crate::juju::params::tag;
use crate::juju::rpc::FacadeVersions;

/// The check that the agent itself may do what a migration needs.
const RIGHTS: &str = "controller-access";

impl Inner {
    /// Judges a model that wants to come. Changes nothing.
    pub(super) async fn judge(self: &Arc<Self>, facts: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        let live = self.connector.live().await?;
        let mut findings = vec![self.rights(&live).await];
        findings.extend(target::findings(facts, &self.target(&live, facts).await?));
        Ok(findings)
    }

    /// Judges a model that comes out of a backup. What only its controller could tell is taken to be as it is here.
    pub(super) async fn judge_backup(self: &Arc<Self>, mut facts: ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        let live = self.connector.live().await?;
        facts.machines_live = true;
        facts.controller_version = Name::cut(&live.result.server_version);
        let target = self.target(&live, &facts).await?;
        facts.identity_url = Text::cut(&target.identity_url);
        if facts.cloud_type.is_empty() {
            facts.cloud_type = Name::cut(&target.cloud_type);
        }
        let mut findings = vec![self.rights(&live).await];
        findings.extend(target::findings(&facts, &target));
        Ok(findings)
    }

    /// Checks that the agent's user may do what a migration needs, as it is now and not as it was at the login.
    pub(super) async fn rights(&self, live: &Live) -> Finding {
        if let Err(error) = live.version_of("MigrationTarget", MIGRATION_TARGET) {
            let fix = format!("juju upgrade-controller --controller {}", self.connector.name());
            return finding(Level::Fail, RIGHTS, error.to_string(), fix);
        }
        self.is_superuser(live, RIGHTS, "a migration").await
    }

    /// Checks that the agent's user is a superuser, as `what` needs.
    pub(super) async fn is_superuser(&self, live: &Live, check: &str, what: &str) -> Finding {
        let name = self.connector.name();
        let info = live.result.user_info.clone().unwrap_or_default();
        let user = tag::user_of(&info.identity).unwrap_or_default().to_owned();
        let access = self.access(live).await.unwrap_or(info.controller_access);
        if access == SUPERUSER {
            return finding(Level::Pass, check, format!("the agent is user \"{user}\" on \"{name}\", a superuser"), "");
        }
        let text = format!("the agent's user \"{user}\" has access \"{access}\" on \"{name}\": {what} needs superuser");
        finding(Level::Fail, check, text, format!("juju grant --controller {name} {user} superuser"))
    }

    /// Returns the access of the agent's user, as it is now.
    pub(super) async fn access(&self, live: &Live) -> Result<String, CallError> {
        let info = live.result.user_info.clone().unwrap_or_default();
        let params = json!({ "entities": [{ "tag": info.identity }], "include-disabled": true });
        let told = live.call("UserManager", &[3], "UserInfo", params).await?;
        Ok(told["results"][0]["result"]["access"].as_str().map_or(info.controller_access, str::to_owned))
    }

    /// Asks the controller for what the checks look at.
    async fn target(self: &Arc<Self>, live: &Live, facts: &ModelFacts) -> Result<Target, ControllerError> {
        let card = self.card.lock().clone();
        let users =
            live.call("UserManager", &[3], "UserInfo", json!({ "entities": null, "include-disabled": true })).await?;
        let users = users["results"].as_array().into_iter().flatten().map(|user| text(&user["result"]["username"]));
        let identity = live.call("Controller", &[11, 12, 13, 14], "IdentityProviderURL", json!({})).await?;
        let clouds = live.call("Cloud", CLOUD, "Clouds", json!({})).await?;
        let (cloud, cloud_type, region) = like(&clouds["clouds"], facts, &card.cloud, &card.cloud_type);
        let pools = facts.storage_pools.iter().map(|pool| pool.rsplit_once(':').unwrap_or((pool, pool)));
        // An import makes a model's pools from its description.
        let storage_pools = pools
            .map(|(name, provider)| StoragePool { name: name.to_owned(), provider: provider.to_owned() })
            .collect();
        Ok(Target {
            kind: Kind::Juju,
            name: self.connector.name().to_owned(),
            version: live.result.server_version.clone(),
            cloud,
            cloud_type,
            region,
            identity_url: text(&identity["result"]),
            users: users.collect(),
            models: self.models_known(live, facts.mid).await?,
            credentials: credentials(live, facts).await?,
            secret_backends: self.secret_backends(live, facts).await?,
            storage_pools,
            takes_live_models: true,
            refusals: self.refusals.clone(),
        })
    }

    /// Lists the ids of secret back-ends, where the model needs one.
    async fn secret_backends(&self, live: &Live, facts: &ModelFacts) -> Result<Vec<String>, CallError> {
        if facts.secret_backends.is_empty() {
            return Ok(Vec::new());
        }
        let listed =
            live.call("SecretBackends", &[1], "ListSecretBackends", json!({ "names": null, "reveal": false })).await?;
        let all = listed["results"].as_array().into_iter().flatten();
        Ok(all.flat_map(|one| [text(&one["id"]), text(&one["result"]["id"])]).filter(|id| !id.is_empty()).collect())
    }

    /// Lists the controller's models, with what is known of them here.
    async fn models_known(
        self: &Arc<Self>,
        live: &Live,
        mid: Option<MigrationId>,
    ) -> Result<Vec<Known>, ControllerError> {
        let mut models = Vec::new();
        let holders = self.holders().await?;
        for summary in summaries(live).await? {
            let Ok(uuid) = text(&summary["uuid"]).parse() else { continue };
            let holder = holders.get(&uuid).copied();
            let is_leaving = summary["migration"].is_object() || summary["status"]["status"] == "busy";
            let presence = match holder {
                Some(of) if Some(of) == mid => ModelPresence::Ours,
                Some(_) => ModelPresence::LeftOver,
                None if is_leaving => ModelPresence::Leaving,
                None => ModelPresence::Live,
            };
            models.push(Known { uuid, name: text(&summary["name"]), owner: owner(&summary), presence, mid: holder });
        }
        Ok(models)
    }

    /// Tries what can be tried before the freeze. A controller that is busy or away is waited for: the model is live meanwhile.
    pub(super) async fn dry_run_stage(self: &Arc<Self>, calls: &[Call]) -> Result<(), ControllerError> {
        let begun = Instant::now();
        loop {
            match self.dry_run_once(calls).await {
                Err(error) if error.is_passing() && begun.elapsed() < self.timing.patience => {
                    sleep(self.timing.look).await;
                }
                outcome => return outcome,
            }
        }
    }

    /// Tries the controller's own prechecks of the description.
    async fn dry_run_once(self: &Arc<Self>, calls: &[Call]) -> Result<(), ControllerError> {
        let refused = |text: &str| ControllerError::Refused(text.to_owned());
        let imported = imported(calls)?;
        if calls.iter().any(|call| matches!(call, Call::ImportEntries(blob) if blob.bytes > 0)) {
            return Err(refused(super::stage::ENTRIES));
        }
        let (bytes, told) = self.description(imported).await?;
        let wanted = told.wanted().len();
        let uploads = calls.iter().filter(|call| call.uploads()).count();
        if uploads < wanted {
            return Err(refused(&format!(
                "the model comes with {uploads} of its {wanted} binaries: a real controller needs them all, as its machines fetch \
                 them there"
            )));
        }
        self.prepare_uploads(&told, calls).await?;
        let live = self.connector.live().await?;
        let version = live.version_of("MigrationTarget", versions(&bytes))?;
        if version >= BY_ENVELOPE {
            live.call("MigrationTarget", &[version], "Prechecks", envelope(&bytes)?).await?;
            return Ok(());
        }
        let own = live.result.server_version.clone();
        let mut params = json!({
            "uuid": told.uuid.to_string(), "name": told.name, "agent-version": agent_version(&told.agent_version, &own),
            "controller-agent-version": own, "facade-versions": self.facades(&live).await?,
            "model-description": STANDARD.encode(&bytes),
        });
        match version {
            ..=6 => params["owner-tag"] = json!(tag::user(&told.owner)),
            _ => params["qualifier"] = json!(told.owner),
        }
        live.call("MigrationTarget", &[version], "Prechecks", params).await?;
        Ok(())
    }

    /// Lists every facade of the controller with its versions. Prechecks compare what a source's agents speak with what
    /// the controller asks for; here no source controller's agents are involved, so it is compared with itself.
    async fn facades(&self, live: &Live) -> Result<Value, ControllerError> {
        let mut all: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        let mut add = |facades: &[FacadeVersions]| {
            all.extend(facades.iter().map(|facade| (facade.name.clone(), facade.versions.clone())));
        };
        add(&live.result.facades);
        // Those of agents are only told inside a model; each controller has its own.
        if let Ok(uuid) = text(&controllers_own(live).await?["uuid"]).parse() {
            add(&live.model(uuid).await?.result.facades);
        }
        Ok(json!(all))
    }
}

/// Some descriptions do not tell which version the model runs; its controller's is the nearest that is known.
fn agent_version(told: &str, own: &str) -> String {
    if told.is_empty() { own.to_owned() } else { told.to_owned() }
}

/// Returns the cloud, its type and region as the checks compare them: the model's own cloud if the controller has one of that
/// name.
fn like(clouds: &Value, facts: &ModelFacts, own: &str, own_type: &str) -> (String, String, String) {
    let empty = Map::new();
    let clouds = clouds.as_object().unwrap_or(&empty);
    let Some(cloud) = clouds.get(&tag::cloud(&facts.cloud)) else {
        return (own.to_owned(), own_type.to_owned(), String::new());
    };
    let regions: Vec<String> = cloud["regions"].as_array().into_iter().flatten().map(|it| text(&it["name"])).collect();
    let region = match regions.iter().any(|region| **region == *facts.region) {
        true => facts.region.to_string(),
        false => regions.into_iter().next().unwrap_or_default(),
    };
    (facts.cloud.to_string(), text(&cloud["type"]), region)
}

/// Returns the model's credential, if the controller knows it.
async fn credentials(live: &Live, facts: &ModelFacts) -> Result<Vec<Credential>, CallError> {
    let mut parts = facts.credential.splitn(3, '/');
    let (Some(owner), Some(cloud), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(Vec::new());
    };
    let wanted = json!({ "entities": [{ "tag": tag::credential(cloud, owner, name) }] });
    let answer = match live.call("Cloud", CLOUD, "Credential", wanted).await {
        Ok(answer) => answer,
        // One that is not known, in the words of some version.
        Err(CallError::Refused(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if !answer["results"][0]["result"].is_object() {
        return Ok(Vec::new());
    }
    let revoked = answer["results"][0]["result"]["revoked"] == true;
    Ok(vec![Credential { name: name.to_owned(), owner: owner.to_owned(), valid: true, revoked }])
}
