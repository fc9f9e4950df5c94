//! Finds the connection over which a peer is asked: waits for a peer that is being dialled, and takes another connection
//! when the one with the question on it gives way.

use std::sync::Arc;
use std::time::Duration;

use super::conversation::Conversation;
use super::core::Core;
use super::{Engine, EngineError};
use crate::link::{Peer, PeerState, SessionClosed};

/// How long a peer that is not connected is waited for. Ten seconds: a dial that the peer's start has just missed is
/// repeated within three, and a handshake gets no longer.
pub const PEER_WITHIN: Duration = Duration::from_secs(10);
/// Connections that one question may take. Two agents that dial each other at once need two of them.
const CONNECTIONS_MAX: usize = 4;

/// A peer that is asked something which changes nothing there, so that it can be asked again.
pub(super) struct Reach<'a> {
    core: &'a Core,
    /// The peer.
    pub peer: Peer,
    /// The present connection to it.
    pub conversation: Arc<Conversation>,
    connections: usize,
}

impl Engine {
    /// Connects to a peer, or waits until it is connected, at most [`PEER_WITHIN`].
    ///
    /// Errors: [`EngineError::UnknownPeer`], [`EngineError::PeerDown`].
    pub(super) async fn reach(&self, name: &str) -> Result<Reach<'_>, EngineError> {
        let link = &self.0.parts.link;
        let peer = link.peer(name).ok_or_else(|| EngineError::UnknownPeer(name.to_owned()))?;
        match connected(&self.0, &peer, None).await {
            Some(conversation) => Ok(Reach { core: &self.0, peer, conversation, connections: 1 }),
            None => {
                let reason = match &*link.watch(peer.pin).borrow() {
                    PeerState::Down { reason, .. } => reason.clone(),
                    PeerState::Up { .. } => "it has connected, and has not told yet how it stands".to_owned(),
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
            PeerState::Up { .. } => None,
        }
    }
}

impl Reach<'_> {
    /// Takes the next connection after the present one, which ended before the peer had answered.
    ///
    /// Errors: [`EngineError::Unanswered`] if there is none in time, or if too many have ended.
    pub async fn again(&mut self, closed: SessionClosed) -> Result<(), EngineError> {
        if self.connections >= CONNECTIONS_MAX {
            return Err(closed.into());
        }
        tracing::debug!(peer = %self.peer.name, reason = %closed, "asking again over the next connection");
        self.connections += 1;
        match connected(self.core, &self.peer, Some(&self.conversation)).await {
            Some(conversation) => self.conversation = conversation,
            None => return Err(closed.into()),
        }
        Ok(())
    }
}

/// Waits for a connection other than `ended`; nothing if none comes in time.
async fn connected(core: &Core, peer: &Peer, ended: Option<&Arc<Conversation>>) -> Option<Arc<Conversation>> {
    let is_ended = |now: &Arc<Conversation>| ended.is_some_and(|ended| Arc::ptr_eq(ended, now));
    core.parts.link.hurry(peer.pin);
    let mut conversations = core.peer(peer.pin);
    let other = conversations.wait_for(|now| now.as_ref().is_some_and(|now| !is_ended(now)));
    match tokio::time::timeout(PEER_WITHIN, other).await {
        Ok(Ok(conversation)) => conversation.clone(),
        _ => None,
    }
}
