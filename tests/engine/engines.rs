//! An engine that can be started, stopped, and started again on the same state.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use modelferry::config::Patches;
use modelferry::controller::port::{Arrival, Relayed};
use modelferry::disk::Disk;
use modelferry::engine::view::{MigrationView, Stand};
use modelferry::engine::{
    Destinations, Engine, EngineParts, GatewayAddress, MigrateOptions, QueryHandler, RelayedSource, Settings, Visitors,
    packed,
};
use modelferry::journal::{Journal, JournalError, Witness};
use modelferry::link::{Identity, Link, LinkConfig, Peers};
use modelferry::store::Store;
use modelferry_protocol::ids::{MigrationId, Pin};
use modelferry_protocol::message::{ControllerCard, Hello};
use modelferry_protocol::snapshot::{BlobRef, Name};
use modelferry_protocol::version::{Feature, Versions};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::controller::{FakePort, Held, MODEL};
use super::memory_controller::MemoryController;

/// Generous: nothing is claimed about time here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Answers peers' questions by repeating them, and counts them.
pub struct Queries {
    asked: AtomicU64,
    held: watch::Sender<bool>,
}

impl Queries {
    /// Answers nothing from now on.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Answers everything.
    pub fn answer(&self) {
        self.held.send_replace(false);
    }

    /// How many questions have come.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl QueryHandler for Queries {
    async fn answer(&self, _: Pin, json: &str) -> Vec<u8> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.held.subscribe().wait_for(|held| !held).await.unwrap();
        packed::pack(&format!("{{\"heard\":{json}}}"))
    }
}

/// A host: its state, its controller, which outlives the agent, and its agent while it runs.
pub struct Host {
    pub name: &'static str,
    pub dir: tempfile::TempDir,
    pub controller: MemoryController,
    pub settings: Settings,
    pub queries: Arc<Queries>,
    listen: SocketAddr,
    /// Another controller as a target than the one in memory, if there is one.
    arrival: Option<Arc<dyn Arrival>>,
    /// A controller that drives its migrations by itself, as the source, if there is one.
    relayed: Option<Arc<dyn Relayed>>,
    store: Store,
    /// Whether its agent runs apart from the tests' own tasks, so that it can be killed.
    is_apart: bool,
    apart: Option<Runtime>,
    running: Option<(Engine, Link)>,
}

impl Host {
    pub async fn start(name: &'static str) -> Self {
        Self::start_with(name, Patches::Off).await
    }

    async fn start_with(name: &'static str, patches: Patches) -> Self {
        Self::start_on(name, patches, Disk::real()).await
    }

    /// A host whose store is on such a disk.
    async fn start_on(name: &'static str, patches: Patches, disk: Disk) -> Self {
        Self::start_at(name, patches, disk, None, None).await
    }

    /// A host with such a controller as a target.
    pub async fn start_beside(name: &'static str, arrival: Arc<dyn Arrival>) -> Self {
        Self::start_at(name, Patches::Off, Disk::real(), Some(arrival), None).await
    }

    /// A host that can be killed; with a controller that drives its migrations by itself, if one is given, and a gateway to
    /// "dst".
    pub async fn start_apart(name: &'static str, relayed: Option<Arc<dyn Relayed>>) -> Self {
        Self::start_at(name, Patches::Off, Disk::real(), None, Some(relayed)).await
    }

    /// A host that can be killed, whose store is on such a disk, of which so many bytes are kept free.
    #[allow(dead_code, reason = "the tests of hostile peers use it")]
    pub async fn start_apart_on(name: &'static str, disk: Disk, disk_reserve_bytes: u64) -> Self {
        let mut host = Self::start_at(name, Patches::Off, disk, None, Some(None)).await;
        host.settings.disk_reserve_bytes = disk_reserve_bytes;
        host.restart().await;
        host
    }

    /// `apart`: for a host that can be killed, its controller that drives its migrations, if it is one.
    async fn start_at(
        name: &'static str,
        patches: Patches,
        disk: Disk,
        arrival: Option<Arc<dyn Arrival>>,
        apart: Option<Option<Arc<dyn Relayed>>>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // One store for the life of the host: the controller's binaries are in it too.
        let store = Store::open(dir.path(), disk).unwrap();
        let controller = MemoryController::new(store.clone());
        let settings = Settings { disk_reserve_bytes: 0, patches, ..Settings::default() };
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let queries = Arc::new(Queries { asked: AtomicU64::new(0), held: watch::Sender::new(false) });
        let (is_apart, relayed) = (apart.is_some(), apart.flatten());
        let running = None;
        let mut host = Self {
            name,
            dir,
            controller,
            settings,
            queries,
            listen,
            arrival,
            relayed,
            store,
            is_apart,
            apart: None,
            running,
        };
        host.restart().await;
        host
    }

    /// Ends the agent as a kill does, if it runs apart.
    pub fn stop(&mut self) {
        self.running = None;
        if let Some(runtime) = self.apart.take() {
            runtime.shutdown_background();
        }
    }

    /// Starts the agent on the state that is there.
    pub async fn restart(&mut self) {
        self.stop();
        let starting = self.begin();
        let (engine, link) = match self.is_apart {
            false => starting.await,
            true => {
                let runtime =
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
                let begun = runtime.spawn(starting).await.unwrap();
                self.apart = Some(runtime);
                begun
            }
        };
        self.listen = link.local_addr();
        self.running = Some((engine, link));
    }

    /// Runs something in the agent's own process.
    pub async fn inside<T: Send + 'static>(&self, what: impl Future<Output = T> + Send + 'static) -> T {
        match &self.apart {
            Some(runtime) => runtime.spawn(what).await.unwrap(),
            None => what.await,
        }
    }

    fn begin(&self) -> impl Future<Output = (Engine, Link)> + Send + use<> {
        let (path, name, listen, settings) = (self.dir.path().to_owned(), self.name, self.listen, self.settings);
        let (controller, arrival, relayed) = (self.controller.clone(), self.arrival.clone(), self.relayed.clone());
        let (store, queries) = (self.store.clone(), self.queries.clone());
        async move { begin(&path, name, listen, settings, controller, arrival, relayed, store, queries).await }
    }

    pub fn engine(&self) -> &Engine {
        &self.running.as_ref().expect("a running agent").0
    }

    pub fn held(&self) -> Held {
        self.controller.inner().site.held
    }

    /// Gives the model here a log of so many pieces.
    pub fn log(&self, pieces: u64) {
        self.controller.log((1..=pieces).map(|until_ms| (until_ms, format!("{until_ms} line\n").into_bytes())));
    }

    /// The store here.
    pub fn store(&self) -> Store {
        self.store.clone()
    }

    /// Puts a blob into the store here.
    pub fn put(&self, bytes: &[u8]) -> BlobRef {
        self.store.put_bytes(bytes).unwrap()
    }

    /// The file of a blob here.
    pub fn file_of(&self, blob: BlobRef) -> PathBuf {
        self.dir.path().join("blobs").join(blob.hash.to_string())
    }

    pub fn link(&self) -> &Link {
        &self.running.as_ref().expect("a running agent").1
    }

    pub async fn migrate(&self, to: &str) -> MigrationId {
        let options = Self::options();
        self.migrate_with(to, options).await
    }

    /// What is chosen unless a test chooses otherwise.
    pub fn options() -> MigrateOptions {
        MigrateOptions::new(Duration::from_secs(600))
    }

    pub async fn migrate_with(&self, to: &str, options: MigrateOptions) -> MigrationId {
        let (engine, to) = (self.engine().clone(), to.to_owned());
        let view = self.inside(async move { engine.migrate(MODEL, &to, options, "test").await }).await.unwrap();
        view.mid.parse().unwrap()
    }

    /// Waits until `seen` holds for a migration here.
    pub async fn until(&self, mid: MigrationId, what: &str, seen: impl Fn(&MigrationView) -> bool) -> MigrationView {
        let wait = async {
            loop {
                if let Some(mut watch) = self.engine().watch(mid) {
                    return watch.wait_for(|view| seen(view)).await.unwrap().clone();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(view) => view,
            Err(_) => panic!("{}: {what} did not happen; it stands at {:?}", self.name, self.engine().migration(mid)),
        }
    }

    pub async fn ends(&self, mid: MigrationId, stand: Stand) -> MigrationView {
        let view = self.until(mid, "the end", |view| view.ended_ms.is_some()).await;
        assert_eq!(view.stand, stand, "{view:?}");
        view
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts an agent.
#[expect(clippy::too_many_arguments, reason = "what a host is made of")]
async fn begin(
    path: &Path,
    name: &'static str,
    listen: SocketAddr,
    settings: Settings,
    controller: MemoryController,
    arrival: Option<Arc<dyn Arrival>>,
    relayed: Option<Arc<dyn Relayed>>,
    store: Store,
    queries: Arc<Queries>,
) -> (Engine, Link) {
    let journal = loop {
        match Journal::open(path, Disk::real()) {
            Ok((journal, _)) => break journal,
            // Whoever was killed lets go of it in a moment.
            Err(JournalError::Locked(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(error) => panic!("{error}"),
        }
    };
    let identity = Identity::load_or_create(path, &Disk::real()).unwrap();
    let peers = Peers::load(path, &Disk::real()).unwrap();
    let config = LinkConfig { listen, own_name: name.into(), ..LinkConfig::default() };
    let hello_journal = journal.clone();
    let hello = Arc::new(move |_| Hello {
        versions: Versions::OWN,
        features: Feature::names(),
        agent: Name::cut("test"),
        journal: hello_journal.id(),
        sequence: hello_journal.sequence(),
        sequence_seen: 0,
        controller: ControllerCard { name: Name::cut(name), ..ControllerCard::default() },
    });
    let (link, sessions) = Link::start(config, identity, peers, hello).await.unwrap();
    let port = Arc::new(FakePort(controller));
    let parts = EngineParts {
        journal,
        witness: Witness::load(path, &Disk::real()).unwrap(),
        store,
        link: link.clone(),
        reader: port.clone(),
        departure: port.clone(),
        arrival: arrival.unwrap_or(port),
        relayed: relayed.map(|controller| RelayedSource {
            controller,
            gateways: vec![GatewayAddress {
                peer: "dst".to_owned(),
                addresses: vec!["localhost:17072".to_owned()],
                ca_cert: Some("a CA".to_owned()),
                signed: None,
                route_shown: false,
            }],
            destinations: Destinations::new(path, Disk::real()),
            visitors: Arc::new(Visitors::new(path, Disk::real())),
            freeze_max: Duration::from_secs(1800),
        }),
        query: queries,
        settings,
    };
    (Engine::start(parts, sessions).await.unwrap(), link)
}

/// Pairs another host with the first of a pair, and waits until the two are connected.
pub async fn third(src: &Host, name: &'static str) -> Host {
    let other = Host::start(name).await;
    let (code, _) = src.link().offer(Some(name.into())).await.unwrap();
    other.link().accept(code, &src.link().local_addr().to_string(), Some("src".into())).await.unwrap();
    let asked = async {
        while src.engine().query(name, "{}").await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("the third connects");
    other
}

/// Two hosts, paired and connected, with a model of these binaries on the first.
pub async fn pair(blobs: &[Vec<u8>]) -> (Host, Host) {
    pair_with(blobs, Patches::Off).await
}

/// Likewise, with agents that send patches, or do not.
pub async fn pair_with(blobs: &[Vec<u8>], patches: Patches) -> (Host, Host) {
    pair_each(blobs, [patches, patches]).await
}

/// Likewise, each in its own way.
pub async fn pair_each(blobs: &[Vec<u8>], [ours, theirs]: [Patches; 2]) -> (Host, Host) {
    let (src, dst) = (Host::start_with("src", ours).await, Host::start_with("dst", theirs).await);
    paired(src, dst, blobs).await
}

/// As [`pair`], the store of the second on such a disk.
pub async fn pair_on(blobs: &[Vec<u8>], disk: Disk) -> (Host, Host) {
    let (src, dst) = (Host::start("src").await, Host::start_on("dst", Patches::Off, disk).await);
    paired(src, dst, blobs).await
}

async fn paired(src: Host, dst: Host, blobs: &[Vec<u8>]) -> (Host, Host) {
    let (code, _) = src.link().offer(Some("dst".into())).await.unwrap();
    dst.link().accept(code, &src.link().local_addr().to_string(), Some("src".into())).await.unwrap();
    connected(&src, &dst).await;
    src.controller.hold(blobs);
    (src, dst)
}

/// Waits until each side can ask the other.
pub async fn connected(src: &Host, dst: &Host) {
    for (host, peer) in [(src, "dst"), (dst, "src")] {
        let asked = async {
            while host.engine().query(peer, "{}").await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("the peers connect");
    }
}
