//! A source controller that drives its migrations by itself: the controller, and the gateways that it is told to migrate to.

use std::sync::Arc;
use std::time::Duration;

use super::destinations::Destinations;
use super::visitors::Visitors;
use crate::controller::checks::pair::Shown;
use crate::controller::port::Relayed;
use crate::juju::csr::days_left;

/// The controller beside this agent, as a source that drives its migrations by itself.
pub struct RelayedSource {
    /// The controller.
    pub controller: Arc<dyn Relayed>,
    /// The gateways, one for each peer that models may go to.
    pub gateways: Vec<GatewayAddress>,
    /// What is known of the controllers that the gateways pose as.
    pub destinations: Destinations,
    /// Who has come by the gateways.
    pub visitors: Arc<Visitors>,
    /// For how long a model may be frozen unless an operator says otherwise.
    pub freeze_max: Duration,
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
    /// The certificate that the destination's CA has signed, PEM; nothing for one by a CA of the agent's own.
    pub signed: Option<String>,
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

impl GatewayAddress {
    /// Returns which certificate the gateway shows, as sources judge it now. `destination_ca`: PEM. `now_s`: Unix seconds.
    pub fn shown(&self, destination_ca: &str, now_s: u64) -> Shown {
        let Some(chain) = &self.signed else { return Shown::Own };
        match days_left(chain, destination_ca, now_s) {
            Ok(Some(days)) => Shown::Signed(days),
            Ok(None) | Err(_) => Shown::Refused,
        }
    }
}

impl RelayedSource {
    /// Returns the gateway to the controller beside `peer`.
    pub fn gateway(&self, peer: &str) -> Option<&GatewayAddress> {
        self.gateways.iter().find(|gateway| gateway.peer == peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now_ms;
    use crate::juju::csr::{DAY_SECONDS, VALID_DAYS, ask, sign};
    use crate::juju::tls::Authority;

    #[test]
    fn a_gateways_certificate_is_judged_by_the_destinations_ca_at_each_look() {
        let (ca, other, now_s) = (Authority::make().unwrap(), Authority::make().unwrap(), now_ms() / 1000);
        let signed = sign(&ask().unwrap().request_pem, &ca.cert_pem, &ca.key_pem, now_s).unwrap();
        let gateway = |signed| GatewayAddress {
            peer: "west".to_owned(),
            addresses: Vec::new(),
            ca_cert: None,
            signed,
            route_shown: false,
        };
        assert_eq!(gateway(None).shown(&ca.cert_pem, now_s), Shown::Own);
        let gateway = gateway(Some(signed));
        assert_eq!(gateway.shown(&ca.cert_pem, now_s), Shown::Signed(VALID_DAYS));
        assert_eq!(gateway.shown(&ca.cert_pem, now_s + 25 * DAY_SECONDS), Shown::Signed(VALID_DAYS - 25));
        assert_eq!(gateway.shown(&ca.cert_pem, now_s + 31 * DAY_SECONDS), Shown::Refused);
        assert_eq!(gateway.shown(&other.cert_pem, now_s), Shown::Refused);
    }
}
