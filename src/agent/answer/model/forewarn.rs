//! Tells a client why its request waits: the agent dials a peer, or a limit of 0 holds the bytes back.

use tokio::task::JoinSet;

use super::models::Location;
use crate::agent::answer::RequestHandler;
use crate::agent::control::{Request, Response};
use crate::agent::socket::server::Client;
use crate::engine::PEER_WITHIN;

impl RequestHandler {
    /// Tells the client why the answer may take its time, if there is a reason that it could not guess; also later, until what
    /// is returned is dropped.
    pub(in crate::agent::answer) async fn forewarn(&self, request: &Request, client: &mut Client) -> JoinSet<()> {
        let mut watching = JoinSet::new();
        let Some(peer) = self.needed(request) else { return watching };
        let Some(engine) = self.engine.get() else { return watching };
        if let Some(why) = engine.away(&peer) {
            let seconds = PEER_WITHIN.as_secs();
            let text = format!("waiting up to {seconds} s for the agent of \"{peer}\", which is being dialled ({why})");
            // The client may be gone; sending the answer finds that out.
            let _ = client.update(&Response::Waiting(text)).await;
        }
        let sends = matches!(request, Request::Migrate { .. } | Request::Precopy { .. } | Request::BackupKeep { .. });
        if let Some(pause) = self.link.peer(&peer).filter(|_| sends).and_then(|peer| self.link.paused(peer.pin)) {
            let text = format!("{pause}: nothing is sent there; see `modelferry limit`");
            let _ = client.update(&Response::Waiting(text)).await;
        }
        let (engine, mut client) = (engine.clone(), client.clone());
        watching.spawn(async move {
            let seconds = engine.falls_silent(&peer).await.as_secs_f64().ceil();
            let text = format!("waiting up to {seconds} s for the agent of \"{peer}\", which gives no sign of life");
            let _ = client.update(&Response::Waiting(text)).await;
        });
        watching
    }

    /// Returns the peer that has to be asked before a request can be answered.
    fn needed(&self, request: &Request) -> Option<String> {
        let beside = |controller: &str| match self.locate(Some(controller)) {
            Ok(Location::Peer(peer)) => Some(peer),
            Ok(Location::Here) | Err(_) => None,
        };
        match request {
            Request::Precheck { peer, .. } | Request::Migrate { peer, .. } => Some(self.destination(peer)),
            Request::Precopy { peer, .. } | Request::BackupKeep { peer, .. } => Some(self.destination(peer)),
            Request::ShowController { controller } | Request::Models { controller } => beside(controller.as_deref()?),
            Request::ShowModel { model, .. } | Request::ModelStatus { model, .. } => beside(model.split_once(':')?.0),
            Request::Verify { id } => {
                let engine = self.engine.get()?;
                let view = engine.migration(engine.find_migration(id).ok()?)?;
                (view.direction == crate::engine::view::Direction::Source).then_some(view.peer)
            }
            _ => None,
        }
    }
}
