//! The responses of an agent on the control socket.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::fd_passing::Wanted;
use super::view::{
    CapView, ChecklistView, ControllerView, IdentityView, ModelStatusView, ModelView, OfferView, PairedView, PeerView,
    StatusView, UnpairedView,
};
use crate::controller::backup::view::BackupView;
use crate::controller::embedded::view::{EntryView, Exported, Imported, ModelRow, UserView};
use crate::engine::retention::{PruneView, StoreView};
use crate::engine::view::{
    AuditView, EventView, FindingView, GatewayUseView, KeptView, MigrationView, PlanView, TotalsView, VerifyView,
};

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "body", rename_all = "kebab-case")]
pub enum Response {
    /// The request failed or was refused.
    Failed(Box<Failure>),
    /// Part of [`super::Request::Watch`]: the migration's current view. More follows.
    Update(Box<MigrationView>),
    /// The agent asks the client to open this file and pass its descriptor. More follows.
    Wanted(Wanted),
    /// One line for the operator: why the request takes long. More follows.
    Waiting(String),
    /// Keep-alive, sent every [`super::ALIVE_EVERY`] while the agent works on the request. After [`super::SILENCE_MAX`] without any
    /// response the client assumes that the agent is stuck. More follows.
    Alive,
    /// The request succeeded and returns no data. It also ends [`super::Request::Events`].
    Done,
    /// Of [`super::Request::Status`].
    Status(Box<StatusView>),
    /// Of [`super::Request::Identity`].
    Identity(IdentityView),
    /// Of [`super::Request::Peers`].
    Peers(Vec<PeerView>),
    /// Of [`super::Request::Limits`] and [`super::Request::Limit`]; the agent's own comes first.
    Limits(Vec<CapView>),
    /// Of [`super::Request::Controllers`]; the agent's own comes first.
    Controllers(Vec<ControllerView>),
    /// Of [`super::Request::ShowController`].
    Controller(Box<ControllerView>),
    /// Of [`super::Request::Models`].
    Models {
        /// The controller they are on.
        controller: String,
        /// The models.
        models: Vec<ModelRow>,
        /// Why others may not be listed, where an agent shows a peer only what was exchanged with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hidden: Option<String>,
    },
    /// Of [`super::Request::ShowModel`].
    Model(Box<ModelView>),
    /// Of [`super::Request::ModelStatus`] and [`super::Request::BackupShow`].
    ModelStatus(Box<ModelStatusView>),
    /// Of [`super::Request::Migrations`].
    Migrations(Vec<MigrationView>),
    /// Of [`super::Request::Migrate`], [`super::Request::Precopy`], [`super::Request::Order`], [`super::Request::Abort`],
    /// [`super::Request::Reap`], and the end of [`super::Request::Watch`].
    Migration(Box<MigrationView>),
    /// Of [`super::Request::ShowMigration`].
    History {
        /// The migration.
        migration: Box<MigrationView>,
        /// Its records, oldest first.
        events: Vec<EventView>,
        /// Clients that reached the model through the gateway; absent if it did not leave by one.
        #[serde(default)]
        gateway: Option<GatewayUseView>,
    },
    /// Of [`super::Request::ShowProof`].
    Proof(String),
    /// Of [`super::Request::Resolve`], except by `DiscardFrozen`, `KeepMine`, `KeepTheirs` and `Acknowledge`, which return [`Response::Done`].
    Resolved {
        /// The migration as it is now.
        migration: Box<MigrationView>,
        /// This side's signed proof for the other side, if there is one.
        proof: Option<String>,
    },
    /// A batch of [`super::Request::Events`], oldest first. More follows; [`Response::Done`] ends the stream unless `follow` is set.
    Events(Vec<EventView>),
    /// Of [`super::Request::Audit`].
    Audit(AuditView),
    /// Of [`super::Request::Doctor`].
    Findings(Vec<FindingView>),
    /// Of [`super::Request::Precheck`].
    Plan(Box<PlanView>),
    /// Of [`super::Request::Totals`].
    Totals(Box<TotalsView>),
    /// Of [`super::Request::Verify`].
    Verified(Box<VerifyView>),
    /// Of [`super::Request::Checklist`].
    Checklist(Box<ChecklistView>),
    /// Of [`super::Request::EmbeddedGet`], oldest first.
    Entries(Vec<EntryView>),
    /// Of [`super::Request::EmbeddedSet`]: the entry's number.
    Written(u64),
    /// Of [`super::Request::UserList`].
    Users(Vec<UserView>),
    /// Of [`super::Request::PairOffer`].
    Offer(OfferView),
    /// Of [`super::Request::PairAccept`].
    Paired(PairedView),
    /// Of [`super::Request::Unpair`].
    Unpaired(UnpairedView),
    /// Of [`super::Request::BackupList`], newest first.
    Backups(Vec<BackupView>),
    /// Of [`super::Request::BackupCreate`], [`super::Request::BackupVerify`] and [`super::Request::BackupRemove`].
    Backup(Box<BackupView>),
    /// Of [`super::Request::Store`].
    Store(Box<StoreView>),
    /// Of [`super::Request::Prune`].
    Pruned(Box<PruneView>),
    /// Of [`super::Request::BackupKeep`].
    Kept(KeptView),
    /// Of [`super::Request::EmbeddedImport`], [`super::Request::BackupRestore`].
    Imported(Imported),
    /// Of [`super::Request::EmbeddedExport`].
    Exported(Exported),
}

impl From<Failure> for Response {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}
