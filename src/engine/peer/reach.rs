//! Connects to a peer for a question: waits while the link dials, and asks again over the next connection if one ends.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::base::conversation::Conversation;
use crate::engine::base::error::EngineError;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::link::{Peer, PeerState, SessionClosed, Silence};

/// How long a peer that is not connected is waited for. Ten seconds: a dial that the peer's start has just missed is
/// repeated within three, and a handshake gets no longer.
pub const PEER_WITHIN: Duration = Duration::from_secs(10);
/// How long a connected peer that is asked something may give no sign of life. Two signs of its keep-alive may be lost.
const SILENT_MAX: Duration = Duration::from_secs(8);
/// How long a connected peer may give no sign of life until whoever asks is told.
pub const SILENT_TOLD: Duration = Duration::from_millis(1500);
/// The least time in which a peer whose connection has ended may connect again.
const AGAIN_MIN: Duration = Duration::from_secs(1);
/// Connections that one question may take. Two agents that dial each other at once need two of them.
const CONNECTIONS_MAX: usize = 4;

/// A peer that is asked something which changes nothing there, so that it can be asked again.
pub struct Reach<'a> {
    core: &'a Core,
    /// The peer.
    pub peer: Peer,
    /// The present connection to it.
    pub conversation: Arc<Conversation>,
    connections: usize,
    silence: Silence,
}

impl Engine {
    /// Connects to a peer, or waits until it is connected, at most [`PEER_WITHIN`].
    ///
    /// Errors: [`EngineError::UnknownPeer`], [`EngineError::PeerDown`].
    pub async fn reach(&self, name: &str) -> Result<Reach<'_>, EngineError> {
        let link = &self.0.parts.link;
        let peer = link.peer(name).ok_or_else(|| EngineError::UnknownPeer(name.to_owned()))?;
        match connected(&self.0, &peer, None, PEER_WITHIN).await {
            Some(conversation) => {
                let silence = Silence::default();
                Ok(Reach { core: &self.0, peer, conversation, connections: 1, silence })
            }
            None => {
                let reason = match &*link.watch(peer.pin).borrow() {
                    PeerState::Down { reason, .. } => reason.clone(),
                    PeerState::Up(_) => "it has connected, and has not told yet how it stands".to_owned(),
                };
                Err(EngineError::PeerDown { peer: name.to_owned(), reason })
            }
        }
    }

    /// Returns why a peer is not connected, while a question to it would have to wait.
    pub fn away(&self, name: &str) -> Option<String> {
        let link = &self.0.parts.link;
        let peer = link.peer(name)?;
        match &*link.watch(peer.pin).borrow() {
            PeerState::Down { reason, .. } => Some(reason.clone()),
            PeerState::Up(_) => None,
        }
    }
}

impl Engine {
    /// Waits until a connected peer has given no sign of life for a moment; returns how long it is still waited for.
    pub async fn falls_silent(&self, name: &str) -> Duration {
        let link = &self.0.parts.link;
        let state = link.peer(name).map(|peer| link.watch(peer.pin).borrow().clone());
        match state.as_ref().and_then(PeerState::session) {
            Some(session) => session.falls_silent(SILENT_TOLD, &Silence::default()).await,
            None => std::future::pending().await,
        }
        SILENT_MAX - SILENT_TOLD
    }
}

impl Reach<'_> {
    /// Awaits what the peer is asked, unless the peer falls silent: stopped or killed a moment ago, it looks connected until
    /// the connection times out.
    ///
    /// Errors: [`EngineError::PeerSilent`], and those of `asking`.
    pub async fn hear<T>(&self, asking: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
        tokio::select! {
            biased;
            heard = asking => heard,
            () = self.conversation.session.falls_silent(SILENT_MAX, &self.silence) => Err(self.silent()),
        }
    }

    /// Makes sure that the peer is there, for what begins without asking it anything.
    ///
    /// Errors: [`EngineError::PeerSilent`].
    pub async fn lives(&self) -> Result<(), EngineError> {
        let session = &self.conversation.session;
        tokio::select! {
            () = session.lives() => Ok(()),
            // Whatever comes next finds out that it is over.
            _ = session.closed() => Ok(()),
            () = tokio::time::sleep(SILENT_MAX) => Err(self.silent()),
        }
    }

    fn silent(&self) -> EngineError {
        EngineError::PeerSilent { peer: self.peer.name.clone(), seconds: SILENT_MAX.as_secs() }
    }

    /// Takes the next connection after the present one, which ended before the peer had answered.
    ///
    /// Errors: [`EngineError::Unanswered`] if there is none in time, or if too many have ended.
    pub async fn again(&mut self, closed: SessionClosed) -> Result<(), EngineError> {
        if self.connections >= CONNECTIONS_MAX {
            return Err(closed.into());
        }
        tracing::debug!(peer = %self.peer.name, reason = %closed, "asking again over the next connection");
        self.connections += 1;
        // Of the time that a peer has, it may have used some before its connection was given up.
        let within = PEER_WITHIN.saturating_sub(self.silence.lasts()).max(AGAIN_MIN);
        match connected(self.core, &self.peer, Some(&self.conversation), within).await {
            Some(conversation) => self.conversation = conversation,
            None => return Err(closed.into()),
        }
        Ok(())
    }
}

/// Waits for a connection other than `ended`; nothing if none comes `within` that time.
async fn connected(
    core: &Core,
    peer: &Peer,
    ended: Option<&Arc<Conversation>>,
    within: Duration,
) -> Option<Arc<Conversation>> {
    let is_ended = |now: &Arc<Conversation>| ended.is_some_and(|ended| Arc::ptr_eq(ended, now));
    core.parts.link.hurry(peer.pin);
    let mut conversations = core.peer(peer.pin);
    let other = conversations.wait_for(|now| now.as_ref().is_some_and(|now| !is_ended(now)));
    match tokio::time::timeout(within, other).await {
        Ok(Ok(conversation)) => conversation.clone(),
        _ => None,
    }
}
