//! What every adapter of the port must do: one suite for all of them.
//!
//! An adapter writes a [`Rig`] and calls [`controller_contract`] with it, or [`target_contract`] if it only takes models in; it
//! writes no tests of its own for what is promised here.

mod arriving;
mod leaving;

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::snapshot::{Call, distinct_blobs};

pub(crate) use self::arriving::*;
pub(crate) use self::leaving::*;
use super::port::{Arrival, ControllerError, Departure, Errand, Export, ModelReader, Presence};
use crate::store::Store;

/// A controller under test, with whatever it needs around it.
pub(crate) trait Rig: Sized {
    /// The adapter.
    type Port: Arrival;
    /// Whether models keep their entries here.
    const KEEPS_ENTRIES: bool = true;
    /// Starts a controller without models, on a state directory of its own.
    async fn start(name: &str) -> Self;
    /// Stops the controller, as a crash would, and starts it again on the same state.
    fn restarted(self) -> Self;
    /// The adapter.
    fn port(&self) -> &Self::Port;
    /// The store of the agent beside it.
    fn store(&self) -> &Store;
    /// Writes to a model as one of its users.
    fn write(&self, model: ModelUuid) -> Result<(), ControllerError>;
    /// Counts the writes that a model's users see.
    fn writes(&self, model: ModelUuid) -> usize;
}

/// A controller under test that models leave from.
pub(crate) trait SourceRig: Rig<Port: ModelReader + Departure> {
    /// Puts a live model with binaries into it, and with some writes.
    fn with_model(&self) -> ModelUuid;
    /// Puts one into it that nobody has written to.
    fn with_unwritten_model(&self) -> ModelUuid;
}

const FIRST: MigrationId = MigrationId([1; 16]);
const SECOND: MigrationId = MigrationId([2; 16]);
const THIRD: MigrationId = MigrationId([3; 16]);

/// A source with a model, and a target.
pub(crate) struct Pair<S, T = S> {
    source: S,
    target: T,
    model: ModelUuid,
    errand: Errand,
}

impl<S: SourceRig, T: Rig> Pair<S, T> {
    async fn start() -> Self {
        let (source, target) = (S::start("src").await, T::start("dst").await);
        let model = if T::KEEPS_ENTRIES { source.with_model() } else { source.with_unwritten_model() };
        Self { source, target, model, errand: Errand { mid: FIRST, model } }
    }

    /// The same model in a migration that came before or after.
    fn other(&self) -> Errand {
        Errand { mid: SECOND, model: self.model }
    }

    async fn frozen(self) -> (Self, Export) {
        self.source.port().freeze(self.errand).await.unwrap();
        let export = self.source.port().export(self.errand).await.unwrap();
        carry(&self.source, &self.target, &export);
        (self, export)
    }

    async fn staged(self) -> (Self, Export) {
        let (pair, export) = self.frozen().await;
        pair.stage(&export).await;
        (pair, export)
    }

    async fn stage(&self, export: &Export) {
        for call in &export.calls {
            self.target.port().perform(self.errand, call).await.unwrap();
        }
    }

    async fn moved(self) -> Self {
        let (pair, _) = self.staged().await;
        for call in [Call::Activate(Default::default()), Call::AdoptResources(Default::default())] {
            pair.target.port().perform(pair.errand, &call).await.unwrap();
        }
        let card = pair.target.port().card().await.unwrap();
        pair.source.port().redirect(pair.errand, &card).await.unwrap();
        pair.source.port().reap(pair.errand).await.unwrap();
        pair
    }

    async fn presence(&self) -> Presence {
        self.target.port().probe(self.errand).await.unwrap()
    }
}

/// Carries an export's blobs from one agent's store to the other's.
fn carry(from: &impl Rig, to: &impl Rig, export: &Export) {
    for blob in distinct_blobs(&export.calls) {
        assert_eq!(to.store().put(&mut from.store().open_blob(blob.hash).unwrap()).unwrap(), blob);
    }
}

fn moved(outcome: Result<(), ControllerError>) -> bool {
    matches!(outcome, Err(ControllerError::Moved { .. }))
}

/// Makes tests of claims about `$rigs`, in brackets.
macro_rules! claims {
    ($rigs:tt: $($claim:ident),+ $(,)?) => {
        $($crate::controller::contract::claims!(@one $claim $rigs);)+
    };
    (@one $claim:ident [$($rig:ty),+]) => {
        #[tokio::test]
        async fn $claim() { $crate::controller::contract::$claim::<$($rig),+>().await; }
    };
}
pub(crate) use claims;
/// Runs what the suite claims of targets against an adapter that models come to from `$source`.
macro_rules! target_contract {
    ($suite:ident, $source:ident, $target:ident) => {
        mod $suite {
            $crate::controller::contract::claims!([super::$source, super::$target]:
                an_examination_names_the_model_and_changes_nothing,
                staging_can_be_repeated_at_every_call,
                a_copy_survives_a_restart_and_nobody_can_use_it,
                a_copy_belongs_to_its_migration,
                half_a_copy_cannot_be_activated,
                a_blob_of_something_else_is_refused,
                an_activation_can_be_repeated,
                what_is_live_cannot_be_aborted,
                an_abort_leaves_nothing_to_activate,
            );
        }
    };
}
pub(crate) use target_contract;
/// Runs the whole suite against an adapter: `controller_contract!(contract, EmbeddedRig)`.
macro_rules! controller_contract {
    ($suite:ident, $rig:ident) => {
        $crate::controller::contract::target_contract!(target_contract, $rig, $rig);
        mod $suite {
            $crate::controller::contract::claims!([super::$rig]:
                a_freeze_can_be_repeated_and_survives_a_restart,
                a_frozen_model_belongs_to_its_migration,
                a_thaw_gives_the_model_back_as_it_was,
                a_thaw_of_what_was_never_frozen_changes_nothing,
                only_a_frozen_model_is_exported,
                an_export_stages_and_does_nothing_else,
                its_own_freeze_is_no_finding,
                a_copy_is_not_frozen,
                a_live_model_is_no_leftover_of_a_migration,
                a_model_handed_over_redirects_and_never_comes_back_by_itself,
                a_model_can_come_home,
            );
        }
    };
}
pub(crate) use controller_contract;
