//! Agents of the link alone.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use modelferry::disk::Disk;
use modelferry::link::{Identity, Link, LinkConfig, LinkError, NewSession, PairError, Peer, PeerState, Peers};
use modelferry::link::{Session, Timing};
use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{JournalId, Pin};
use modelferry_protocol::message::{ControllerCard, Hello, Message};
use modelferry_protocol::version::{Feature, Versions};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Nothing here takes so long; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn hello(pin: Pin) -> Hello {
    Hello {
        versions: Versions::OWN,
        features: Feature::names(),
        agent: Text::cut("test"),
        journal: JournalId(pin.0[..16].try_into().unwrap()),
        sequence: 1,
        sequence_seen: 0,
        controller: ControllerCard::default(),
    }
}

pub fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Clocks that make no test wait.
pub fn quick() -> Timing {
    Timing {
        keep_alive: Duration::from_millis(100),
        probe: Duration::from_secs(5),
        retry_min: Duration::from_millis(20),
        retry_max: Duration::from_millis(100),
        ..Timing::default()
    }
}

/// Waits for `event`, but not for ever.
pub async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.expect("it happens soon")
}

pub struct Agent {
    pub link: Link,
    pub sessions: mpsc::Receiver<NewSession>,
    pub dir: TempDir,
}

/// What an agent leaves behind.
pub type Remains = (TempDir, SocketAddr);

/// An agent that can be killed: as with a process, all its tasks and its socket go at once.
pub struct Process {
    pub agent: Agent,
    runtime: Runtime,
}

impl Process {
    pub async fn new(name: &'static str) -> Self {
        Self::on((TempDir::new().unwrap(), loopback()), name).await
    }

    pub async fn on((dir, address): Remains, name: &'static str) -> Self {
        let runtime = Runtime::new().unwrap();
        let agent = runtime.spawn(Agent::on(dir, name, address)).await.unwrap();
        Self { agent, runtime }
    }

    /// Accepts what `offering` offers, on its own threads: what that begins must end with it.
    pub async fn pair_with(&self, offering: &Agent) {
        let (code, _) = offering.link.offer(None).await.unwrap();
        let (link, address) = (self.agent.link.clone(), offering.address());
        let accepted = self.runtime.spawn(async move { link.accept(code, &address, None).await });
        accepted.await.unwrap().unwrap();
    }

    /// Ends without a word to any peer, as by SIGKILL.
    pub fn kill(self) -> Remains {
        let address = self.agent.link.local_addr();
        self.runtime.shutdown_background();
        (self.agent.dir, address)
    }

    /// Ends as by SIGTERM.
    pub async fn stop(self) -> Remains {
        let link = self.agent.link.clone();
        self.runtime.spawn(async move { link.shutdown().await }).await.unwrap();
        self.kill()
    }
}

impl Agent {
    pub async fn new(name: &str) -> Self {
        Self::on(TempDir::new().unwrap(), name, loopback()).await
    }

    pub async fn on(dir: TempDir, name: &str, listen: SocketAddr) -> Self {
        Self::with(&Disk::real(), quick(), dir, name, listen).await
    }

    /// Starts with its peers on `disk`, and clocks of its own.
    pub async fn with(disk: &Disk, timing: Timing, dir: TempDir, name: &str, listen: SocketAddr) -> Self {
        let identity = Identity::load_or_create(dir.path(), &Disk::real()).unwrap();
        let peers = Peers::load(dir.path(), disk).unwrap();
        let (link, sessions) = start(name, listen, timing, identity, peers).await;
        Self { link, sessions, dir }
    }

    /// Starts with an identity whose pin is lower, or greater, than `other`, and with `other` as its peer.
    pub async fn beside(other: Pin, address: SocketAddr, lower: bool, timing: Timing) -> Self {
        loop {
            let dir = TempDir::new().unwrap();
            let pin = Identity::load_or_create(dir.path(), &Disk::real()).unwrap().pin();
            if (pin < other) == lower {
                write_peer(&dir, other, address);
                return Self::with(&Disk::real(), timing, dir, "beside", loopback()).await;
            }
        }
    }

    pub fn address(&self) -> String {
        self.link.local_addr().to_string()
    }

    pub async fn up(&self, peer: Pin) -> Session {
        let mut states = self.link.watch(peer);
        let state = soon(states.wait_for(|state| state.session().is_some())).await.unwrap();
        state.session().unwrap().clone()
    }

    /// Waits until the peer is down for a reason that says `word`.
    pub async fn down(&self, peer: Pin, word: &str) {
        let mut states = self.link.watch(peer);
        let told = |state: &PeerState| matches!(state, PeerState::Down { reason, .. } if reason.contains(word));
        let told = timeout(PATIENCE, states.wait_for(told)).await.is_ok();
        assert!(told, "no `{word}` in {:?}", self.link.watch(peer).borrow());
    }

    pub async fn session(&mut self) -> NewSession {
        soon(self.sessions.recv()).await.unwrap()
    }
}

async fn start(
    name: &str,
    listen: SocketAddr,
    timing: Timing,
    identity: Identity,
    peers: Peers,
) -> (Link, mpsc::Receiver<NewSession>) {
    let config = LinkConfig { listen, own_name: name.to_owned(), timing, ..LinkConfig::default() };
    let own = identity.pin();
    // The socket of a predecessor is closed when the last of its tasks has gone, on threads of its own.
    soon(async {
        while listen.port() != 0 && std::net::UdpSocket::bind(listen).is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let started: Result<_, LinkError> = Link::start(config, identity, peers, Arc::new(move |_| hello(own))).await;
    started.unwrap()
}

pub fn write_peer(dir: &TempDir, pin: Pin, address: SocketAddr) {
    let text = format!("[[peer]]\nname = \"raw\"\npin = \"{pin}\"\naddresses = [\"{address}\"]\npaired_ms = 1\n");
    std::fs::write(dir.path().join("peers.toml"), text).unwrap();
}

/// Pairs two agents; each gets the name that it suggests.
pub async fn pair(offering: &Agent, accepting: &Agent) -> Result<Peer, PairError> {
    let (code, _) = offering.link.offer(None).await?;
    accepting.link.accept(code, &offering.address(), None).await
}

/// Returns two paired agents, of which only the second dials: no connection takes the place of another.
pub async fn paired() -> (Agent, Agent) {
    let never = Duration::from_secs(600);
    let timing = Timing { retry_min: never, retry_max: never, ..quick() };
    let east = Agent::with(&Disk::real(), timing, TempDir::new().unwrap(), "east", loopback()).await;
    let west = Agent::new("west").await;
    pair(&east, &west).await.unwrap();
    (east, west)
}

/// Waits until the sessions that both sides have are one connection, and returns them with what they receive.
pub async fn joined(one: &mut Agent, other: &mut Agent) -> (NewSession, NewSession) {
    let (mut left, mut right) = (one.session().await, other.session().await);
    for number in 0.. {
        let _ = left.session.send(Message::BlobDone(number)).await;
        // A session that was replaced ends, and its successor is on its way. What is said on one that stays arrives.
        loop {
            tokio::select! {
                message = right.inbox.recv() => match message {
                    Some(Message::BlobDone(heard)) if heard == number => return (left, right),
                    Some(_) => {}
                    None => right = other.session().await,
                },
                _ = left.session.closed() => {
                    left = one.session().await;
                    break;
                }
            }
        }
    }
    unreachable!("numbers do not end")
}
