//! Which facades a connection offers, and in which versions.

use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, RpcError};
use super::scope::Scope;

/// Facades that a controller offers at `/api` and nowhere else.
pub const CONTROLLER_FACADES: [&str; 12] = [
    "AllModelWatcher",
    "ApplicationOffers",
    "Cloud",
    "Controller",
    "CrossController",
    "MigrationTarget",
    "ModelManager",
    "ModelSummaryWatcher",
    "ModelUpgrader",
    "SSHServer",
    "SecretBackends",
    "UserManager",
];

/// Facades that a controller offers at `/api` and within models.
pub const COMMON_FACADES: [&str; 5] = ["Bundle", "HighAvailability", "ModelConfig", "NotifyWatcher", "Pinger"];

/// One facade and its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacadeVersions {
    /// The facade's name.
    pub name: String,
    /// Its versions, ascending. jujulib takes the last in its own order, Go the highest that it knows too.
    #[serde(default)]
    pub versions: Vec<u32>,
}

impl FacadeVersions {
    /// Names a facade and its versions.
    pub fn new(name: impl Into<String>, versions: &[u32]) -> Self {
        Self { name: name.into(), versions: versions.to_vec() }
    }
}

/// Returns the highest version of `facade` that the server offers and the client knows.
pub fn best_version(offered: &[FacadeVersions], facade: &str, known: &[u32]) -> Option<u32> {
    let offered = offered.iter().find(|offer| offer.name == facade)?;
    offered.versions.iter().copied().filter(|version| known.contains(version)).max()
}

/// Checks that a call names a facade and a version on offer, with the texts of a real controller.
pub(in crate::juju) fn check(
    offered: &[FacadeVersions],
    scope: &Scope,
    facade: &str,
    version: u32,
) -> Result<(), RpcError> {
    let common = COMMON_FACADES.contains(&facade);
    let of_controller = CONTROLLER_FACADES.contains(&facade);
    let elsewhere = match scope {
        Scope::Controller if !of_controller && !common => Some("controller"),
        Scope::Model(_) if of_controller => Some("model"),
        _ => None,
    };
    if let Some(offer) = offered.iter().find(|offer| offer.name == facade) {
        let known = offer.versions.contains(&version);
        return if known { Ok(()) } else { Err(RpcError::unknown_version(facade, version)) };
    }
    match elsewhere {
        Some(kind) => {
            let message = format!("facade {facade:?} not supported for {kind} API connection");
            Err(RpcError::new(ErrorCode::NotSupported, message))
        }
        None => Err(RpcError::unknown_facade(facade)),
    }
}
