//! The daemon: start and stop, control socket, systemd.

mod accounts;
mod answer;
pub mod control;
mod error;
mod inspection;
mod logging;
mod opening;
mod servers;
mod socket;
mod systemd;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use modelferry_protocol::message::Hello;
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::version::{Feature, Versions};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::answer::status_only::StatusOnlyHandler;
use self::answer::{Questions, RequestHandler};
use self::opening::{Opened, Opening, StatusOnly, open};
use self::socket::admission::Admission;
use self::socket::server::Server;
use crate::config::{Config, Environment};
use crate::controller::local::LocalController;
use crate::engine::{Engine, EngineParts, Settings, redo};
use crate::journal::{Journal, Witness};
use crate::link::{Link, LinkConfig, MakeHello};

pub use error::AgentError;

/// How long blocking work may take to end after the agent was told to stop. Nothing is lost with it: what
/// was promised is in the journal, and what is half done is done again.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often systemd's status line is looked at.
const STATUS_INTERVAL: Duration = Duration::from_secs(2);

/// Runs an agent until SIGTERM or SIGINT.
///
/// Errors: [`AgentError`] if it cannot start.
pub fn run(config: Config, environment: &Environment) -> Result<(), AgentError> {
    logging::begin(&config.log_filter, environment.journal_stream);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(AgentError::Process)?;
    let served = runtime.block_on(serve(config));
    runtime.shutdown_timeout(STOP_WITHIN);
    served
}

/// Reports its status and does nothing else, until it is told to stop.
async fn serve_status(only: StatusOnly, listen: String, server: Server, stop: &mut Stop) {
    let StatusOnly { controller, alarm, reason, guard: _guard } = only;
    tracing::error!("this agent does nothing but report its status: {reason}");
    systemd::ready(&format!("status only: {reason}"));
    let watch = async {
        let Some(patience) = systemd::watchdog() else { return std::future::pending::<()>().await };
        let mut tick = tokio::time::interval(patience);
        loop {
            tick.tick().await;
            systemd::alive();
        }
    };
    tokio::select! {
        signal = stop.asked() => tracing::info!(signal, "stopping"),
        never = server.serve(Arc::new(StatusOnlyHandler { controller, listen, alarm, reason })) => match never {},
        () = watch => {}
    }
    systemd::stopping();
}

/// Makes what the link says first on every connection.
fn hello(local: &Arc<dyn LocalController>, journal: &Journal, witness: &Witness) -> MakeHello {
    let (local, journal, witness) = (local.clone(), journal.clone(), witness.clone());
    Arc::new(move |peer| Hello {
        versions: Versions::OWN,
        features: Feature::names(),
        agent: Name::cut(env!("CARGO_PKG_VERSION")),
        journal: journal.id(),
        sequence: journal.sequence(),
        sequence_seen: witness.seen(peer).map_or(0, |seen| seen.sequence),
        controller: local.card(),
    })
}

/// Returns what the link is configured with.
fn link_config(config: &Config, local: &dyn LocalController) -> LinkConfig {
    LinkConfig {
        listen: config.listen,
        own_name: local.card().name.to_string(),
        settings: config.link.clone(),
        ..LinkConfig::default()
    }
}

/// Returns the times and amounts that an engine is configured with.
fn settings(config: &Config) -> Settings {
    Settings {
        commit_freshness: config.migration.commit_freshness,
        parallel_max: config.migration.max_parallel,
        in_doubt_after: config.migration.in_doubt_after,
        patches: config.transfer.patches,
        store: config.store,
        ..Settings::default()
    }
}

async fn serve(config: Config) -> Result<(), AgentError> {
    // Heard from the start: a signal that comes while the journal is replayed ends the agent right after it.
    let mut stop = Stop::new().map_err(AgentError::Process)?;
    let own_uid = rustix::process::geteuid().as_raw();
    let admission = Admission::new(own_uid, config.admin_group.as_deref()).map_err(AgentError::NoSuchGroup)?;
    let state_dir = config.state_dir.clone();
    let server_socket = config.socket.clone();
    let opening = config.clone();
    let opened = tokio::task::spawn_blocking(move || open(&opening));
    let opened = match opened.await {
        Ok(opened) => opened?,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let server = Server::bind(&server_socket, admission)?;
    let Opened { journal, witness, store, embedded, local, identity, peers, memory } = match opened {
        Opening::Whole(opened) => *opened,
        Opening::StatusOnly(only) => {
            serve_status(*only, config.listen.to_string(), server, &mut stop).await;
            return Ok(());
        }
    };
    if let Ok(Some(inventory)) = local.inventory() {
        redo::repeat(&journal, &inventory, &embedded).await;
    }
    let (link, sessions) =
        Link::start(link_config(&config, &*local), identity, peers, hello(&local, &journal, &witness)).await?;
    let handler = Arc::new(RequestHandler {
        embedded: embedded.clone(),
        local: local.clone(),
        link: link.clone(),
        journal: journal.id(),
        state_dir,
        listen: link.local_addr(),
        freeze_max: config.migration.max_freeze,
        engine: OnceLock::new(),
        memory,
    });
    let opened_gateways = servers::gateways::open(&handler.state_dir, &config.gateways).await?;
    let (relayed, gateway_store) = (servers::gateways::source(&handler, &opened_gateways), store.clone());
    let parts = EngineParts {
        journal,
        witness,
        store,
        link: link.clone(),
        reader: local.reader(),
        departure: Arc::new(embedded),
        arrival: local.arrival(),
        relayed,
        query: Arc::new(Questions(handler.clone())),
        settings: settings(&config),
    };
    tokio::spawn(async move { local.tend().await });
    let engine = Engine::start(parts, sessions).await?;
    let _ = handler.engine.set(engine.clone());
    let _gateways = servers::gateways::start(opened_gateways, &engine, &gateway_store)?;
    let api = match &config.embedded.api {
        Some(told) => Some(servers::api::start(told.listen, &handler).await?),
        None => None,
    };

    tracing::info!(listen = %link.local_addr(), socket = %server_socket.display(), "ready");
    systemd::ready(&summary(&engine, &link));
    tokio::select! {
        signal = stop.asked() => tracing::info!(signal, "stopping"),
        never = server.serve(handler) => match never {},
        never = supervise(&engine, &link) => match never {},
    }
    systemd::stopping();
    if let Some(api) = api {
        // What clients wait for for ever, such as the next change of a model, is not waited for.
        let _ = tokio::time::timeout(STOP_WITHIN, api.stop()).await;
    }
    link.shutdown().await;
    Ok(())
}

/// Tells systemd that the agent lives, and what it does.
async fn supervise(engine: &Engine, link: &Link) -> std::convert::Infallible {
    let watchdog = systemd::watchdog();
    let mut tick = tokio::time::interval(watchdog.map_or(STATUS_INTERVAL, |patience| patience.min(STATUS_INTERVAL)));
    let mut told = String::new();
    loop {
        tick.tick().await;
        // An engine that hangs does not come back from this, and systemd then starts the agent anew.
        let now = summary(engine, link);
        if watchdog.is_some() {
            systemd::alive();
        }
        if now != told {
            systemd::status(&now);
            told = now;
        }
    }
}

/// Returns what the agent does, in a line.
fn summary(engine: &Engine, link: &Link) -> String {
    let peers = link.peers();
    let connected = peers.iter().filter(|peer| link.watch(peer.pin).borrow().session().is_some()).count();
    let unfinished = engine.migrations().iter().filter(|view| view.moves() && view.ended_ms.is_none()).count();
    format!("{connected} of {} peers connected, {unfinished} migrations under way", peers.len())
}

/// The two ways to ask an agent to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits until somebody asks, and tells how.
    async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
