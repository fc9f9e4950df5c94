//! A host: a disk and a key, and an agent's process while it lives.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use modelferry::config::StoreConfig;
use modelferry::disk::{Disk, FaultPlan, Faults};
use modelferry::engine::{
    Destinations, Engine, EngineParts, GatewayAddress, MigrateOptions, PeerRelay, Process as Surroundings,
    QueryHandler, RelayedSource, Settings, Visitors, packed,
};
use modelferry::journal::{Journal, Witness};
use modelferry::link::{Identity, Link, LinkConfig, Peers, Timing, Wire};
use modelferry::store::Store;
use modelferry_protocol::ids::{Hash, Pin};
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::message::{ControllerCard, Hello};
use modelferry_protocol::snapshot::{BlobRef, Name, Snapshot};
use modelferry_protocol::version::{Feature, Versions};
use tokio::runtime::Runtime;

use super::cluster::TestCluster;
use super::controller::{FakePort, MODEL};
use super::datagrams::address;
use super::juju::Juju;
use super::network::Network;
use super::port::SimulatedPort;
use super::process::{self, Process};
use super::trace::Trace;

struct NoQueries;

#[async_trait]
impl QueryHandler for NoQueries {
    async fn answer(&self, _: Pin, _: &str) -> Vec<u8> {
        packed::pack("{}")
    }
}

/// What both hosts share.
#[derive(Clone)]
pub struct Region {
    pub network: Network,
    pub estate: TestCluster,
    pub trace: Trace,
    /// A Juju controller that decides about what leaves host 0, if that is one.
    pub juju: Option<Juju>,
}

pub struct Host {
    index: usize,
    region: Region,
    dir: tempfile::TempDir,
    pub faults: Faults,
    /// Milliseconds by which the host's clock is wrong.
    pub skew_ms: i64,
    /// Blobs that its operator's prunes have removed.
    pruned: Arc<AtomicU64>,
    running: Option<Running>,
}

/// A live process. The runtime is dropped last: it holds the tasks.
struct Running {
    engine: Engine,
    journal: Journal,
    store: Store,
    process: Arc<Process>,
    runtime: Runtime,
}

/// What nobody needs goes at the first opportunity, of which each start is one.
const KEEPS_NOTHING: StoreConfig = StoreConfig { retention: Duration::ZERO, quota_bytes: None };

/// 2026-01-01, where the virtual clocks begin.
const EPOCH_MS: u64 = 1_767_225_600_000;

pub fn name_of(host: usize) -> &'static str {
    ["src", "dst"][host]
}

/// Quick, so that a run need not last long; in the proportions of the real ones.
fn timing() -> Timing {
    Timing {
        handshake: Duration::from_secs(2),
        first_frame: Duration::from_secs(2),
        frame: Duration::from_secs(2),
        idle: Duration::from_secs(3),
        keep_alive: Duration::from_millis(500),
        probe: Duration::from_millis(500),
        retry_min: Duration::from_millis(100),
        retry_max: Duration::from_secs(1),
    }
}

/// Puts a key there that is the same in every run, so that the side that dials is.
fn write_key(dir: &Path, index: usize) -> std::io::Result<()> {
    // PKCS #8 around an Ed25519 seed.
    let mut der = vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend([index as u8 + 1; 32]);
    let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", base64(&hex));
    let folder = dir.join("identity");
    std::fs::create_dir(&folder)?;
    let path = folder.join("key.pem");
    std::fs::write(&path, pem)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
}

/// Returns the base 64 of bytes given in hexadecimal digits.
fn base64(hex: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String = hex.chars().map(|digit| format!("{:04b}", digit.to_digit(16).expect("hexadecimal"))).collect();
    bits.as_bytes()
        .chunks(6)
        .map(|six| {
            let number = six.iter().fold(0, |number, bit| number << 1 | usize::from(bit - b'0')) << (6 - six.len());
            char::from(DIGITS[number])
        })
        .collect()
}

impl Host {
    /// Makes two hosts that are paired, with agents that do not run yet.
    pub fn pair(region: &Region) -> [Self; 2] {
        let hosts = [0, 1].map(|index| {
            let memory = Path::new("/dev/shm");
            let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
            let dir = dir.expect("a folder for the host");
            write_key(dir.path(), index).expect("a key for the host");
            Self {
                index,
                region: region.clone(),
                dir,
                faults: Faults::default(),
                skew_ms: 0,
                pruned: Arc::default(),
                running: None,
            }
        });
        let pin = |host: &Self| Identity::load_or_create(host.dir.path(), &Disk::real()).expect("a key").pin();
        let pins: [Pin; 2] = [pin(&hosts[0]), pin(&hosts[1])];
        for (host, peer) in [(&hosts[0], 1), (&hosts[1], 0)] {
            let (name, pin, address) = (name_of(peer), pins[peer], address(peer));
            let text =
                format!("[[peer]]\nname = \"{name}\"\npin = \"{pin}\"\naddresses = [\"{address}\"]\npaired_ms = 1\n");
            std::fs::write(host.dir.path().join("peers.toml"), text).expect("a peer for the host");
        }
        hosts
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    /// Starts the agent on what the disk holds; false if that fails, as it may while the disk does.
    pub fn start(&mut self, seed: u64) -> bool {
        let process = Process::new(self.faults.clone());
        process.set_clock(self.clock_ms());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let begun = process.run(|| runtime.block_on(self.begin(seed, &process)));
        let up = begun.is_some();
        self.region.trace.note(format_args!("host {}: starts, {}", self.index, if up { "up" } else { "in vain" }));
        self.running =
            begun.map(|(engine, journal, store)| Running { engine, journal, store, process: process.clone(), runtime });
        if !up {
            process.die();
            self.region.network.unplug(self.index);
            self.faults.set(FaultPlan::default());
        }
        up
    }

    async fn begin(&self, seed: u64, process: &Arc<Process>) -> Option<(Engine, Journal, Store)> {
        let (path, disk) = (self.dir.path(), Disk::faulty(&self.faults));
        let (journal, _) = Journal::open(path, disk.clone()).ok()?;
        let store = Store::open(path, disk.clone()).ok()?;
        let identity = Identity::load_or_create(path, &disk).ok()?;
        let peers = Peers::load(path, &disk).ok()?;
        let config = LinkConfig {
            listen: address(self.index),
            own_name: name_of(self.index).into(),
            timing: timing(),
            ..LinkConfig::default()
        };
        let witness = Witness::load(path, &disk).ok()?;
        let (hello_journal, seen, name) = (journal.clone(), witness.clone(), name_of(self.index));
        let hello = Arc::new(move |peer| Hello {
            versions: Versions::OWN,
            features: Feature::names(),
            agent: Name::cut("simulated"),
            journal: hello_journal.id(),
            sequence: hello_journal.sequence(),
            // A journal that lost what it had told is found out by this.
            sequence_seen: seen.seen(peer).map_or(0, |seen| seen.sequence),
            controller: ControllerCard { name: Name::cut(name), ..ControllerCard::default() },
        });
        let wire = Wire {
            socket: self.region.network.socket(self.index, process),
            seed: Some(*blake3::hash(&seed.to_le_bytes()).as_bytes()),
        };
        let (link, sessions) = Link::start_on(Some(wire), config, identity, peers, hello).await.ok()?;
        let port = Arc::new(FakePort(SimulatedPort {
            host: self.index,
            estate: self.region.estate.clone(),
            process: process.clone(),
            store: store.clone(),
        }));
        let surroundings = Surroundings { clock: process::clock, stop: process::stop };
        let parts = EngineParts {
            journal: journal.clone(),
            store: store.clone(),
            witness,
            link,
            reader: port.clone(),
            departure: port.clone(),
            arrival: port,
            relayed: self.region.juju.clone().filter(|_| self.index == 0).map(|juju| RelayedSource {
                controller: Arc::new(juju),
                gateways: vec![GatewayAddress {
                    peer: name_of(1).to_owned(),
                    addresses: vec!["gateway:17072".to_owned()],
                    ca_cert: Some("a CA".to_owned()),
                    signed: None,
                    route_shown: false,
                }],
                destinations: Destinations::new(path, disk.clone()),
                visitors: Arc::new(Visitors::new(path, disk.clone())),
                freeze_max: Duration::from_secs(1800),
            }),
            query: Arc::new(NoQueries),
            settings: Settings {
                disk_reserve_bytes: 0,
                store: KEEPS_NOTHING,
                process: surroundings,
                ..Settings::default()
            },
        };
        let engine = Engine::start(parts, sessions).await.ok()?;
        Some((engine, journal, store))
    }

    fn clock_ms(&self) -> u64 {
        (EPOCH_MS + self.region.trace.now_ms()).saturating_add_signed(self.skew_ms)
    }

    /// Lets the agent run for so long; false if it stops by itself meanwhile.
    pub fn step(&mut self, ms: u64) -> bool {
        let clock_ms = self.clock_ms();
        let Some(running) = &self.running else { return true };
        running.process.set_clock(clock_ms);
        running.process.run(|| running.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(ms)).await }));
        !running.process.is_dead()
    }

    /// Ends the process at once. A power cut loses what was not synced, save what `kept` says.
    pub fn kill(&mut self, power_cut: Option<&mut fastrand::Rng>) {
        let Some(running) = self.running.take() else { return };
        running.process.die();
        self.region.network.unplug(self.index);
        let process = running.process.clone();
        process.run(|| drop(running));
        if let Some(rng) = power_cut {
            let rng = std::cell::RefCell::new(rng);
            let keeps = rng.borrow_mut().u32(0..4);
            self.faults.power_cut(|_| rng.borrow_mut().u32(0..4) < keeps).expect("the real disk works");
        }
        self.faults.set(FaultPlan::default());
    }

    /// The operator asks to migrate the model away; whether that begins is the agent's matter.
    pub fn migrate(&self, freeze_max: Duration) {
        let Some(running) = &self.running else { return };
        let (engine, peer) = (running.engine.clone(), name_of(1 - self.index));
        running.runtime.spawn(async move {
            let _ = engine.migrate(MODEL, peer, MigrateOptions::new(freeze_max), "operator").await;
        });
    }

    /// The operator asks to abort whatever runs here.
    pub fn abort(&self) {
        let Some(running) = &self.running else { return };
        let engine = running.engine.clone();
        running.runtime.spawn(async move {
            for view in engine.migrations().into_iter().filter(|view| view.ended_ms.is_none()) {
                let Ok(mid) = view.mid.parse() else { continue };
                let _ = engine.abort(mid, "operator").await;
            }
        });
    }

    /// Puts bytes into the agent's store; nothing while it is down.
    pub fn put_if_up(&self, bytes: &[u8]) -> Option<BlobRef> {
        self.running.as_ref()?.store.put_bytes(bytes).ok()
    }

    /// Lets the gateway of the agent ask; nothing while it is down.
    pub fn with_relay<F: Future<Output = ()> + Send + 'static>(&self, ask: impl FnOnce(PeerRelay) -> F) -> Option<()> {
        let running = self.running.as_ref()?;
        running.runtime.spawn(ask(running.engine.relay_to(name_of(1 - self.index))));
        Some(())
    }

    /// The operator has everything removed from the store that nobody needs.
    pub fn prune(&self) {
        let Some(running) = &self.running else { return };
        let (engine, sum, trace, index) =
            (running.engine.clone(), self.pruned.clone(), self.region.trace.clone(), self.index);
        running.runtime.spawn(async move {
            if let Ok(pruned) = engine.prune(None, false).await {
                sum.fetch_add(pruned.blobs, Relaxed);
                trace.note(format_args!("host {index}: {} blobs pruned", pruned.blobs));
            }
        });
    }

    /// Returns how many blobs its operator's prunes have removed.
    pub fn pruned(&self) -> u64 {
        self.pruned.load(Relaxed)
    }

    /// Returns what is lacking of a sealed snapshot, if something is.
    pub fn lacks_of(&self, root: Hash) -> Option<String> {
        let store = &self.running.as_ref()?.store;
        let Ok(Some(bytes)) = store.size(root) else { return Some(format!("the snapshot {root} is not here")) };
        let bytes = store.read(BlobRef { hash: root, bytes }, bytes).map_err(|error| error.to_string());
        let snapshot = bytes.and_then(|bytes| Snapshot::open(&bytes, root).map_err(|error| error.to_string()));
        let blobs = match snapshot {
            Ok(snapshot) => snapshot.blobs(),
            Err(error) => return Some(error),
        };
        let gone = blobs.iter().find(|blob| !matches!(store.size(blob.hash), Ok(Some(bytes)) if bytes == blob.bytes));
        gone.map(|blob| format!("blob {} of the snapshot is not here", blob.hash))
    }

    /// Proves that a blob is here, whole.
    pub fn proves(&self, blob: BlobRef) -> Result<(), String> {
        let store = &self.running.as_ref().expect("a running agent").store;
        store.verify(blob).map_err(|error| error.to_string())
    }

    /// The target's operator gives a migration's token back.
    #[cfg(feature = "failpoints")]
    pub fn renounce(&self, mid: modelferry_protocol::ids::MigrationId) {
        let Some(running) = &self.running else { return };
        let engine = running.engine.clone();
        running.runtime.spawn(async move {
            let _ = engine.resolve(mid, modelferry::engine::Resolution::Renounce, "", "operator").await;
        });
    }

    /// Puts binaries into the agent's store, where its controller keeps them.
    pub fn put(&self, blobs: &[Vec<u8>]) -> Vec<BlobRef> {
        let store = &self.running.as_ref().expect("a running agent").store;
        blobs.iter().map(|bytes| store.put_bytes(bytes).expect("room for binaries")).collect()
    }

    /// Returns how much of a blob is durable here; nothing while the agent is down.
    pub fn held(&self, blob: BlobRef) -> u64 {
        self.running.as_ref().map_or(0, |running| running.store.held_bytes(blob).expect("a sound store"))
    }

    /// Returns the plain bytes that all migrations from here have sent since the agent started.
    pub fn sent(&self) -> u64 {
        let views = self.running.as_ref().map(|running| running.engine.migrations());
        views.into_iter().flatten().map(|view| view.bytes.sent).sum()
    }

    /// Looks at what the journal amounts to, if the agent runs.
    pub fn ledger<R>(&self, look: impl FnOnce(&Ledger) -> R) -> Option<R> {
        self.running.as_ref().map(|running| running.journal.ledger(look))
    }

    /// Returns what is unfinished here, in words.
    pub fn unfinished(&self) -> String {
        let Some(running) = &self.running else { return format!("host {} is down\n", self.index) };
        let views = running.engine.migrations().into_iter().filter(|view| view.ended_ms.is_none());
        views.fold(String::new(), |text, view| {
            text + &format!(
                "host {}: {} {}, {}, waiting: {:?}\n",
                self.index, view.mid, view.state, view.note, view.waiting
            )
        })
    }

    pub fn is_at_rest(&self) -> bool {
        self.ledger(|ledger| ledger.last_records().all(|(_, last)| LastRecord::is_at_rest(last))).unwrap_or(false)
    }
}
