//! What only the pair of controllers shows where a Juju controller migrates a model through a gateway.

use std::time::Duration;

use modelferry_protocol::plan::Finding;

use crate::controller::checks::pair::{self, Arriving, Departing, Proof, Shown};
use crate::engine::base::conversation::Conversation;
use crate::engine::shared::core::Core;
use crate::juju::csr::DAY_SECONDS;
use crate::juju::tls::pem_of;

/// Judges a model's way through the gateway to the controller beside the peer. A peer without a gateway is told so elsewhere.
pub async fn findings(core: &Core, conversation: &Conversation, departing: &Departing) -> Vec<Finding> {
    let peer = conversation.session.peer_name();
    let Some(relayed) = &core.parts.relayed else { return Vec::new() };
    let Some(gateway) = relayed.gateway(&peer) else { return Vec::new() };
    let card = &conversation.session.hello().controller;
    let known = relayed.destinations.get(conversation.session.peer()).unwrap_or_default();
    let mut addresses: Vec<String> = known.servers_elsewhere().concat().iter().map(ToString::to_string).collect();
    if known.login.servers.is_empty() {
        addresses = card.addresses.iter().map(ToString::to_string).collect();
    }
    let arriving = Arriving {
        controller: card.name.to_string(),
        version: card.version.to_string(),
        burst: known.admission.burst,
        every: known.admission.every,
        image_repo: known.image_repo.clone(),
        certificate: gateway.shown(&pem_of(&card.ca_cert), core.clock_ms() / 1000),
        route_shown: gateway.route_shown,
        routes: relayed.controller.routes(&addresses).await,
        peer,
    };
    pair::findings(departing, &arriving, relayed.freeze_max)
}

/// Says whether everything that ends by itself holds until the model has moved. `eta_ms`: how long its bytes take, if that is known.
pub fn lifetimes(core: &Core, conversation: &Conversation, departing: &Departing, eta_ms: Option<u64>) -> Vec<Finding> {
    let (peer, now_s) = (conversation.session.peer_name(), core.clock_ms() / 1000);
    let mut proofs = departing.proofs.clone();
    let ca = pem_of(&conversation.session.hello().controller.ca_cert);
    let gateway = core.parts.relayed.as_ref().and_then(|relayed| relayed.gateway(&peer));
    if let Some(Shown::Signed(days)) = gateway.map(|gateway| gateway.shown(&ca, now_s)) {
        let what = format!("the certificate of the gateway to {peer}");
        let fix = "modelferry gateway csr --key FILE # then `sudo modelferry gateway sign FILE` on a machine of the destination controller";
        proofs.push(Proof { what, ends_s: now_s + (days + 1) * DAY_SECONDS, fix: fix.to_owned() });
    }
    pair::lifetimes(&proofs, eta_ms.map(Duration::from_millis), now_s)
}
