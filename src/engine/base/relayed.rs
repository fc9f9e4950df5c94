//! A source controller that drives its migrations by itself: the controller, and the gateways that it is told to migrate to.

use std::sync::Arc;

use super::destinations::Destinations;
use crate::controller::port::Relayed;

/// The controller beside this agent, as a source that drives its migrations by itself.
pub struct RelayedSource {
    /// The controller.
    pub controller: Arc<dyn Relayed>,
    /// The gateways, one for each peer that models may go to.
    pub gateways: Vec<GatewayAddress>,
    /// What is known of the controllers that the gateways pose as.
    pub destinations: Destinations,
}

/// Where a gateway listens, as the source controller is told.
#[derive(Debug, Clone)]
pub struct GatewayAddress {
    /// The peer beside whose controller the gateway stands for.
    pub peer: String,
    /// `host:port` each.
    pub addresses: Vec<String>,
    /// The CA of the gateway's certificate, PEM; nothing where it is the destination's.
    pub ca_cert: Option<String>,
    /// Whether somebody has shown that the models' machines reach the destination's API.
    pub route_shown: bool,
}

/// Says what is to be configured for a peer that has no gateway.
pub fn no_gateway(peer: &str) -> String {
    format!(
        "no gateway stands here for the controller beside {peer}: add [gateways.{peer}] to the agent's configuration, and \
         restart the agent"
    )
}

impl RelayedSource {
    /// Returns the gateway to the controller beside `peer`.
    pub fn gateway(&self, peer: &str) -> Option<&GatewayAddress> {
        self.gateways.iter().find(|gateway| gateway.peer == peer)
    }
}
