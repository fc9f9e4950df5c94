//! What other agents are told about the controller: as it said itself when it was reached last.

use modelferry_protocol::codec::{Bounded, Bytes};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::snapshot::Name;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::record::Records;
use crate::controller::port::ControllerError;
use crate::juju::tls::first_certificate;

/// Where it is kept.
pub(super) const FACT: &str = "card";
/// A card, as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Kept {
    pub uuid: String,
    pub version: String,
    pub cloud: String,
    pub cloud_type: String,
    pub region: String,
    pub addresses: Vec<String>,
    pub ca_cert: String,
}

impl Kept {
    pub(super) fn card(&self, name: &str) -> ControllerCard {
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
