//! The requests of the control socket.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::secret::SecretText;

use super::{BackupRef, Order, ResolveMethod, Schedule};

/// A request to an agent.
///
/// `model`: a name, `owner/name` or a UUID; `controller:` before it selects a peer's controller. `peer`: a peer's name, or
/// the name of the controller beside it. `id`: a migration's id in Juju's form, its full id, or its model's name or UUID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Returns the agent's status.
    Status {},
    /// Returns the agent's pin, journal id, listen address and state directory.
    Identity {},
    /// Returns the paired peers.
    Peers {},
    /// Returns the rate caps in force.
    Limits {},
    /// Returns the agent's own controller and those of its peers.
    Controllers {},
    /// Returns a controller; default: the agent's own.
    ShowController {
        /// The controller.
        controller: Option<String>,
    },
    /// Returns the models of a controller; default: the agent's own.
    Models {
        /// The controller.
        controller: Option<String>,
    },
    /// Returns a model's summary.
    ShowModel {
        /// The model.
        model: String,
        /// Whether to read the frozen copy that this side still holds of a model that has moved.
        #[serde(default)]
        held: bool,
    },
    /// Returns a model's applications, units, machines, relations and storage.
    ModelStatus {
        /// The model.
        model: String,
        /// As in [`Request::ShowModel`].
        #[serde(default)]
        held: bool,
    },
    /// Returns the migrations that the journal knows, newest first.
    Migrations {},
    /// Returns a migration and its journal records.
    ShowMigration {
        /// The migration.
        id: String,
    },
    /// Returns this side's decision about a migration as a signed proof.
    ShowProof {
        /// The migration.
        id: String,
    },
    /// Streams the journal's records.
    Events {
        /// Begin after the record with this number.
        after: u64,
        /// Whether to keep streaming new records.
        follow: bool,
    },
    /// Checks whether the agent's controller meets the needs of a migration.
    Doctor {},
    /// Verifies the journal's hash chain.
    Audit {},
    /// Streams the view of a migration on each change, until it has ended.
    Watch {
        /// The migration.
        id: String,
    },
    /// Checks everything that would stop a migration. Changes nothing.
    Precheck {
        /// The model.
        model: String,
        /// The peer.
        peer: String,
    },
    /// Returns the total bytes of several models, and how many the peer already holds.
    Totals {
        /// The models.
        models: Vec<String>,
        /// The peer.
        peer: String,
    },
    /// Compares the model that arrived with the sealed snapshot. A source forwards the request to its target.
    Verify {
        /// The migration.
        id: String,
    },
    /// Returns the operator's remaining steps after a move.
    Checklist {
        /// The migration.
        id: String,
    },
    /// Returns the entries that were written to a model.
    EmbeddedGet {
        /// The model.
        model: String,
        /// The key; default: all entries.
        key: Option<String>,
        /// As in [`Request::ShowModel`].
        #[serde(default)]
        held: bool,
    },
    /// Returns the users of the embedded controller.
    UserList {},
    /// Returns the backups that are stored here.
    BackupList {},
    /// Returns the model in a backup that is stored here.
    BackupShow {
        /// The backup's id, or a prefix of it.
        id: String,
    },
    /// Verifies a backup that is stored here.
    BackupVerify {
        /// The backup's id, or a prefix of it.
        id: String,
    },

    /// Returns what the store holds and who needs it.
    Store {
        /// Whether to list every blob.
        list: bool,
    },
    /// Remove unneeded blobs from the store.
    Prune {
        /// Minimum time for which a blob has been unneeded, seconds; default: `[store] retention`.
        older_than_s: Option<u64>,
        /// Whether to report only.
        dry_run: bool,
    },

    /// Open an offer to pair.
    PairOffer {
        /// Local name of the peer; default: the name that it announces.
        name: Option<String>,
    },
    /// Complete a pairing that the other agent offered.
    PairAccept {
        /// The one-time code of the offer.
        code: String,
        /// Address of the agent that made the offer: `HOST` or `HOST:PORT`.
        address: String,
        /// Local name of the peer; default: the name that it announces.
        name: Option<String>,
    },
    /// Change a rate cap.
    Limit {
        /// The peer; default: the whole agent.
        peer: Option<String>,
        /// Rate, such as `20mbit`. `0` pauses; `default` restores the configured cap; absent removes the cap.
        rate: Option<String>,
    },
    /// Record that the controller's CA has signed a certificate for a gateway.
    NoteSigned {
        /// SHA-256 of the certificate.
        certificate: String,
        /// SHA-256 of the CA.
        ca: String,
        /// End of the certificate's validity, Unix seconds.
        until_s: u64,
    },
    /// Change what a peer may do here. What is absent stays as it is.
    PeerSet {
        /// The peer.
        peer: String,
        /// Whether models are received from it.
        receive: Option<bool>,
        /// Whether models are sent to it.
        send: Option<bool>,
        /// Whether copies of its models are kept.
        keep: Option<bool>,
        /// Whether it may read models that were not exchanged with it.
        read: Option<bool>,
        /// Globs for the names of models that may be exchanged with it; `*` allows all.
        models: Option<Vec<String>>,
        /// What migrations and copies from it may hold of the disk at once, such as `50GiB`; `none`: no bound.
        quota: Option<String>,
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
        /// The destination: a peer, or the name of the controller beside one.
        peer: String,
        /// Longest time frozen before the migration reverts, milliseconds; default: `[migration] max-freeze`.
        freeze_ms_max: Option<u64>,
        /// Whether the model's log is left behind.
        #[serde(default)]
        skip_log: bool,
        /// Time to keep the source's copy after the move, milliseconds. Refused where a Juju controller drives the migration.
        #[serde(default)]
        reap_hold_ms: u64,
        /// The time of the freeze, and the rate cap.
        #[serde(default)]
        schedule: Schedule,
    },
    /// Copy a live model's bytes ahead of a migration that may come.
    Precopy {
        /// The model.
        model: String,
        /// The destination: a peer, or the name of the controller beside one.
        peer: String,
        /// Rate cap of the copy, such as `20mbit`; absent: no cap.
        bwlimit: Option<String>,
    },
    /// Pause, resume or cut over an unfinished migration before its model is frozen; pause and resume also apply to a pre-copy.
    Order {
        /// The migration.
        id: String,
        /// The order.
        order: Order,
    },
    /// Delete the copy of a model that has moved.
    Reap {
        /// The migration.
        id: String,
        /// Whether to delete the copy although part of its log has not been sent; that part is lost.
        skip_log: bool,
    },
    /// Abort a migration.
    Abort {
        /// The migration.
        id: String,
    },
    /// Resolve a migration that stays in doubt because the link is down, or a conflict of two owners.
    Resolve {
        /// The migration; a peer's name for `Acknowledge`; the model for `DiscardFrozen`, `KeepMine` and `KeepTheirs`.
        id: String,
        /// The method.
        how: ResolveMethod,
        /// The operator's reason, for the record; may be empty.
        reason: String,
    },
    /// Import a model into the embedded controller.
    EmbeddedImport {
        /// The description, an absolute path; the client opens it and passes the descriptor.
        file: PathBuf,
        /// Directory of its binaries, an absolute path, passed in the same way; absent: import none.
        blobs: Option<PathBuf>,
    },
    /// Export a model of the embedded controller.
    EmbeddedExport {
        /// The model.
        model: String,
        /// The directory of the files, an absolute path; the client creates the files and passes their descriptors.
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
        /// The archive, an absolute path; the client creates the file and passes its descriptor.
        file: PathBuf,
        /// As in [`Request::ShowModel`].
        #[serde(default)]
        held: bool,
    },
    /// Have a peer keep a copy of a model.
    BackupKeep {
        /// The model.
        model: String,
        /// The peer.
        peer: String,
    },
    /// Restore a backup as a model of the controller beside this agent.
    BackupRestore {
        /// The backup: a file, or one that is stored here.
        backup: BackupRef,
        /// Whether the controller that the backup was taken from is known to be lost.
        source_lost: bool,
        /// Must name the controller beside this agent if that is a real Juju controller; optional for the embedded one. Any other is refused.
        controller: Option<String>,
    },
    /// Delete a backup that is stored here.
    BackupRemove {
        /// The backup's id, or a prefix of it.
        id: String,
    },
    /// Add a user to the embedded controller, or change an existing user's access.
    UserAdd {
        /// The user.
        user: String,
        /// The access level.
        access: Option<String>,
        /// The password; a new user without one cannot log in.
        #[serde(default)]
        password: Option<SecretText>,
    },
    /// Give a user of the embedded controller a password.
    UserSetPassword {
        /// The user.
        user: String,
        /// The password.
        password: SecretText,
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

    /// Reports whether the request needs admission: root, the agent's user, or `admin-group`. True as well for `EmbeddedExport` and
    /// `BackupCreate`, which only export.
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
            Self::PeerSet { .. } => true,
            Self::Order { .. } | Self::Migrate { .. } | Self::Precopy { .. } | Self::Reap { .. } => true,
            Self::Abort { .. } | Self::Resolve { .. } => true,
            Self::EmbeddedImport { .. } | Self::EmbeddedExport { .. } | Self::EmbeddedRemove { .. } => true,
            Self::EmbeddedSet { .. } | Self::UserAdd { .. } | Self::UserRemove { .. } => true,
            Self::UserSetPassword { .. } => true,
        }
    }

    /// Reports whether the request streams responses; the server ends it when the client hangs up.
    pub fn is_watch(&self) -> bool {
        matches!(self, Self::Watch { .. } | Self::Events { .. })
    }

    /// Reports whether a peer may ask this over the link: what `-m PEER:MODEL` and `verify` need, and no more. What would be asked
    /// of a third agent in turn is asked of that one directly.
    pub fn peer_may_ask(&self) -> bool {
        match self {
            Self::ShowController { controller } | Self::Models { controller } => controller.is_none(),
            Self::ShowModel { model, .. } | Self::ModelStatus { model, .. } => !model.contains(':'),
            Self::Verify { .. } => true,
            _ => false,
        }
    }
}
