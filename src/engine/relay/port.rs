//! The gateway's port: what a gateway is asked by a source controller is asked of the migration's task, and of the peer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use modelferry_protocol::codec::Bytes;
use modelferry_protocol::ids::{MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::LastRecord as Recorded;
use modelferry_protocol::snapshot::{Arguments, Call, Params, Reply};
use modelferry_protocol::stream::{Open, StreamPurpose};
use modelferry_protocol::switch::Profile;
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::log::RelayedLog;
use crate::controller::checks::pair::Shown;
use crate::controller::gateway::{
    Admission, Destination, MigrationPhase, Relay, RelayError, RelayedMigration, Visitor,
};
use crate::controller::master::log::PieceWriter;
use crate::controller::port::{Duplex, MigrationRef, Said, VerbatimCall};
use crate::engine::base::error::{EngineError, causes};
use crate::engine::migration::mailbox::event::Event;
use crate::engine::migration::mailbox::master_request::{Answered, MasterRequest, WaitingCall};
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;
use crate::engine::switchover::source::at_rest;
use crate::engine::view::GatewayUseView;
use crate::juju::logstream::LogWriter;
use crate::juju::params::admin::{HostPort, LoginResult};
use crate::juju::rpc::RpcError;
use crate::juju::tls::{last_certificate, pem_of};

/// How long a call waits for the link as long as nothing has begun: a person waits for `juju migrate`.
const BEFORE_FREEZE: Duration = Duration::from_secs(60);
/// Pause between two looks for whoever answers a call.
const LOOK: Duration = Duration::from_millis(200);

/// What a gateway to one peer asks. Clones are the same.
#[derive(Clone)]
pub struct PeerRelay {
    engine: Engine,
    /// The peer's name.
    peer: String,
}

impl Engine {
    /// Returns what the gateway to a peer asks.
    pub fn relay_to(&self, peer: &str) -> PeerRelay {
        PeerRelay { engine: self.clone(), peer: peer.to_owned() }
    }

    /// Asks the controller beside a peer for what a gateway must know to pose as it, and keeps that.
    ///
    /// Errors: why that is not known.
    pub(in crate::engine) async fn learn_destination(&self, peer: &str) -> Result<(), String> {
        let core = &self.0;
        let Some(relayed) = &core.parts.relayed else { return Ok(()) };
        let reach = self.reach(peer).await.map_err(|error| causes(&error))?;
        let (pin, card) = (reach.peer.pin, reach.conversation.session.hello().controller.clone());
        let mut login: LoginResult = serde_json::from_value(self.told(peer, "Admin", 3, "Login").await?)
            .map_err(|error| format!("its login cannot be read: {error}"))?;
        if login.servers.iter().all(Vec::is_empty) {
            login.servers = vec![card.addresses.iter().filter_map(|address| HostPort::read(address)).collect()];
        }
        let version = login.facades.iter().find(|facade| facade.name == "Controller");
        let version = version.and_then(|facade| facade.versions.iter().max()).copied().unwrap_or(11);
        let config = self.told(peer, "Controller", version, "ControllerConfig").await.unwrap_or_default();
        let admission = admission_of(&config["config"]);
        let route_shown = relayed.gateway(peer).is_some_and(|gateway| gateway.route_shown);
        let image_repo = config["config"]["caas-image-repo"].as_str().map(str::to_owned);
        // One that tells its configuration and no registry has Juju's own.
        let image_repo = image_repo.or_else(|| config["config"].is_object().then(String::new));
        let told = Destination { login, ca_cert: pem_of(&card.ca_cert), admission, route_shown, image_repo };
        if relayed.destinations.get(pin).as_deref() == Some(&told) {
            return Ok(());
        }
        let core = core.clone();
        let kept = Core::blocking(move || match &core.parts.relayed {
            Some(relayed) => relayed.destinations.keep(pin, told),
            None => Ok(()),
        });
        kept.await.map_err(|error| format!("what its controller is cannot be kept: {error}"))
    }

    /// Returns which certificate each gateway shows, with its peer.
    pub fn gateways_shown(&self) -> Vec<(String, Shown)> {
        let core = &self.0;
        let Some(relayed) = &core.parts.relayed else { return Vec::new() };
        let shown = relayed.gateways.iter().map(|gateway| {
            let peer = core.parts.link.peer(&gateway.peer);
            let known = peer.and_then(|peer| relayed.destinations.get(peer.pin)).map(|known| known.ca_cert.clone());
            // Until the destination has told its CA, the one that stands behind the certificate is believed.
            let behind = || gateway.signed.as_deref().and_then(|chain| last_certificate(chain).ok());
            let ca = known.or_else(behind).unwrap_or_default();
            (gateway.peer.clone(), gateway.shown(&ca, core.clock_ms() / 1000))
        });
        shown.collect()
    }

    /// Returns who has come by the gateway for a migration's model; nothing for a migration that used none.
    pub async fn gateway_use(&self, mid: MigrationId) -> Option<GatewayUseView> {
        let last = self.0.parts.journal.ledger(|ledger| ledger.last_record(mid).cloned());
        let Some(Recorded::Source(record)) = last else { return None };
        if record.head.profile != Profile::Gateway {
            return None;
        }
        let visitors = self.0.parts.relayed.as_ref()?.visitors.clone();
        Some(GatewayUseView::of(Core::blocking(move || visitors.of(mid)).await))
    }

    async fn told(&self, peer: &str, facade: &str, version: u32, method: &str) -> Result<Value, String> {
        let call = VerbatimCall {
            model: ModelUuid::default(),
            facade: facade.to_owned(),
            version,
            method: method.to_owned(),
            params: b"{}".to_vec(),
        };
        match self.relay(peer, call).await.map_err(|error| causes(&error))? {
            Said::Response(json) => serde_json::from_slice(&json).map_err(|error| error.to_string()),
            Said::Error(json) => Err(String::from_utf8_lossy(&json).into_owned()),
        }
    }

    /// Keeps what is known of the controllers that gateways pose as, for as long as the engine lives.
    pub(in crate::engine) async fn keep_learning(self) {
        let Some(relayed) = &self.0.parts.relayed else { return };
        tokio::spawn(relayed.visitors.clone().keep());
        for gateway in &relayed.gateways {
            let (engine, peer) = (self.clone(), gateway.peer.clone());
            tokio::spawn(async move {
                let Some(pin) = engine.0.parts.link.peer(&peer).map(|peer| peer.pin) else { return };
                let mut conversation = engine.0.peer(pin);
                loop {
                    if conversation.borrow_and_update().is_some()
                        && let Err(why) = engine.learn_destination(&peer).await
                    {
                        tracing::warn!(peer, "the gateway does not know the destination as it is now: {why}");
                    }
                    if conversation.changed().await.is_err() {
                        return;
                    }
                }
            });
        }
    }
}

/// Reads how fast a controller admits agents.
fn admission_of(config: &Value) -> Admission {
    let default = Admission::default();
    let burst = config["agent-ratelimit-max"].as_u64().and_then(|burst| u32::try_from(burst).ok());
    let every = config["agent-ratelimit-rate"].as_str().and_then(|text| crate::config::parse_duration(text).ok());
    Admission { burst: burst.unwrap_or(default.burst), every: every.unwrap_or(default.every) }
}

impl PeerRelay {
    fn core(&self) -> &Arc<Core> {
        &self.engine.0
    }

    fn pin(&self) -> Option<Pin> {
        self.core().parts.link.peer(&self.peer).map(|peer| peer.pin)
    }

    fn record(&self, mid: MigrationId) -> Option<SourceRecord> {
        let last = self.core().parts.journal.ledger(|ledger| ledger.last_record(mid).cloned());
        match last {
            Some(Recorded::Source(record)) => Some(record),
            _ => None,
        }
    }

    /// Asks the migration's task, and waits for its answer.
    async fn ask(&self, migration_ref: MigrationRef, call: MasterRequest) -> Answered {
        loop {
            let Some(record) = self.record(migration_ref.mid) else {
                return Err(RelayError::Ended("no such migration".to_owned()));
            };
            if record.is_at_rest() {
                return at_rest(&record, &call);
            }
            let mailbox = self.core().tracked(migration_ref.mid).and_then(|tracked| tracked.mailbox());
            if let Some(mailbox) = mailbox {
                let (reply, answer) = oneshot::channel();
                let waiting = WaitingCall { call: call.clone(), reply };
                if mailbox.send(Event::Called(waiting)).await.is_ok()
                    && let Ok(answer) = answer.await
                {
                    return answer;
                }
            }
            // The task begins, has come to its end, or stands still: its record is looked at again.
            sleep(LOOK).await;
        }
    }

    /// Makes a call at the destination, and waits for the link for as long as the module of the port says.
    async fn passed_on(&self, migration_ref: MigrationRef, call: VerbatimCall) -> Result<Said, RelayError> {
        let begun = Instant::now();
        loop {
            let Some(record) = self.record(migration_ref.mid) else {
                return Err(RelayError::Ended("no such migration".to_owned()));
            };
            if let SourceState::Aborted(cause) = &record.state {
                return Err(RelayError::Ended(format!("the migration was aborted: {}", &**cause)));
            }
            let failure = match self.engine.relay(&self.peer, call.clone()).await {
                Ok(said) => return Ok(said),
                Err(error @ (EngineError::PeerDown { .. } | EngineError::Unanswered(_))) => causes(&error),
                Err(error) => return Err(RelayError::Unreachable(causes(&error))),
            };
            let is_begun = self.core().tracked(migration_ref.mid).is_some_and(|tracked| tracked.is_begun());
            if !is_begun && begun.elapsed() >= BEFORE_FREEZE {
                let text = format!("{failure}; nothing has begun: see `modelferry peers`, and migrate again");
                return Err(RelayError::Unreachable(text));
            }
            self.until_connected().await;
        }
    }

    async fn until_connected(&self) {
        let Some(pin) = self.pin() else { return sleep(LOOK).await };
        let mut conversation = self.core().peer(pin);
        let connected = conversation.wait_for(Option::is_some);
        // The migration may end meanwhile.
        let _ = timeout(Duration::from_secs(1), connected).await;
        sleep(LOOK).await;
    }
}

#[async_trait]
impl Relay for PeerRelay {
    fn destination(&self) -> Option<Arc<Destination>> {
        self.core().parts.relayed.as_ref()?.destinations.get(self.pin()?)
    }

    fn migrations(&self) -> Vec<RelayedMigration> {
        let Some(pin) = self.pin() else { return Vec::new() };
        let core = self.core();
        let ours = |record: &SourceRecord| {
            record.head.profile == Profile::Gateway && record.head.peer == pin && record.state != SourceState::Offered
        };
        let mut known: Vec<SourceRecord> = core.parts.journal.ledger(|ledger| {
            let of_source = |(_, last): (MigrationId, &Recorded)| match last {
                Recorded::Source(record) if ours(record) => Some(record.clone()),
                Recorded::Source(_) | Recorded::Target(_) => None,
            };
            ledger.last_records().filter_map(of_source).collect()
        });
        // The last of each model comes last.
        let began =
            |record: &SourceRecord| core.tracked(record.head.mid).map_or(0, |tracked| tracked.view().started_ms);
        known.sort_by_cached_key(began);
        let mut last: BTreeMap<ModelUuid, SourceRecord> = BTreeMap::new();
        for record in known {
            last.insert(record.head.model, record);
        }
        let relayed = |record: SourceRecord| RelayedMigration {
            migration_ref: MigrationRef { mid: record.head.mid, model: record.head.model },
            secret: core.gateway_secret(record.head.mid),
            phase: match record.state {
                SourceState::Handed(_) | SourceState::Moved(_) => MigrationPhase::Moved,
                // Of one that this side has given up the controller learns by its next call. Until then its agents are answered
                // as if it ran, so that they report and that call comes.
                _ => MigrationPhase::Running,
            },
        };
        last.into_values().map(relayed).collect()
    }

    async fn call(&self, migration_ref: MigrationRef, call: VerbatimCall) -> Result<Said, RelayError> {
        self.passed_on(migration_ref, call).await
    }

    async fn prechecks(&self, migration_ref: MigrationRef, call: VerbatimCall) -> Result<Said, RelayError> {
        self.passed_on(migration_ref, call).await
    }

    async fn import(&self, migration_ref: MigrationRef, import: &Call) -> Result<Reply, RelayError> {
        self.ask(migration_ref, MasterRequest::Import(import.clone())).await
    }

    async fn upload(&self, migration_ref: MigrationRef, upload: &Call) -> Result<(), RelayError> {
        self.ask(migration_ref, MasterRequest::Upload(upload.clone())).await.map(drop)
    }

    async fn seal(&self, migration_ref: MigrationRef) -> Result<(), RelayError> {
        self.ask(migration_ref, MasterRequest::Seal).await.map(drop)
    }

    async fn staged(&self, migration_ref: MigrationRef) -> Result<(), RelayError> {
        self.ask(migration_ref, MasterRequest::Staged).await.map(drop)
    }

    async fn check_machines(&self, migration_ref: MigrationRef, params: Params) -> Result<Reply, RelayError> {
        self.ask(migration_ref, MasterRequest::CheckMachines(params)).await
    }

    async fn activate(&self, migration_ref: MigrationRef, arguments: Arguments) -> Result<(), RelayError> {
        self.ask(migration_ref, MasterRequest::Activate(arguments)).await.map(drop)
    }

    async fn adopt(&self, migration_ref: MigrationRef, params: Params) -> Result<Reply, RelayError> {
        self.ask(migration_ref, MasterRequest::Adopt(params)).await
    }

    async fn latest_log_time(&self, migration_ref: MigrationRef) -> Result<u64, RelayError> {
        self.ask(migration_ref, MasterRequest::Log).await?;
        RelayedLog::of(self.core().clone(), migration_ref).latest().await
    }

    async fn open_log(&self, migration_ref: MigrationRef) -> Result<Box<dyn LogWriter>, RelayError> {
        self.ask(migration_ref, MasterRequest::Log).await?;
        Ok(Box::new(PieceWriter::new(RelayedLog::of(self.core().clone(), migration_ref))))
    }

    async fn abort(&self, migration_ref: MigrationRef) -> Result<(), RelayError> {
        self.ask(migration_ref, MasterRequest::Abort).await.map(drop)
    }

    fn came(&self, migration_ref: MigrationRef, visitor: &Visitor) {
        if let Some(relayed) = &self.core().parts.relayed {
            relayed.visitors.came(migration_ref.mid, visitor, self.core().clock_ms());
        }
    }

    fn left(&self, migration_ref: MigrationRef, visitor: &Visitor) {
        if let Some(relayed) = &self.core().parts.relayed {
            relayed.visitors.left(migration_ref.mid, visitor, self.core().clock_ms());
        }
    }

    async fn connect(&self, migration_ref: MigrationRef) -> Result<Box<dyn Duplex>, RelayError> {
        let open = Open {
            purpose: StreamPurpose::Api,
            mid: migration_ref.mid,
            model: migration_ref.model,
            head: Bytes::default(),
        };
        match self.engine.open_stream(&self.peer, open).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(RelayError::Refused(RpcError::plain(causes(&error)))),
        }
    }
}
