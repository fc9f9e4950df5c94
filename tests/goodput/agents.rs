//! Two agents' engines on a link, in one thread, by one virtual clock.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use modelferry::config::{Congestion, LinkSettings};
use modelferry::disk::Disk;
use modelferry::engine::view::{MigrationView, Stand};
use modelferry::engine::{Engine, EngineParts, MigrateOptions, Settings};
use modelferry::journal::{Journal, Witness};
use modelferry::link::{Identity, Link as Connections, LinkConfig, Peers};
use modelferry::store::Store;
use modelferry_protocol::message::{ControllerCard, Hello};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::version::{Feature, Versions};
use tokio::sync::watch;
use tokio::time::Instant;

use super::control::Answers;
use super::controller::{Held, MODEL};
use super::datagrams::address;
use super::log;
use super::memory_controller::{MemoryController, noise};
use super::two_models::{MODELS, TwoModels};
use super::wire::{Carried, Link, Road};

/// What each agent is called by the other.
pub const NAMES: [&str; 2] = ["src", "dst"];

/// An agent without its control socket.
pub struct Host {
    _dir: tempfile::TempDir,
    pub controllers: [MemoryController; 2],
    pub ports: Arc<TwoModels>,
    pub link: Connections,
    pub engine: Engine,
}

/// What a transfer came to.
#[derive(Debug, Clone, Copy)]
pub struct Ran {
    /// From `migrate` to the last durable acknowledgement.
    pub took: Duration,
    /// Payload bits / time / rate of the link.
    pub share: f64,
    /// What the sender put on the wire.
    pub there: Carried,
}

impl Ran {
    /// Bytes on the wire / (payload + what the link lost by itself).
    pub fn wire(&self, payload: u64) -> f64 {
        let lost = self.there.lost as f64 * self.there.bytes as f64 / self.there.packets as f64;
        self.there.bytes as f64 / (payload as f64 + lost)
    }
}

/// Runs by a virtual clock, which goes on when everybody waits.
pub fn virtually<T>(test: impl Future<Output = T>) -> T {
    log::begin();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(test)
}

/// The wall clock of the agents: a Monday, half a minute before eight when they begin.
fn wall() -> jiff::Zoned {
    let begun = BEGUN.get().unwrap_or_else(Instant::now);
    let monday = jiff::civil::date(2026, 1, 5).at(7, 59, 30, 0).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
    monday + begun.elapsed()
}

thread_local! {
    /// When the agents of this test began.
    static BEGUN: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
}

/// Moves models with so many bytes that do not compress over `road`, one after another over the same connection.
pub fn transfers<const N: usize>(road: Road, bytes: u64) -> [Ran; N] {
    transfers_by(Congestion::default(), road, bytes)
}

/// Does the same with a congestion controller that the source is told to use.
pub fn transfers_by<const N: usize>(congestion: Congestion, road: Road, bytes: u64) -> [Ran; N] {
    virtually(async {
        let link = Link::new(road, 7);
        let [src, dst] = hosts(&link, LinkSettings { congestion, ..LinkSettings::default() }).await;
        let mut ran = Vec::new();
        for number in 0..N {
            src.controllers[0].hold(&[noise(number as u64, bytes as usize)]);
            dst.controllers[0].inner().site.held = Held::Absent;
            // Long enough for both sides to have nothing left to say of the last one.
            tokio::time::sleep(Duration::from_secs(3)).await;
            ran.push(transfer(&link, road, &src.engine, bytes).await);
        }
        ran.try_into().unwrap()
    })
}

/// Moves a model with so many bytes while another model's, far more, are on their way in a pre-copy to the same peer.
pub fn beside_precopy(road: Road, bytes: u64) -> Ran {
    virtually(async {
        let link = Link::new(road, 7);
        let [src, _dst] = hosts(&link, LinkSettings::default()).await;
        for (controller, more) in src.controllers.iter().zip([1, 3]) {
            controller.hold(&[noise(more, (more * bytes) as usize)]);
        }
        let view = src.engine.precopy(MODELS[1], NAMES[1], None, "test").await.unwrap();
        let mut precopy = src.engine.watch(view.mid.parse().unwrap()).unwrap();
        precopy.wait_for(|view| view.bytes.held >= bytes / 2).await.unwrap();
        let ran = transfer(&link, road, &src.engine, bytes).await;
        let view = precopy.borrow().clone();
        assert!(view.ended_ms.is_none(), "nothing was beside it: {view:?}");
        let copied = precopy.wait_for(|view| view.ended_ms.is_some()).await.unwrap();
        assert_eq!(copied.stand, Stand::Copied);
        ran
    })
}

/// A transfer under way.
pub struct Going(pub watch::Receiver<MigrationView>);

impl Going {
    /// Begins to move the model of a number, with so many bytes that do not compress.
    pub async fn begin(src: &Host, number: usize, bytes: u64) -> Self {
        src.controllers[number].hold(&[noise(number as u64, bytes as usize)]);
        let options = MigrateOptions::new(Duration::from_secs(600));
        let view = src.engine.migrate(MODELS[number], NAMES[1], options, "test").await.unwrap();
        Self(src.engine.watch(view.mid.parse().unwrap()).unwrap())
    }

    /// Waits until the target holds so many bytes.
    pub async fn holds(&mut self, bytes: u64) -> Instant {
        self.0.wait_for(|view| view.bytes.held >= bytes).await.unwrap();
        Instant::now()
    }

    /// Waits until it says that it waits, for this reason.
    pub async fn waits(&mut self, why: &str) -> MigrationView {
        let waits = |view: &MigrationView| view.waiting.as_ref().is_some_and(|waiting| waiting.starts_with(why));
        let view = self.0.wait_for(|view| waits(view) || view.ended_ms.is_some()).await.unwrap().clone();
        assert!(waits(&view), "it has ended without that: {view:?}");
        view
    }

    /// Reports whether it holds so many.
    pub fn holds_now(&self, bytes: u64) -> bool {
        self.0.borrow().bytes.held >= bytes
    }

    /// Waits until the model has moved.
    pub async fn moved(&mut self) {
        let stand = self.0.wait_for(|view| view.ended_ms.is_some()).await.unwrap().stand;
        assert_eq!(stand, Stand::Moved);
    }
}

async fn transfer(link: &Link, road: Road, engine: &Engine, bytes: u64) -> Ran {
    let (before, begun) = (link.carried(1), Instant::now());
    link.begin();
    let options = MigrateOptions::new(Duration::from_secs(600));
    let view = engine.migrate(MODEL, NAMES[1], options, "test").await.unwrap();
    let mut watch = engine.watch(view.mid.parse().unwrap()).unwrap();
    watch.wait_for(|view| view.bytes.held >= bytes).await.unwrap();
    let (took, after) = (begun.elapsed(), link.carried(1));
    let moved = watch.wait_for(|view| view.ended_ms.is_some()).await.unwrap();
    assert_eq!(moved.stand, Stand::Moved);
    let there = Carried {
        packets: after.packets - before.packets,
        bytes: after.bytes - before.bytes,
        lost: after.lost - before.lost,
        overflowed: after.overflowed - before.overflowed,
    };
    let share = bytes as f64 * 8.0 / took.as_secs_f64() / road.mbit / 1e6;
    Ran { took, share, there }
}

/// Starts both agents, paired and connected; `settings` are the source's.
pub async fn hosts(link: &Link, settings: LinkSettings) -> [Host; 2] {
    BEGUN.set(Some(Instant::now()));
    let mut settings = Some(settings);
    let dirs = [(); 2].map(|()| {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
    });
    let identities = [0, 1].map(|host| Identity::load_or_create(dirs[host].path(), &Disk::real()).unwrap());
    for (host, peer) in [(0, 1), (1, 0)] {
        let (name, pin, address) = (NAMES[peer], identities[peer].pin(), address(peer));
        let text =
            format!("[[peer]]\nname = \"{name}\"\npin = \"{pin}\"\naddresses = [\"{address}\"]\npaired_ms = 1\n");
        std::fs::write(dirs[host].path().join("peers.toml"), text).unwrap();
    }
    let mut hosts = Vec::new();
    for ((host, dir), identity) in dirs.into_iter().enumerate().zip(identities) {
        hosts.push(start(link, host, settings.take().unwrap_or_default(), dir, identity).await);
    }
    for (host, peer) in [(0, NAMES[1]), (1, NAMES[0])] {
        while hosts[host].engine.query(peer, "{}").await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    hosts.try_into().unwrap_or_else(|_| unreachable!("two were started"))
}

async fn start(link: &Link, host: usize, settings: LinkSettings, dir: tempfile::TempDir, identity: Identity) -> Host {
    let (path, disk) = (dir.path(), Disk::real());
    let (journal, _) = Journal::open(path, disk.clone()).unwrap();
    let store = Store::open(path, disk.clone()).unwrap();
    let peers = Peers::load(path, &disk).unwrap();
    let own_name = NAMES[host].into();
    let config = LinkConfig { listen: address(host), own_name, settings, clock: wall, ..LinkConfig::default() };
    let hello_journal = journal.clone();
    let hello = Arc::new(move |_| Hello {
        versions: Versions::OWN,
        features: Feature::names(),
        agent: Name::cut("test"),
        journal: hello_journal.id(),
        sequence: hello_journal.sequence(),
        sequence_seen: 0,
        controller: ControllerCard { name: Name::cut(NAMES[host]), ..ControllerCard::default() },
    });
    let (connections, sessions) =
        Connections::start_on(Some(link.wire(host)), config, identity, peers, hello).await.unwrap();
    let controllers = [(); 2].map(|()| MemoryController::new(store.clone()));
    let ports = Arc::new(TwoModels::new(controllers.clone()));
    let parts = EngineParts {
        journal,
        witness: Witness::load(path, &disk).unwrap(),
        store,
        link: connections.clone(),
        reader: ports.clone(),
        departure: ports.clone(),
        arrival: ports.clone(),
        relayed: None,
        query: Arc::new(Answers),
        settings: Settings { disk_reserve_bytes: 0, ..Settings::default() },
    };
    let engine = Engine::start(parts, sessions).await.unwrap();
    Host { _dir: dir, controllers, ports, link: connections, engine }
}
