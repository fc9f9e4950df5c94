//! Runs a connection from the end of its handshake to its close.

use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::message::{Agreed, Hello, Message, NoCommonVersion, agree};
use quinn::{RecvStream, SendStream};
use tokio::time::{Instant, sleep, timeout};

use crate::link::credentials::certificate::pin_of;
use crate::link::sessions::frames::{ReadFailure, read_message};
use crate::link::sessions::registry::Verdict;
use crate::link::sessions::session::Greeted;
use crate::link::shared::Shared;
use crate::link::transport::close::CloseCode;
use crate::link::transport::config::open_up;
use crate::link::transport::connection::Connection;

/// Interval of the checks whether an old connection is alive.
const PROBE_STEP: Duration = Duration::from_millis(20);

/// The outcome of a connection.
#[derive(Debug)]
pub(in crate::link) enum Served {
    /// It became a session, which has ended.
    Session,
    /// It did not become a session, for this reason.
    Refused(String),
    /// The connection dialled by the other side was kept.
    Duplicate,
}

struct Refusal {
    code: CloseCode,
    reason: String,
}

/// Serves a connection to a paired peer: exchanges `Hello`, then runs the session to its end.
pub(in crate::link) async fn serve(shared: &Arc<Shared>, connection: Connection) -> Served {
    let Some(spki) = connection.peer_spki() else {
        connection.close(CloseCode::Unpaired, "");
        return Served::Refused("the peer presents no key".to_owned());
    };
    let peer = pin_of(&spki);
    shared.claim(&connection.schedule, peer);
    if !is_only_agent(shared, peer, &connection).await {
        connection.close(CloseCode::TwoAgents, "");
        return Served::Refused(CloseCode::TwoAgents.text().to_owned());
    }
    let id = match keep(shared, peer, &connection).await {
        Ok(id) => id,
        Err(CloseCode::Duplicate) => {
            connection.close(CloseCode::Duplicate, "");
            return Served::Duplicate;
        }
        Err(code) => {
            connection.close(code, "");
            return Served::Refused(code.text().to_owned());
        }
    };
    let (control, hello, agreed) = match greet(shared, &connection, peer).await {
        Ok(greeted) => greeted,
        Err(refusal) => {
            // If the peer or the network closed the connection, its reason says more.
            let reason = connection.end().unwrap_or_else(|| {
                shared.complaints.warn(Some(peer), refusal.code.text(), &refusal.reason);
                refusal.reason.clone()
            });
            connection.close(refusal.code, &refusal.reason);
            shared.doubles.ended(peer, &connection);
            shared.registry.over(peer, id, reason.clone());
            return Served::Refused(reason);
        }
    };
    open_up(&connection.quic);
    let peer_name = shared.peers().by_pin(peer).map(|peer| peer.name.clone()).unwrap_or_default();
    let greeted =
        Greeted { id, connection: connection.clone(), peer, peer_name, peer_spki: spki, hello, agreed, control };
    let (new, drive) = greeted.begin(shared.config.timing.frame, &shared.complaints, shared.caps.paused(peer));
    tracing::info!(peer = %new.session.peer_name(), address = %connection.quic.remote_address(), "connected");
    if shared.registry.up(peer, id, new.session.clone()) {
        tokio::select! {
            biased;
            taken = shared.sessions.send(new) => if taken.is_err() {
                connection.close(CloseCode::Shutdown, "");
            },
            // The connection ended before the engine accepted the session.
            _ = connection.ended() => {}
        }
    }
    learn(shared, &connection, peer).await;
    let reason = connection.ended().await;
    // The peer may have moved meanwhile, and QUIC may have followed it.
    learn(shared, &connection, peer).await;
    shared.doubles.ended(peer, &connection);
    drive.stop().await;
    shared.remember(&connection.schedule, peer).await;
    tracing::info!(peer = %peer, reason, "disconnected");
    shared.registry.over(peer, id, reason);
    Served::Session
}

/// Stores the address of a peer that dialled this agent. Addresses that this agent dials are known.
async fn learn(shared: &Shared, connection: &Connection, peer: Pin) {
    if !connection.dialled {
        shared.learn(peer, connection.quic.remote_address()).await;
    }
}

/// Reports whether only one agent appears to use the peer's key. A peer dials again after it lost its older connection.
/// If the older one is repeatedly alive, it belongs to another agent.
async fn is_only_agent(shared: &Shared, peer: Pin, connection: &Connection) -> bool {
    if shared.doubles.holds(peer) {
        return false;
    }
    let older = shared.registry.kept(peer).filter(|kept| kept.dialled == connection.dialled && kept.end().is_none());
    let Some(older) = older else { return true };
    if !shared.doubles.replaces(peer) {
        return true;
    }
    let is_alive = lives(&older, shared.config.timing.probe).await;
    let found = shared.doubles.stolen(peer, is_alive);
    if found {
        shared.doubles.met(peer, [&older, connection]);
    }
    !found
}

/// Makes `connection` the kept connection. Returns its id, or the code to close it with.
async fn keep(shared: &Shared, peer: Pin, connection: &Connection) -> Result<u64, CloseCode> {
    let mut dead = None;
    loop {
        let is_pinned = || shared.admission.is_pinned(peer);
        match shared.registry.offer(shared.own(), peer, connection, dead.as_ref(), is_pinned) {
            Verdict::Keep(id) => return Ok(id),
            Verdict::Duplicate => return Err(CloseCode::Duplicate),
            Verdict::Unpaired => return Err(CloseCode::Unpaired),
            Verdict::Doubt(id, older) => {
                if lives(&older, shared.config.timing.probe).await {
                    if shared.doubles.doubted(peer, id) {
                        shared.doubles.met(peer, [&older, connection]);
                        return Err(CloseCode::TwoAgents);
                    }
                    return Err(CloseCode::Duplicate);
                }
                dead = Some(older);
            }
        }
        if connection.end().is_some() {
            return Err(CloseCode::Duplicate);
        }
    }
}

/// Reports whether the peer answers on `connection` within `patience`.
async fn lives(connection: &Connection, patience: Duration) -> bool {
    let heard = connection.quic.stats().udp_rx.datagrams;
    // QUIC offers applications no ping. A peer must acknowledge a stream that is opened and reset; a restarted peer
    // answers with a stateless reset.
    if let Ok(Ok(mut stream)) = timeout(PROBE_STEP, connection.quic.open_uni()).await {
        let _ = stream.reset(CloseCode::Done.into());
    }
    let deadline = Instant::now() + patience;
    while connection.end().is_none() && Instant::now() < deadline {
        let answered = connection.quic.stats().udp_rx.datagrams > heard;
        sleep(PROBE_STEP).await;
        // A stateless reset is a datagram too. By now it has ended the connection.
        if answered {
            return connection.end().is_none();
        }
    }
    false
}

/// Exchanges `Hello` messages on the control stream. The dialling side opens the stream.
async fn greet(
    shared: &Shared,
    connection: &Connection,
    peer: Pin,
) -> Result<((SendStream, RecvStream), Hello, Agreed), Refusal> {
    let within = shared.config.timing.first_frame;
    let greeting = async {
        let gone = |error: &dyn std::fmt::Display| Refusal { code: CloseCode::Stream, reason: error.to_string() };
        let opened =
            if connection.dialled { connection.quic.open_bi().await } else { connection.quic.accept_bi().await };
        let (mut send, mut recv) = opened.map_err(|error| gone(&error))?;
        let own = (shared.hello)(peer);
        send.write_all(&Message::Hello(own.clone()).to_frame()).await.map_err(|error| gone(&error))?;
        let hello = match read_message(&mut recv, within).await {
            Ok(Message::Hello(hello)) => hello,
            Ok(other) => {
                let reason = format!("{} came first, expected is Hello", other.name());
                return Err(Refusal { code: CloseCode::Violation, reason });
            }
            Err(failure) => return Err(failure.into()),
        };
        let refused = |error: NoCommonVersion| Refusal { code: CloseCode::Version, reason: error.to_string() };
        let agreed = agree(&own, &hello).map_err(refused)?;
        Ok(((send, recv), hello, agreed))
    };
    let late = Refusal { code: CloseCode::TooSlow, reason: format!("no Hello within {within:?}") };
    timeout(within, greeting).await.unwrap_or(Err(late))
}

impl From<ReadFailure> for Refusal {
    fn from(failure: ReadFailure) -> Self {
        let code = match failure {
            ReadFailure::Over => CloseCode::Stream,
            ReadFailure::TooSlow(_) => CloseCode::TooSlow,
            ReadFailure::Malformed(_) | ReadFailure::Cut => CloseCode::Malformed,
        };
        Self { code, reason: failure.to_string() }
    }
}
