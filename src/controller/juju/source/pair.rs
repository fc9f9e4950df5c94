//! What the source's side tells of a pair of controllers: the model's agents, the controller's waits, and what ends by itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use modelferry_protocol::plan::Finding;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::Inner;
use super::super::connection::{CallError, Live};
use super::super::summary::{owner, summaries, text};
use crate::config::parse_duration;
use crate::controller::checks::offers::ModelNames;
use crate::controller::checks::pair::{AGENT_WAIT_DEFAULT, Departing, Proof};
use crate::controller::description::{Description, ModelKind};

/// The check that the agent's user may begin migrations.
const RIGHTS: &str = "source-access";
/// Versions of `Controller` with `ControllerConfig`.
const CONTROLLER: &[u32] = &[11, 12, 13, 14];
const WAIT: &str = "migration-agent-wait-time";
const IMAGE_REPO: &str = "caas-image-repo";

impl Inner {
    /// Tells what a pair of controllers is judged by.
    pub(super) async fn departing(self: &Arc<Self>, live: &Live, told: &Description) -> Result<Departing, CallError> {
        let config = match live.call("Controller", CONTROLLER, "ControllerConfig", json!({})).await {
            Ok(answer) => answer["config"].clone(),
            // One that does not tell has what Juju has by default.
            Err(CallError::Refused(_) | CallError::Unfit(_)) => Value::Null,
            Err(error) => return Err(error),
        };
        let name = self.connector.name().to_owned();
        let mut proofs = Vec::new();
        if let Some(ends_s) = live.login_ends_s() {
            let what = format!("the agent's login at \"{name}\"");
            proofs.push(Proof {
                what,
                ends_s,
                fix: format!("juju login --controller {name} # and give the agent the new secret"),
            });
        }
        if let Some(credential) = &told.credential
            && let Some(ends_s) = credential.ends_s
        {
            let what = format!("the model's cloud credential \"{}/{}\"", credential.cloud, credential.name);
            let fix = format!("juju update-credential --controller {name} {} {}", credential.cloud, credential.name);
            proofs.push(Proof { what, ends_s, fix });
        }
        Ok(Departing {
            model: told.name.clone(),
            agents: agents(told),
            is_kubernetes: told.kind == ModelKind::Caas,
            has_offers: told.applications.iter().any(|application| !application.offers.is_empty()),
            agent_wait: wait(&config),
            image_repo: text(&config[IMAGE_REPO]),
            controller: name,
            proofs,
        })
    }

    /// Checks that the agent's user may begin a migration, as it is now.
    pub(super) async fn may_migrate(&self, live: &Live) -> Finding {
        self.is_superuser(live, RIGHTS, "beginning a migration").await
    }

    /// Tries to connect to addresses, all at once.
    pub(in super::super) async fn routes(&self, addresses: &[String]) -> Vec<(String, Result<(), String>)> {
        let within = self.timing.dial;
        let tried = addresses.iter().map(|address| async move {
            let outcome = match timeout(within, TcpStream::connect(address)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer in {} s", within.as_secs())),
            };
            (address.clone(), outcome)
        });
        join_all(tried).await
    }

    /// Returns the names of the controller's models, where this one has to do with others.
    pub(super) async fn names(&self, live: &Live, told: &Description) -> Result<ModelNames, CallError> {
        let consumes = told.remote_applications.iter().any(|remote| !remote.is_consumer_proxy);
        if !consumes && told.consumers().is_empty() {
            return Ok(ModelNames::new());
        }
        let named = |model: &Value| (text(&model["uuid"]), format!("{}/{}", owner(model), text(&model["name"])));
        Ok(summaries(live).await?.iter().map(named).collect())
    }
}

/// Counts the agents that follow the model: of machines, containers and units.
fn agents(told: &Description) -> BTreeMap<String, usize> {
    let mut agents = BTreeMap::new();
    let mut count = |version: &str| {
        let version = if version.is_empty() { &told.agent_version } else { version };
        *agents.entry(version.to_owned()).or_default() += 1;
    };
    let number = |version: &str| version.rsplitn(3, '-').last().unwrap_or_default().to_owned();
    if told.kind == ModelKind::Iaas {
        for machine in told.all_machines() {
            count(&machine.tools.as_ref().map_or_else(String::new, |tools| number(&tools.tools_version)));
        }
    }
    for (_, unit) in told.all_units() {
        count(&unit.tools.as_ref().map_or_else(String::new, |tools| number(&tools.tools_version)));
    }
    agents
}

/// Reads how long the controller waits for agents.
fn wait(config: &Value) -> Duration {
    config[WAIT].as_str().and_then(|text| parse_duration(text).ok()).unwrap_or(AGENT_WAIT_DEFAULT)
}
