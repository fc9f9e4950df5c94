//! The agent, without its control socket, and what it and its peer have on disk.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use modelferry::disk::Disk;
use modelferry::engine::{Engine, EngineParts, QueryHandler, Settings, packed};
use modelferry::journal::{Journal, Witness};
use modelferry::link::{Identity, Link as Connections, LinkConfig, Peers};
use modelferry::store::Store;
use modelferry_protocol::ids::{JournalId, Pin};
use modelferry_protocol::message::{ControllerCard, Hello};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::version::{Feature, Versions};
use tempfile::TempDir;

use super::controller::{FakePort, Held};
use super::datagrams::address;
use super::memory_controller::MemoryController;
use super::wire::Link;

/// What each is called by the other.
const NAMES: [&str; 2] = ["host", "peer"];

/// The keys of both: made once, as they cost the most.
static KEYS: LazyLock<[TempDir; 2]> = LazyLock::new(|| {
    [(); 2].map(|()| {
        let dir = in_memory();
        Identity::load_or_create(dir.path(), &Disk::real()).expect("an identity");
        dir
    })
});

struct Repeats;

#[async_trait]
impl QueryHandler for Repeats {
    async fn answer(&self, _: Pin, json: &str) -> Vec<u8> {
        packed::pack(json)
    }
}

pub struct Host {
    _dir: TempDir,
    pub controller: MemoryController,
    pub engine: Engine,
    _link: Connections,
}

/// What a peer has on disk.
pub struct PeerDir(pub TempDir);

fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a directory")
}

/// Makes a directory with the key of one of the two, paired with the other.
fn paired(number: usize) -> TempDir {
    let (dir, other) = (in_memory(), 1 - number);
    for entry in std::fs::read_dir(KEYS[number].path().join("identity")).expect("it was made") {
        let path = entry.expect("it is read").path();
        let to = dir.path().join("identity");
        Disk::real().create_dir(&to).expect("there is room");
        std::fs::copy(&path, to.join(path.file_name().expect("it has one"))).expect("there is room");
    }
    let pin = Identity::load_or_create(KEYS[other].path(), &Disk::real()).expect("an identity").pin();
    let (name, address) = (NAMES[other], address(other));
    let text = format!("[[peer]]\nname = \"{name}\"\npin = \"{pin}\"\naddresses = [\"{address}\"]\npaired_ms = 1\n");
    std::fs::write(dir.path().join("peers.toml"), text).expect("there is room");
    dir
}

/// Returns what one of the two says first.
pub fn hello(number: usize, journal: JournalId) -> Hello {
    Hello {
        versions: Versions::OWN,
        features: Feature::names(),
        agent: Name::cut("fuzz"),
        journal,
        sequence: 1,
        sequence_seen: 0,
        controller: ControllerCard { name: Name::cut(NAMES[number]), ..ControllerCard::default() },
    }
}

/// Opens one end of the link.
pub async fn connections(
    link: &Link,
    number: usize,
    dir: &Path,
    journal: JournalId,
) -> (Connections, tokio::sync::mpsc::Receiver<modelferry::link::NewSession>) {
    let disk = Disk::real();
    let identity = Identity::load_or_create(dir, &disk).expect("an identity");
    let peers = Peers::load(dir, &disk).expect("peers");
    let config = LinkConfig { listen: address(number), own_name: NAMES[number].into(), ..LinkConfig::default() };
    let hello = Arc::new(move |_| hello(number, journal));
    Connections::start_on(Some(link.wire(number)), config, identity, peers, hello).await.expect("a link")
}

impl Host {
    /// Starts the agent, and lays out what its peer has on disk. `is_served`: a model is in service here.
    pub async fn beside_peer(link: &Link, is_served: bool) -> (Self, PeerDir) {
        let (dir, peer, disk) = (paired(0), PeerDir(paired(1)), Disk::real());
        let path = dir.path();
        let (journal, _) = Journal::open(path, disk.clone()).expect("a journal");
        let store = Store::open(path, disk.clone()).expect("a store");
        let controller = MemoryController::new(store.clone());
        if is_served {
            controller.inner().site.held = Held::Live(None);
        }
        let (connections, sessions) = connections(link, 0, path, journal.id()).await;
        let port = Arc::new(FakePort(controller.clone()));
        let parts = EngineParts {
            journal,
            witness: Witness::load(path, &disk).expect("a witness"),
            store,
            link: connections.clone(),
            reader: port.clone(),
            departure: port.clone(),
            arrival: port,
            relayed: None,
            query: Arc::new(Repeats),
            settings: Settings { disk_reserve_bytes: 0, ..Settings::default() },
        };
        let engine = Engine::start(parts, sessions).await.expect("an engine");
        (Self { _dir: dir, controller, engine, _link: connections }, peer)
    }

    /// Returns how many records the journal has.
    pub async fn records(&self) -> u64 {
        self.engine.audit().await.expect("the journal is whole").records
    }
}
