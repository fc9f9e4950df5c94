//! Requests about peers: their names, the state of the link, pairing.

use std::net::SocketAddr;

use modelferry_protocol::pairing::Code;

use super::dialable::dialable;
use crate::agent::answer::RequestHandler;
use crate::agent::answer::refusal::refusal_of_pairing;
use crate::agent::control::view::{
    ControllerView, LeftView, OfferView, PairedView, PeerView, RightsView, StrangerView, UnpairedView,
};
use crate::agent::control::{Failure, FailureKind, Response};
use crate::engine::Unpaired;
use crate::engine::view::MigrationView;
use crate::link::{
    CloseCode, KEY_UNKNOWN, ModelPattern, NOT_YET, PATTERNS_MAX, Peer, PeerState, Rights, RightsChange, Session,
    Stranger,
};

impl RequestHandler {
    /// Returns the peers.
    pub(in crate::agent::answer) fn peers(&self) -> Vec<PeerView> {
        self.link.peers().iter().map(|peer| self.peer(peer)).collect()
    }

    /// Returns who dialled this agent without being its peer.
    pub(in crate::agent::answer) fn strangers(&self) -> Vec<StrangerView> {
        let view = |stranger: Stranger| StrangerView {
            address: stranger.address.to_string(),
            count: stranger.count,
            last_ms: stranger.last_ms,
            reason: stranger.reason,
        };
        self.link.strangers().into_iter().map(view).collect()
    }

    fn peer(&self, peer: &Peer) -> PeerView {
        let state = self.link.watch(peer.pin).borrow().clone();
        let session = state.session();
        let trouble = match &state {
            PeerState::Up(_) => None,
            PeerState::Down { reason, .. } => Some(reason.clone()),
        };
        PeerView {
            name: peer.name.clone(),
            pin: peer.pin.to_string(),
            address: address(peer, session.map(Session::remote_address)),
            connected: session.is_some(),
            rtt_ms: session.map(|session| session.rtt().as_secs_f64() * 1000.0),
            controller: session.map(|session| ControllerView::of_peer(&peer.name, &session.hello().controller)),
            next: trouble.as_deref().map(|reason| next(&peer.name, reason)),
            trouble,
            rights: rights(self.link.rights(peer.pin)),
        }
    }

    /// Returns what the controller that a redirect names is called here, as far as links are up.
    ///
    /// Juju's client knows a controller again by an API address that both have, and by nothing else. A controller
    /// without an API has no address; it is known by its UUID.
    pub(in crate::agent::answer) fn known_as(&self, uuid: &str, addresses: &[String]) -> Option<String> {
        // Asked beside the very controller that the model went to, by way of the one that it left.
        let own = self.local.card();
        if own.uuid.to_string() == uuid {
            return Some(own.name.to_string());
        }
        self.peers().into_iter().find(|peer| is_known(peer, uuid, addresses)).map(|peer| peer.name)
    }

    /// Returns the peer that an operator means: by its name, or by that of the controller beside it.
    pub(in crate::agent::answer) fn destination(&self, named: &str) -> String {
        let is = |peer: &&PeerView| peer.controller.as_ref().is_some_and(|controller| controller.name == named);
        if self.link.peer(named).is_some() {
            return named.to_owned();
        }
        let peers = self.peers();
        let mut beside = peers.iter().filter(is);
        // Two controllers of one name are nobody in particular.
        match (beside.next(), beside.next()) {
            (Some(peer), None) => peer.name.clone(),
            _ => named.to_owned(),
        }
    }

    /// Opens an offer.
    pub(in crate::agent::answer) async fn pair_offer(&self, name: Option<String>) -> Result<Response, Failure> {
        let (code, lasts) = self.link.offer(name).await.map_err(|error| refusal_of_pairing(&error))?;
        let addresses = dialable(self.listen).iter().map(ToString::to_string).collect();
        Ok(Response::Offer(OfferView { code: code.to_string(), seconds: lasts.as_secs(), addresses }))
    }

    /// Completes a pairing.
    pub(in crate::agent::answer) async fn pair_accept(
        &self,
        code: &str,
        address: &str,
        name: Option<String>,
    ) -> Result<Response, Failure> {
        // As it is printed, in quotes, where a script has taken it out of the line.
        let code: Code =
            code.trim_matches('\'').parse().map_err(|error| Failure::new(FailureKind::Usage, format!("{error}")))?;
        let peer = self.link.accept(code, address, name).await.map_err(|error| refusal_of_pairing(&error))?;
        Ok(Response::Paired(PairedView { name: peer.name, pin: peer.pin.to_string() }))
    }

    /// Changes what a peer may do here, and returns that peer.
    ///
    /// `models`, `quota`: as [`crate::agent::control::Request::PeerSet`] has them.
    pub(in crate::agent::answer) async fn peer_set(
        &self,
        peer: &str,
        change: RightsChange,
        models: Option<Vec<String>>,
        quota: Option<String>,
    ) -> Result<Response, Failure> {
        let usage = |text: String| Failure::new(FailureKind::Usage, text).state("nothing has changed");
        let models = models.map(patterns).transpose()?;
        let quota = quota.map(|quota| quota.parse()).transpose().map_err(usage)?;
        let change = RightsChange { models, quota, ..change };
        self.link.set_rights(peer, change).await.map_err(|error| refusal_of_pairing(&error))?;
        Ok(Response::Peers(self.peers().into_iter().filter(|view| view.name == peer).collect()))
    }

    /// Forgets a peer: cuts its link, then gives up what nothing was promised about.
    pub(in crate::agent::answer) async fn unpair(&self, peer: &str, actor: &str) -> Result<Response, Failure> {
        let pin = self.link.peer(peer).map(|peer| peer.pin);
        let saved = self.link.unpair(peer).await.map_err(|error| refusal_of_pairing(&error));
        let Some(pin) = pin else { return saved.map(|()| Response::Done) };
        let Unpaired { ended, left } = self.engine()?.unpaired(pin, actor).await;
        saved.map_err(|failure| {
            failure
                .state(format!("\"{peer}\" is cut off; when the agent restarts it is paired again"))
                .hint("mend what it says, restart the agent, and type this again")
        })?;
        let left = left.into_iter().map(|view| self.left(view)).collect();
        Ok(Response::Unpaired(UnpairedView { ended: ended.into_iter().map(|view| view.id).collect(), left }))
    }

    fn left(&self, view: MigrationView) -> LeftView {
        let out = self.engine.get().and_then(|engine| engine.way_out(&view.id));
        let (stands, next) = out.map_or_else(Default::default, |out| (out.state, out.alone));
        LeftView { id: view.id, state: view.state.to_string(), stands, next }
    }
}

fn rights(rights: Rights) -> RightsView {
    let Rights { receive, send, keep, read, models, quota } = rights;
    let models = models.into_iter().map(String::from).collect();
    RightsView { receive, send, keep, read, models, quota_bytes: quota.bytes() }
}

/// Parses globs for names of models.
///
/// Errors: which is none, or that there are too many.
fn patterns(models: Vec<String>) -> Result<Vec<ModelPattern>, Failure> {
    let usage = |text: String| Failure::new(FailureKind::Usage, text).state("nothing has changed");
    if models.len() > PATTERNS_MAX {
        return Err(usage(format!("a peer has at most {PATTERNS_MAX} patterns, not {}", models.len())));
    }
    models.iter().map(|pattern| pattern.parse::<ModelPattern>().map_err(usage)).collect()
}

/// Returns where a peer is, as it was named where that leads there.
fn address(peer: &Peer, connected: Option<SocketAddr>) -> String {
    let paired = peer.addresses.first().cloned().unwrap_or_default();
    let is_number = paired.parse::<SocketAddr>().is_ok();
    match connected.map(|address| address.to_string()) {
        Some(address) if is_number || paired.is_empty() => address,
        Some(_) => paired,
        None => peer.learned.first().cloned().unwrap_or(paired),
    }
}

/// Returns what to type about a peer that is down for a reason.
fn next(name: &str, reason: &str) -> String {
    let pair = format!("`modelferry pair offer --as {name}` here, and there what it prints");
    if reason == NOT_YET {
        "type `modelferry peers` again in a moment".to_owned()
    } else if reason.contains(KEY_UNKNOWN) || reason.contains(CloseCode::Unpaired.text()) {
        format!("pair again: {pair}")
    } else if reason.contains(CloseCode::TwoAgents.text()) {
        "read \"Two agents use one identity\" in docs/in-doubt.md; `modelferry status` shows the alarm".to_owned()
    } else if reason.contains(CloseCode::Version.text()) {
        "see `modelferry --version` on both hosts".to_owned()
    } else {
        format!("type `modelferry status` on its host; if it runs at another address, {pair}")
    }
}

fn is_known(peer: &PeerView, uuid: &str, addresses: &[String]) -> bool {
    let Some(controller) = &peer.controller else { return false };
    if addresses.is_empty() && controller.addresses.is_empty() {
        return controller.uuid == uuid;
    }
    addresses.iter().any(|address| controller.addresses.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uuid: &str, addresses: &[&str]) -> PeerView {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        let controller = ControllerView { uuid: uuid.into(), addresses, ..ControllerView::default() };
        PeerView { name: "west".into(), controller: Some(controller), ..PeerView::default() }
    }

    #[test]
    fn a_peer_that_is_down_says_what_to_type() {
        assert!(next("west", NOT_YET).contains("`modelferry peers`"));
        let unknown = format!("192.0.2.1:17171: {KEY_UNKNOWN}");
        assert!(next("west", &unknown).contains("pair again: `modelferry pair offer --as west`"));
        let silent = next("west", "192.0.2.1:17171: no answer");
        assert!(
            silent.contains("`modelferry status` on its host") && silent.contains("pair offer --as west"),
            "{silent}"
        );
        assert!(next("west", CloseCode::Version.text()).contains("--version"));
        let cloned = next("west", CloseCode::TwoAgents.text());
        assert!(cloned.contains("Two agents use one identity") && !cloned.contains("pair offer"), "{cloned}");
    }

    #[test]
    fn the_address_of_a_peer_is_where_it_is() {
        let peer = |address: &str, learned: &[&str]| Peer {
            name: "west".into(),
            pin: modelferry_protocol::ids::Pin([1; 32]),
            addresses: vec![address.into()],
            learned: learned.iter().map(|address| (*address).to_owned()).collect(),
            paired_ms: 1,
        };
        let is_at = Some("192.0.2.9:17171".parse().unwrap());
        assert_eq!(address(&peer("192.0.2.1:17171", &[]), is_at), "192.0.2.9:17171");
        assert_eq!(address(&peer("192.0.2.1:17171", &["192.0.2.9:17171"]), None), "192.0.2.9:17171");
        assert_eq!(address(&peer("192.0.2.1:17171", &[]), None), "192.0.2.1:17171");
        assert_eq!(address(&peer("west.example.net:17171", &[]), is_at), "west.example.net:17171");
    }

    #[test]
    fn a_controller_is_known_again_by_an_api_address_that_both_have() {
        let redirect = ["10.0.0.1:17070".to_owned(), "10.0.0.2:17070".to_owned()];
        assert!(is_known(&peer("other", &["10.0.0.2:17070"]), "uuid", &redirect));
        assert!(!is_known(&peer("uuid", &["10.0.0.9:17070"]), "uuid", &redirect), "Juju does not look at UUIDs");
        assert!(!is_known(&peer("uuid", &[]), "uuid", &redirect));
        assert!(is_known(&peer("uuid", &[]), "uuid", &[]), "without addresses on both sides there is nothing else");
        assert!(!is_known(&peer("other", &[]), "uuid", &[]));
        assert!(!is_known(&PeerView::default(), "uuid", &redirect), "a peer that never linked");
    }
}
