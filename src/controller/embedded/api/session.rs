//! One login's calls: which facades it has, and who answers them.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::Api;
use super::caller::{Caller, Subject};
use super::facades::watcher::Watchers;
use super::facades::{client, clouds, controller, migration_target, model_config, model_manager, offers, user_manager};
use crate::disk::blocking;
use crate::juju::rpc::{FacadeVersions, RpcCall, RpcError, Session};

/// Facades of controller connections. Clients of Juju 3 and 4 each find versions that they know.
const OF_CONTROLLER: &[(&str, &[u32])] = &[
    ("AllModelWatcher", &[4]),
    ("ApplicationOffers", &[4, 5]),
    ("Cloud", &[7]),
    ("Controller", &[11, 12, 13, 14]),
    ("MigrationTarget", &[1, 2, 3, 4, 5, 6, 7, 8]),
    ("ModelConfig", &[3]),
    ("ModelManager", &[9, 10, 11]),
    ("Pinger", &[1]),
    ("UserManager", &[3]),
];
/// Facades of model connections.
const OF_MODEL: &[(&str, &[u32])] =
    &[("AllWatcher", &[3]), ("Client", &[6, 7, 8]), ("ModelConfig", &[3]), ("Pinger", &[1]), ("Storage", &[6])];
/// What is left to nobody in particular.
const OF_ANYBODY: &[(&str, &[u32])] = &[("Pinger", &[1])];

/// Lists what a connection has.
pub(super) fn facades(place: Subject, anonymous: bool) -> Vec<FacadeVersions> {
    let offered = match place {
        _ if anonymous => OF_ANYBODY,
        Subject::Controller => OF_CONTROLLER,
        Subject::Model(_) => OF_MODEL,
    };
    offered.iter().map(|(name, versions)| FacadeVersions::new(*name, versions)).collect()
}

/// A client that has logged in.
pub(super) struct ClientSession {
    caller: Arc<Caller>,
    watchers: Watchers,
}

impl ClientSession {
    pub(super) fn new(api: Api, user: Option<String>, place: Subject, from: IpAddr) -> Self {
        Self { caller: Arc::new(Caller { api, user, subject: place, from }), watchers: Watchers::default() }
    }
}

#[async_trait]
impl Session for ClientSession {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        match (call.facade.as_str(), call.method.as_str()) {
            ("Client", "WatchAll") | ("Controller", "WatchAllModels") => self.watchers.begin(&self.caller).await,
            ("AllWatcher" | "AllModelWatcher", "Next") => self.watchers.next(&self.caller, &call.id).await,
            ("AllWatcher" | "AllModelWatcher", "Stop") => self.watchers.stop(&call.id),
            ("Controller", "InitiateMigration") => controller::initiate(&self.caller, &call).await,
            _ => {
                let caller = Arc::clone(&self.caller);
                blocking(move || caller.answer(&call)).await
            }
        }
    }
}

impl Caller {
    pub(super) fn answer(&self, call: &RpcCall) -> Result<Value, RpcError> {
        match call.facade.as_str() {
            "ModelManager" => model_manager::answer(self, call),
            "Controller" => controller::answer(self, call),
            "MigrationTarget" => migration_target::answer(self, call),
            "UserManager" => user_manager::answer(self, call),
            "ApplicationOffers" => offers::answer(self, call),
            "Cloud" => clouds::answer(self, call),
            "ModelConfig" => model_config::answer(self, call),
            "Client" => client::answer(self, call),
            "Storage" => client::storage(self, call),
            _ => Err(RpcError::unknown_method(call)),
        }
    }
}
