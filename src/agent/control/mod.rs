//! The control socket's protocol: one JSON object per line, each way.
//!
//! A client sends one [`Request`] and reads [`Response`]s: any number of those that say that more follows, then the
//! one that ends it. An agent that works on an answer says every [`ALIVE_EVERY`] that it does. Whoever may connect may read; who may change things is decided by `admission`.

mod backup_ref;
mod failure;
pub mod fd_passing;
mod nearest;
mod orders;
mod resolve_method;
mod response;
mod secret;
pub mod server;
#[cfg(test)]
mod tests;
pub mod view;
pub mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::backup_ref::BackupRef;
pub use self::failure::{Failure, FailureKind, Missing};
pub use self::nearest::nearest;
pub use self::orders::{Order, Schedule};
pub use self::resolve_method::ResolveMethod;
pub use self::response::Response;
pub use self::secret::Secret;

/// Bytes of one request at most, its newline included. 1 MiB: paths and names, never content.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;
/// Bytes of one response at most, its newline included. 16 MiB: a thousand models with their users.
pub const RESPONSE_BYTES_MAX: usize = 16 << 20;

/// How often an agent says that it is at it.
pub const ALIVE_EVERY: Duration = Duration::from_secs(2);
/// Silence after which a client takes the agent to be stuck. Four times as long: a host may be busy.
pub const SILENCE_MAX: Duration = Duration::from_secs(8);

/// Bytes of a socket's path: what Linux's `sockaddr_un` holds, without the zero at its end.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Says that a socket's path is longer than the system takes, if it is.
pub fn too_long(socket: &Path) -> Option<String> {
    let bytes = socket.as_os_str().len();
    (bytes > SOCKET_PATH_BYTES_MAX)
        .then(|| format!("its path has {bytes} bytes, and that of a socket has {SOCKET_PATH_BYTES_MAX} at most"))
}

/// What is asked of an agent. `model` is a name, `owner/name` or a UUID, with `controller:` before it
/// where it may be another agent's. `id` is a migration's, in Juju's form or in ours, or its model's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How is the agent?
    Status {},
    /// Who is the agent?
    Identity {},
    /// Whom is it paired with?
    Peers {},
    /// What may be sent now?
    Limits {},
    /// Which controllers does it know?
    Controllers {},
    /// What is this controller; the agent's own if none is named?
    ShowController {
        /// Its name.
        controller: Option<String>,
    },
    /// Which models has this controller; the agent's own if none is named?
    Models {
        /// Its name.
        controller: Option<String>,
    },
    /// What is this model?
    ShowModel {
        /// The model.
        model: String,
        /// Whether the copy is meant that is held here of a model that has moved.
        #[serde(default)]
        held: bool,
    },
    /// What is inside this model?
    ModelStatus {
        /// The model.
        model: String,
        /// As in [`Request::ShowModel`].
        #[serde(default)]
        held: bool,
    },
    /// Which migrations does the journal know, newest first?
    Migrations {},
    /// How is this migration, and how did it come to that?
    ShowMigration {
        /// The migration.
        id: String,
    },
    /// What has this side decided about the migration, signed?
    ShowProof {
        /// The migration.
        id: String,
    },
    /// Which records has the journal?
    Events {
        /// Begin after the record of this number.
        after: u64,
        /// Whether those to come are told as well.
        follow: bool,
    },
    /// Can the agent do with its controller what a migration needs?
    Doctor {},
    /// Is the journal whole?
    Audit {},
    /// Tell whenever this migration changes, until it is at rest.
    Watch {
        /// The migration.
        id: String,
    },
    /// What would this migration meet?
    Precheck {
        /// The model.
        model: String,
        /// The peer.
        peer: String,
    },
    /// What have these models together, and what of it is with the peer?
    Totals {
        /// The models.
        models: Vec<String>,
        /// The peer.
        peer: String,
    },
    /// Is what this migration brought as it was handed over? Asked of the source, the answer is the target's.
    Verify {
        /// The migration.
        id: String,
    },
    /// What is to be done, now that this migration has moved its model?
    Checklist {
        /// The migration.
        id: String,
    },
    /// What did somebody write to this model?
    EmbeddedGet {
        /// The model.
        model: String,
        /// Which key; all of them if none is named.
        key: Option<String>,
        /// As in [`Request::ShowModel`].
        #[serde(default)]
        held: bool,
    },
    /// Who are the embedded controller's users?
    UserList {},
    /// Which backups are kept here?
    BackupList {},
    /// What is the model in this backup, kept here?
    BackupShow {
        /// Its id, or how that begins.
        id: String,
    },
    /// Is this backup, kept here, what it was?
    BackupVerify {
        /// Its id, or how that begins.
        id: String,
    },

    /// What does the store hold, and for whom?
    Store {
        /// Whether every blob is listed.
        list: bool,
    },
    /// Remove what nobody needs from the store.
    Prune {
        /// For how long nobody may have needed it, seconds; as configured if it is absent.
        older_than_s: Option<u64>,
        /// Whether it is only told what would go.
        dry_run: bool,
    },

    /// Open an offer to pair.
    PairOffer {
        /// What the peer will be called here, if not as it calls itself.
        name: Option<String>,
    },
    /// Complete a pairing that the other side offered.
    PairAccept {
        /// Its code.
        code: String,
        /// Where it is: `HOST` or `HOST:PORT`.
        address: String,
        /// What the peer will be called here, if not as it calls itself.
        name: Option<String>,
    },
    /// Change what may be sent.
    Limit {
        /// To whom; by the whole agent if nobody is named.
        peer: Option<String>,
        /// How much, such as `20mbit`; 0 is a pause, `default` what is configured, any amount if it is absent.
        rate: Option<String>,
    },
    /// Record that the controller's CA has signed a certificate for a gateway.
    NoteSigned {
        /// SHA-256 of the certificate.
        certificate: String,
        /// SHA-256 of the CA.
        ca: String,
        /// Until when it holds, Unix seconds.
        until_s: u64,
    },
    /// Forget a peer.
    Unpair {
        /// The peer.
        peer: String,
    },
    /// Move a model.
    Migrate {
        /// The model.
        model: String,
        /// Where to.
        peer: String,
        /// How long the model may stay frozen, milliseconds.
        freeze_ms_max: Option<u64>,
        /// Whether its log is left behind.
        #[serde(default)]
        skip_log: bool,
        /// How long its copy here is kept afterwards, milliseconds.
        #[serde(default)]
        reap_hold_ms: u64,
        /// When it may be cut over, and how fast it may go.
        #[serde(default)]
        schedule: Schedule,
    },
    /// Copy a live model's bytes ahead of a migration that may come.
    Precopy {
        /// The model.
        model: String,
        /// Where to.
        peer: String,
        /// What may be sent for it, such as `20mbit`; any amount if it is absent.
        bwlimit: Option<String>,
    },
    /// Change what is wanted of a migration whose model is live.
    Order {
        /// The migration.
        id: String,
        /// What.
        order: Order,
    },
    /// Delete the copy of a model that has moved.
    Reap {
        /// The migration.
        id: String,
        /// Whether what is left of its log is given up.
        skip_log: bool,
    },
    /// Give a migration up.
    Abort {
        /// The migration.
        id: String,
    },
    /// End a doubt that the link does not end.
    Resolve {
        /// The migration.
        id: String,
        /// How.
        how: ResolveMethod,
        /// The operator's reason, for the record; may be empty.
        reason: String,
    },
    /// Import a model into the embedded controller.
    EmbeddedImport {
        /// The description, an absolute path; the client hands it over.
        file: PathBuf,
        /// Its binaries, a directory, likewise; none are imported if it is absent.
        blobs: Option<PathBuf>,
    },
    /// Export a model of the embedded controller.
    EmbeddedExport {
        /// The model.
        model: String,
        /// The directory that the files go to, an absolute path; the client makes them.
        dir: PathBuf,
        /// As in [`Request::ShowModel`].
        #[serde(default)]
        held: bool,
    },
    /// Remove a model from the embedded controller.
    EmbeddedRemove {
        /// The model.
        model: String,
    },
    /// Write to a model of the embedded controller.
    EmbeddedSet {
        /// The model.
        model: String,
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Write a model into an archive.
    BackupCreate {
        /// The model.
        model: String,
        /// The archive, an absolute path; the client makes it.
        file: PathBuf,
        /// As in [`Request::ShowModel`].
        #[serde(default)]
        held: bool,
    },
    /// Let a peer keep a copy of a model.
    BackupKeep {
        /// The model.
        model: String,
        /// The peer.
        peer: String,
    },
    /// Take a backup into the embedded controller, as a model.
    BackupRestore {
        /// Which.
        backup: BackupRef,
        /// Whether the controller that it was taken from is known to be lost.
        source_lost: bool,
        /// Which controller is to have it; the embedded one if none is named, and no other can.
        controller: Option<String>,
    },
    /// Keep a backup no longer.
    BackupRemove {
        /// Its id, or how that begins.
        id: String,
    },
    /// Add a user to the embedded controller.
    UserAdd {
        /// The user.
        user: String,
        /// The access level.
        access: Option<String>,
        /// The password; without, the user cannot log in.
        #[serde(default)]
        password: Option<Secret>,
    },
    /// Give a user of the embedded controller a password.
    UserSetPassword {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Remove a user from the embedded controller.
    UserRemove {
        /// The user.
        user: String,
    },
}

impl Request {
    /// Returns the verb as it stands on the wire, for logs: requests may hold pairing codes.
    pub fn verb(&self) -> String {
        let tree = serde_json::to_value(self).unwrap_or_default();
        tree["verb"].as_str().unwrap_or("").to_owned()
    }

    /// Reports whether this changes anything, and so needs more than a connection.
    pub fn changes(&self) -> bool {
        match self {
            Self::Limits {} => false,
            Self::Status {} | Self::Identity {} | Self::Peers {} | Self::Controllers {} => false,
            Self::ShowController { .. } | Self::Models { .. } | Self::ShowModel { .. } => false,
            Self::ModelStatus { .. } => false,
            Self::Migrations {} | Self::ShowMigration { .. } | Self::Watch { .. } | Self::Precheck { .. } => false,
            Self::ShowProof { .. } | Self::Events { .. } | Self::Audit {} | Self::Doctor {} | Self::Totals { .. } => {
                false
            }
            Self::EmbeddedGet { .. } | Self::UserList {} => false,
            Self::BackupList {} | Self::BackupShow { .. } | Self::BackupVerify { .. } => false,
            Self::BackupCreate { .. } | Self::BackupKeep { .. } => true,
            Self::BackupRestore { .. } | Self::BackupRemove { .. } => true,
            Self::Verify { .. } | Self::Checklist { .. } => false,
            Self::Limit { .. } => true,
            Self::Store { .. } => false,
            Self::Prune { dry_run, .. } => !dry_run,
            Self::PairOffer { .. } | Self::PairAccept { .. } | Self::Unpair { .. } | Self::NoteSigned { .. } => true,
            Self::Order { .. } | Self::Migrate { .. } | Self::Precopy { .. } | Self::Reap { .. } => true,
            Self::Abort { .. } | Self::Resolve { .. } => true,
            Self::EmbeddedImport { .. } | Self::EmbeddedExport { .. } | Self::EmbeddedRemove { .. } => true,
            Self::EmbeddedSet { .. } | Self::UserAdd { .. } | Self::UserRemove { .. } => true,
            Self::UserSetPassword { .. } => true,
        }
    }

    /// Reports whether the answer goes on until the client hangs up or something ends.
    pub fn is_watch(&self) -> bool {
        matches!(self, Self::Watch { .. } | Self::Events { .. })
    }

    /// Reports whether a peer may ask this over the link: what `-m PEER:MODEL` and `verify` need, and no more.
    pub fn peer_may_ask(&self) -> bool {
        let list = matches!(self, Self::ShowController { .. } | Self::Models { .. } | Self::Verify { .. });
        list || matches!(self, Self::ShowModel { .. } | Self::ModelStatus { .. })
    }
}
