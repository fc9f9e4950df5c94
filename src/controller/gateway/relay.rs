//! What the gateway asks of the agent: the port between a server of Juju's API and a migration over the link.
//!
//! **Who calls.** The gateway alone: for the source's migration master, and for agents of the model. A migration master opens
//! a new connection in each phase, perhaps from another controller node, and makes any call again after a crash of its own.
//! So every method may be called again, also at the same time, and answers again as it did; whatever it needs for that is durable.
//!
//! **Dropped futures.** The caller may leave at any await. What was begun goes on; only the answer is lost. A repeated call joins
//! what is under way. It never begins it a second time: above all, `Import` reaches the destination's controller once.
//!
//! **How long a call is held.** While the link is down a call waits, as the source's client has no time limit of its own.
//! Before the model is frozen it waits at most 60 s, as a person waits for `juju migrate`: then [`RelayError::Unreachable`]; nothing
//! has begun. From then on it waits until the migration's freeze budget is spent: then [`RelayError::Ended`], so that the source
//! aborts with nobody awake. After `Answered` nothing is given up: calls wait for as long as it takes. Methods that are
//! not async answer at once from memory, with the link down as well, and from the start on: a source controller waits 3 s for
//! a connection.
//!
//! **What errors mean.** The gateway passes their text to the caller and decides nothing by them. An error of a call in QUIESCE or
//! IMPORT, or of `Activate`, makes the source abort. The gateway turns every error of [`Relay::check_machines`] into a *result*:
//! an error there makes a source ask for ever.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use modelferry_protocol::ids::{Hash, ModelUuid};
use modelferry_protocol::snapshot::{Arguments, Call, Params, Reply};
use serde::{Deserialize, Serialize};

use super::Secret;
use crate::controller::port::{Duplex, MigrationRef, Said, VerbatimCall};
use crate::juju::logstream::LogWriter;
use crate::juju::params::admin::{HostPort, LoginResult};
use crate::juju::rpc::RpcError;

/// What the gateway knows of the controller that it poses as. Kept durably, so that a login is answered with the link down.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Destination {
    /// What the destination's controller replied to the last login of its agent, on a connection without a model: its tag, its
    /// version, its facades. The gateway gives the facades on unchanged, so that source and destination agree on the versions
    /// that they would directly. `servers` are the addresses that agents and users are sent to.
    pub login: LoginResult,
    /// The controller's CA certificate, PEM.
    pub ca_cert: String,
    /// How fast the controller admits agents.
    pub admission: Admission,
    /// Whether it is known that the model's machines reach the controller's API: somebody has tried it, or says so. Agents before
    /// 3.6.9, which follow no redirect, are let through on that condition alone.
    pub route_shown: bool,
    /// Where the controller has images of agents from, `caas-image-repo`: empty for Juju's own; nothing if it has not told.
    pub image_repo: Option<String>,
}

impl Destination {
    /// Returns the controller's addresses that mean something on other hosts, in the groups in which it told them.
    pub fn servers_elsewhere(&self) -> Vec<Vec<HostPort>> {
        let loops = |host: &str| host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let groups = self.login.servers.iter();
        let groups = groups.map(|group| group.iter().filter(|at| !loops(&at.value)).cloned().collect::<Vec<_>>());
        groups.filter(|group| !group.is_empty()).collect()
    }
}

/// How many agents a controller lets log in: `agent-ratelimit-max` and `agent-ratelimit-rate` of its configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Logins at once; 0 for no limit.
    pub burst: u32,
    /// Time after which one more is let in.
    pub every: Duration,
}

/// Juju's own defaults.
impl Default for Admission {
    fn default() -> Self {
        Self { burst: 10, every: Duration::from_millis(250) }
    }
}

/// How a migration stands, as far as the gateway treats its callers differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationPhase {
    /// It runs, from before `InitiateMigration` on.
    Running,
    /// It was aborted. The master's `Abort` is answered, every other call fails.
    Aborted,
    /// The model is live at the destination, for good: states `Handed` and `Moved`. Users are sent there.
    Moved,
}

/// A migration that the gateway is asked about.
#[derive(Debug, Clone)]
pub struct RelayedMigration {
    /// The migration and its model.
    pub migration_ref: MigrationRef,
    /// What its master logs in with. Journalled before `InitiateMigration` is sent.
    pub secret: Secret,
    /// How it stands.
    pub phase: MigrationPhase,
}

/// What became of somebody who came by the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It was sent to the destination.
    Redirected,
    /// Its connection is, or was, carried to the destination.
    Carried,
}

/// Somebody who came by the gateway: an agent of the model, a user, or a consumer of its offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// Its tag: `machine-0`, `user-bob`; `user-jujuanonymous` for a consumer of offers.
    pub who: String,
    /// The host that it came from.
    pub from: String,
    /// What became of it.
    pub way: Way,
}

/// A call that is not answered as the destination would.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RelayError {
    /// The destination's controller says no, for good. The caller is told exactly this, with its code.
    #[error("{0}")]
    Refused(RpcError),
    /// Something that came before has come again with other bytes.
    #[error("{what} came before with BLAKE3 {held}, and now comes with {sent}; the destination has the first")]
    OtherBytes {
        /// What it is: `charm ch:amd64/postgresql-843`, `the model description`.
        what: String,
        /// The bytes that came first.
        held: Hash,
        /// The bytes that came now.
        sent: Hash,
    },
    /// The destination cannot be asked, and nothing has begun. The text names the peer and says since when.
    #[error("{0}")]
    Unreachable(String),
    /// The migration takes nothing more in: it has ended, its set is sealed, or its freeze budget is spent. The text says which.
    #[error("{0}")]
    Ended(String),
    /// This agent's own disk failed.
    #[error("this agent's storage failed: {0}")]
    Storage(String),
}

/// The agent, as the gateway of one destination asks it.
///
/// The order of a migration that succeeds: [`call`](Self::call) and [`prechecks`](Self::prechecks) for `InitiateMigration`,
/// `prechecks` twice in QUIESCE, [`import`](Self::import), [`upload`](Self::upload)s, [`seal`](Self::seal),
/// [`staged`](Self::staged), [`check_machines`](Self::check_machines), [`activate`](Self::activate), [`adopt`](Self::adopt),
/// [`latest_log_time`](Self::latest_log_time), [`open_log`](Self::open_log). [`abort`](Self::abort) may come at any moment.
#[async_trait]
pub trait Relay: Send + Sync + 'static {
    /// Returns what is known of the destination; nothing until its agent has told it once.
    fn destination(&self) -> Option<Arc<Destination>>;

    /// Returns every migration to this destination that is unfinished, and of every model the last one that has ended.
    fn migrations(&self) -> Vec<RelayedMigration>;

    /// Makes a call at the destination's controller that nobody here has to understand, and returns what it said:
    /// `UserManager.UserInfo`, `Controller.IdentityProviderURL`, `MigrationTarget.CACert`, and calls that are not known.
    ///
    /// Never one that changes the owner, and none of which a second one does harm. With the link down: held, as the module says.
    async fn call(&self, migration: MigrationRef, call: VerbatimCall) -> Result<Said, RelayError>;

    /// Passes a `MigrationTarget.Prechecks` on, as [`Relay::call`] does.
    ///
    /// It has a method of its own because the freeze budget counts from the last one before [`Relay::import`]: the master
    /// makes it when the model's agents have stopped working.
    async fn prechecks(&self, migration: MigrationRef, call: VerbatimCall) -> Result<Said, RelayError>;

    /// Imports the model: [`Call::Import`], or [`Call::ImportOpaque`] of kind `juju/8`. The blob is in the agent's store,
    /// durable, and leased until this returns.
    ///
    /// The relay journals `Relaying`, sends the call to the destination at once, and returns what its controller replied.
    /// The same call again: the same answer, also after a crash, and without a second import. With another blob:
    /// [`RelayError::OtherBytes`]. A failure is durable: after one the destination's copy is never activated.
    /// Link down: held, and the import is sent when the link is back.
    async fn import(&self, migration: MigrationRef, import: &Call) -> Result<Reply, RelayError>;

    /// Takes a binary: [`Call::UploadCharm`], [`Call::UploadAgentBinary`] or [`Call::UploadResource`], with the name or query that
    /// the master wrote. The blob is in the agent's store, durable, and leased until this returns.
    ///
    /// Returns once the upload is durably part of the migration's set, without waiting for the link; the destination performs it
    /// as soon as it can. Bytes that were copied ahead are known by their hash, and are not sent. The same again: ok. Other bytes
    /// for the same binary: [`RelayError::OtherBytes`]. If the destination has refused an earlier call of this migration, that
    /// refusal is the answer to the next upload: [`RelayError::Refused`].
    async fn upload(&self, migration: MigrationRef, upload: &Call) -> Result<(), RelayError>;

    /// Fixes the set: nothing is imported or uploaded after it. Durable when it returns, and without waiting for the link.
    ///
    /// The gateway calls it when the connection that carried the import has closed, and an agent of the model logs in or the
    /// master calls `CheckMachines`. Again: ok. Errors: [`RelayError::Ended`] while nothing has been imported, so that nobody
    /// seals an empty set.
    async fn seal(&self, migration: MigrationRef) -> Result<(), RelayError>;

    /// Waits until the destination holds the whole sealed set: from then on an agent of the model may log in there.
    ///
    /// Errors: [`RelayError::Refused`] if the staging has failed, with the destination's reason. The gateway then lets agents
    /// report success, so that the reason reaches the master by `CheckMachines`.
    async fn staged(&self, migration: MigrationRef) -> Result<(), RelayError>;

    /// Returns the destination's reply to `CheckMachines`, JSON, once everything is staged.
    async fn check_machines(&self, migration: MigrationRef, params: Params) -> Result<Reply, RelayError>;

    /// Promises the source that the destination will take the model, and returns once it may be told so.
    ///
    /// The relay asks for the vote again on a link that is proven alive, journals `Answered` with `arguments`, and returns. The call
    /// is NOT passed on: the destination activates after the source has shown SUCCESS. Again, in `Answered`, `Committed` and
    /// `Handed`: ok. Held without a limit of its own; before `Answered` the freeze budget ends it.
    async fn activate(&self, migration: MigrationRef, arguments: Arguments) -> Result<(), RelayError>;

    /// Takes `AdoptResources`, which proves that the source is at SUCCESS: journals `Committed` with `params`, waits until the
    /// destination has activated and adopted, journals `Handed`, and returns what `AdoptResources` returned there.
    ///
    /// Again: the same answer. The relay repeats a failing adoption at the destination by itself and goes on waiting: an error here
    /// makes the source wait for all its agents again. So the only errors are those of a migration that was aborted.
    async fn adopt(&self, migration: MigrationRef, params: Params) -> Result<Reply, RelayError>;

    /// Returns the time of the last log line that is durable in this agent, Unix milliseconds; 0 for none. It proves SUCCESS, as
    /// [`Relay::adopt`] does.
    ///
    /// A master that was restarted sends what is later than this. It answers from the journal, and waits for no link.
    async fn latest_log_time(&self, migration: MigrationRef) -> Result<u64, RelayError>;

    /// Opens the log that follows the model. It proves SUCCESS, as [`Relay::adopt`] does.
    ///
    /// The writer keeps lines on this agent's disk while the link is down, up to 64 MiB; then it makes the master wait. The master
    /// ends the stream without a word: lines that were written before [`LogWriter::finish`] are kept, also if it never comes.
    async fn open_log(&self, migration: MigrationRef) -> Result<Box<dyn LogWriter>, RelayError>;

    /// Takes the master's `Abort`: journals `Aborted` and returns, without waiting for the destination, which is told when it can
    /// be. Again: ok. In `Committed` and `Handed`: [`RelayError::Ended`], and an alarm.
    async fn abort(&self, migration: MigrationRef) -> Result<(), RelayError>;

    /// Opens a connection to the API port of the destination's controller: TLS ends at the destination's agent, so that what is
    /// written here is HTTP/1.1. For agents that follow no redirect, and for users and consumers who reach this host alone.
    ///
    /// Such a connection is no proof that anything else reaches the destination.
    async fn connect(&self, migration: MigrationRef) -> Result<Box<dyn Duplex>, RelayError>;

    /// Returns the model of a migration that the gateway knows, if `model` has one: the unfinished one, else the last.
    fn migration_of(&self, model: ModelUuid) -> Option<RelayedMigration> {
        let mut known: Vec<_> =
            self.migrations().into_iter().filter(|known| known.migration_ref.model == model).collect();
        let running = known.iter().position(|known| known.phase == MigrationPhase::Running);
        running.map(|at| known.swap_remove(at)).or_else(|| known.pop())
    }

    /// Notes who has come for the model, so that an operator sees who still needs the gateway.
    fn came(&self, migration: MigrationRef, visitor: &Visitor);

    /// Notes that a connection which was carried has ended.
    fn left(&self, migration: MigrationRef, visitor: &Visitor);
}
