//! The responses of an agent on the control socket.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::fd_passing::Wanted;
use super::view::{
    CapView, ChecklistView, ControllerView, IdentityView, ModelStatusView, ModelView, OfferView, PairedView, PeerView,
    StatusView,
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
    /// It cannot, or will not.
    Failed(Box<Failure>),
    /// To a watcher: the migration as it is now. More follows.
    Update(Box<MigrationView>),
    /// The agent wants this file handed over, open, and goes on then. More follows.
    Wanted(Wanted),
    /// Why the answer takes its time, in a line for people. More follows.
    Waiting(String),
    /// The agent is at it. It says so every other second, so that whoever hears nothing at all knows that it is stuck. More
    /// follows.
    Alive,
    /// It is done, and there is nothing to tell.
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
    },
    /// Of [`super::Request::ShowModel`].
    Model(Box<ModelView>),
    /// Of [`super::Request::ModelStatus`] and [`super::Request::BackupShow`].
    ModelStatus(Box<ModelStatusView>),
    /// Of [`super::Request::Migrations`].
    Migrations(Vec<MigrationView>),
    /// Of [`super::Request::Migrate`], [`super::Request::Order`], [`super::Request::Abort`],
    /// [`super::Request::Reap`], and the end of [`super::Request::Watch`].
    Migration(Box<MigrationView>),
    /// Of [`super::Request::ShowMigration`].
    History {
        /// The migration.
        migration: Box<MigrationView>,
        /// Its records, oldest first.
        events: Vec<EventView>,
        /// Who has come by the gateway for its model, if it left by one.
        #[serde(default)]
        gateway: Option<GatewayUseView>,
    },
    /// Of [`super::Request::ShowProof`].
    Proof(String),
    /// Of [`super::Request::Resolve`].
    Resolved {
        /// The migration as it is now.
        migration: Box<MigrationView>,
        /// What this side proves now, if it does.
        proof: Option<String>,
    },
    /// Of [`super::Request::Events`], oldest first. More may follow.
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
    /// Of [`super::Request::BackupList`], newest first.
    Backups(Vec<BackupView>),
    /// Of [`super::Request::BackupCreate`], [`super::Request::BackupVerify`].
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
