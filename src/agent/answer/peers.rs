//! Peers: who they are, how the link to them stands, pairing.

use modelferry_protocol::pairing::Code;

use super::Desk;
use super::refusal::refusal_of_pairing;
use crate::agent::control::view::{ControllerView, OfferView, PairedView, PeerView};
use crate::agent::control::{Failure, FailureKind, Response};
use crate::link::{Peer, PeerState};

impl Desk {
    /// Returns the peers.
    pub(super) fn peers(&self) -> Vec<PeerView> {
        self.link.peers().iter().map(|peer| self.peer(peer)).collect()
    }

    fn peer(&self, peer: &Peer) -> PeerView {
        let state = self.link.watch(peer.pin).borrow().clone();
        let session = state.session();
        PeerView {
            name: peer.name.clone(),
            pin: peer.pin.to_string(),
            address: peer.addresses.first().cloned().unwrap_or_default(),
            connected: session.is_some(),
            rtt_ms: session.map(|session| session.rtt().as_secs_f64() * 1000.0),
            controller: session.map(|session| ControllerView::of_peer(&peer.name, &session.hello().controller)),
            trouble: match state {
                PeerState::Up { .. } => None,
                PeerState::Down { reason, .. } => Some(reason),
            },
        }
    }

    /// Returns the peer whose controller has this UUID, as far as links are up.
    pub(super) fn peer_of_controller(&self, uuid: &str) -> Option<String> {
        let of = |peer: &PeerView| peer.controller.as_ref().is_some_and(|controller| controller.uuid == uuid);
        self.peers().into_iter().find(of).map(|peer| peer.name)
    }

    /// Opens an offer.
    pub(super) async fn pair_offer(&self, name: Option<String>) -> Result<Response, Failure> {
        let (code, lasts) = self.link.offer(name).await.map_err(|error| refusal_of_pairing(&error))?;
        Ok(Response::Offer(OfferView { code: code.to_string(), seconds: lasts.as_secs(), port: self.listen.port() }))
    }

    /// Completes a pairing.
    pub(super) async fn pair_accept(
        &self,
        code: &str,
        address: &str,
        name: Option<String>,
    ) -> Result<Response, Failure> {
        let code: Code = code.parse().map_err(|error| Failure::new(FailureKind::Usage, format!("{error}")))?;
        let peer = self.link.accept(code, address, name).await.map_err(|error| refusal_of_pairing(&error))?;
        Ok(Response::Paired(PairedView { name: peer.name, pin: peer.pin.to_string() }))
    }

    /// Forgets a peer, unless a migration still needs it.
    pub(super) async fn unpair(&self, peer: &str) -> Result<Response, Failure> {
        let running = self.engine()?.migrations().into_iter().find(|view| view.peer == peer && view.ended_ms.is_none());
        if let Some(running) = running {
            let message = format!("migration \"{}\" with \"{peer}\" has not ended", running.id);
            return Err(Failure::new(FailureKind::Refused, message)
                .state("nothing has changed; without its peer the migration could never be settled")
                .hint(format!(
                    "follow it with `modelferry wait {0}`, or end it with `modelferry abort {0}`",
                    running.id
                )));
        }
        self.link.unpair(peer).await.map_err(|error| refusal_of_pairing(&error))?;
        Ok(Response::Done)
    }
}
