//! What other agents are told about the controller: as it said itself when it was reached last.

use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::codec::{Bounded, Bytes};
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::snapshot::Name;
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::connection::{CallError, Live};
use super::record::Records;
use super::summary::{controllers_own, text};
use super::{Inner, Juju};
use crate::controller::port::ControllerError;
use crate::disk::blocking;
use crate::juju::params::tag;
use crate::juju::tls::first_certificate;

/// Where it is kept.
const FACT: &str = "card";
/// Pause between attempts to reach a controller that is away, while nobody asks for it.
const AWAY: Duration = Duration::from_secs(10);
/// Versions of `Cloud` that are spoken.
pub(super) const CLOUD: &[u32] = &[7, 8];

/// A card, as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Kept {
    uuid: String,
    version: String,
    cloud: String,
    cloud_type: String,
    region: String,
    addresses: Vec<String>,
    ca_cert: String,
}

impl Kept {
    fn card(&self, name: &str) -> ControllerCard {
        let der = first_certificate(&self.ca_cert).map(|cert| cert.to_vec()).unwrap_or_default();
        let sum = digest::digest(&digest::SHA256, &der);
        let mut ca_fingerprint = [0; 32];
        if !der.is_empty() {
            ca_fingerprint.copy_from_slice(sum.as_ref());
        }
        ControllerCard {
            name: Name::cut(name),
            uuid: self.uuid.parse().unwrap_or_default(),
            version: Name::cut(&self.version),
            cloud: Name::cut(&self.cloud),
            region: Name::cut(&self.region),
            cloud_type: Name::cut(&self.cloud_type),
            addresses: Bounded::truncated(self.addresses.iter().map(Name::cut).collect()),
            ca_fingerprint,
            ca_cert: Bytes::new(der).unwrap_or_default(),
        }
    }
}

/// Returns the card that was kept, and the addresses of the controller's nodes; of a controller that was never reached the name.
pub(super) fn remembered(records: &Records, name: &str) -> Result<(ControllerCard, Vec<String>), ControllerError> {
    let kept: Kept = records.fact(FACT)?.unwrap_or_default();
    Ok((kept.card(name), kept.addresses.clone()))
}

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
