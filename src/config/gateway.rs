//! Gateways: where a real source controller reaches this agent in the place of a destination.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::table::table;
use super::value::{Absolute, Address, HostPort};

/// The gateway to the controller beside one peer, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The peer.
    pub peer: String,
    /// TCP address to listen on.
    pub listen: SocketAddr,
    /// `host:port` each under which the source controller and its machines reach it; none for the one listened on.
    pub addresses: Vec<String>,
    /// Files of a certificate that the destination's CA has signed, PEM: the chain and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether it is known that the models' machines reach the destination's API.
    pub route_shown: bool,
}

table! {
    /// The gateway to the controller beside the peer NAME: a real source controller (`[controller] kind = "juju"`) migrates its
    /// models to it, and the agent passes them on. Each peer that models may go to needs one: `docs/juju.md`.
    [] pub(super) struct GatewayTable in "gateways.NAME" {
        /// The TCP address to listen on for the source controller and the machines of its models.
        listen: Address => "",
        /// The addresses under which the source controller and its models' machines reach the gateway.
        addresses: Vec<HostPort> => "[]" [serde(default)],
        /// A file with a certificate that the destination's CA has signed, PEM. Without one the agent makes a CA of its own.
        certificate: Option<Absolute> => "",
        /// A file with the key of that certificate, PEM.
        key: Option<Absolute> => "",
        /// Whether it is known that the models' machines reach the API of the destination's controller. Agents before Juju 3.6.9
        /// are let through on that condition alone.
        route_shown: bool => "false" [serde(default)],
    }
}

impl GatewayTable {
    /// Checks that the keys make sense together.
    ///
    /// Errors: a text that says what to write.
    pub(super) fn into_config(self, peer: String) -> Result<GatewayConfig, String> {
        let Self { listen, addresses, certificate, key, route_shown } = self;
        let certificate = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate.0, key.0)),
            (None, None) => None,
            _ => return Err("certificate and key belong together: write both, or neither".to_owned()),
        };
        let addresses = addresses.into_iter().map(|address| address.0).collect();
        Ok(GatewayConfig { peer, listen: listen.0, addresses, certificate, route_shown })
    }
}
