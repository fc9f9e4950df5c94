//! Keeps in touch with the controller, and takes in what it says of itself.

use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::message::ControllerCard;
use serde_json::json;

use super::card::{FACT, Kept};
use super::connection::{CallError, Live};
use super::facades::CLOUD;
use super::summary::{controllers_own, text};
use super::{Inner, Juju};
use crate::controller::port::ControllerError;
use crate::disk::blocking;
use crate::juju::params::tag;

/// Pause between attempts to reach a controller that is away, while nobody asks for it.
const AWAY: Duration = Duration::from_secs(10);

impl Juju {
    /// Returns what other agents are told about the controller: what was true when it was reached last.
    pub fn controller_card(&self) -> ControllerCard {
        self.inner.card.lock().clone()
    }

    /// Keeps the connection, and with it the card, for as long as the agent runs.
    pub async fn keep_connected(self) -> std::convert::Infallible {
        let ended = self.resume_restores().await;
        if let Err(error) = ended {
            tracing::error!("what is left of interrupted restores is not known: {error}");
        }
        loop {
            match self.connect().await {
                Ok(live) => {
                    tracing::info!(controller = self.inner.connector.name(), version = %live.version, "connected to the controller");
                    live.closed().await;
                    tracing::warn!(
                        controller = self.inner.connector.name(),
                        "the connection to the controller has ended"
                    );
                }
                Err(error) => {
                    tracing::warn!(controller = self.inner.connector.name(), "{error}");
                    tokio::time::sleep(AWAY).await;
                }
            }
        }
    }

    /// Connects, and takes in what the controller says about itself.
    pub(super) async fn connect(&self) -> Result<Arc<Live>, ControllerError> {
        let live = self.inner.connector.live().await?;
        self.inner.read_card(&live).await?;
        Ok(live)
    }
}

impl Inner {
    async fn read_card(self: &Arc<Self>, live: &Live) -> Result<(), ControllerError> {
        let (cloud, cloud_type, region) = own_cloud(live).await?;
        let servers = live.result.servers.iter().flatten().map(ToString::to_string);
        let mut addresses: Vec<String> = servers.collect();
        if addresses.is_empty() {
            addresses.clone_from(&live.target.addresses);
        }
        let kept = Kept {
            uuid: tag::controller_of(&live.result.controller_tag)
                .map(|uuid: ModelUuid| uuid.to_string())
                .unwrap_or_default(),
            version: live.result.server_version.clone(),
            cloud,
            cloud_type,
            region,
            addresses,
            ca_cert: live.target.ca_cert.clone(),
        };
        *self.card.lock() = kept.card(self.connector.name());
        let inner = self.clone();
        blocking(move || inner.records.put_fact(FACT, &kept)).await
    }
}

/// Returns the name, type and region of the cloud that the controller itself runs in.
async fn own_cloud(live: &Live) -> Result<(String, String, String), CallError> {
    let own = controllers_own(live).await?;
    let clouds = live.call("Cloud", CLOUD, "Clouds", json!({})).await?;
    let tag = text(&own["cloud-tag"]);
    let kind = text(&clouds["clouds"][&tag]["type"]);
    Ok((tag.trim_start_matches("cloud-").to_owned(), kind, text(&own["cloud-region"])))
}
