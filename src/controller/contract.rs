//! What every adapter of the port must do: one suite for all of them.
//!
//! An adapter writes a [`Rig`] and calls [`controller_contract`] with it, or [`target_contract`] if it only takes models in; it
//! writes no tests of its own for what is promised here.

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::plan::Level;
use modelferry_protocol::snapshot::{Call, distinct_blobs};

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

pub(crate) async fn a_freeze_can_be_repeated_and_survives_a_restart<S: SourceRig>() {
    let (mut pair, before) = Pair::<S>::start().await.frozen().await;
    pair.source.port().freeze(pair.errand).await.unwrap();
    pair.source = pair.source.restarted();
    let refused = pair.source.write(pair.model);
    assert!(matches!(refused, Err(ControllerError::MigrationInProgress)), "{refused:?}");
    pair.source.port().freeze(pair.errand).await.unwrap();
    assert_eq!(pair.source.port().export(pair.errand).await.unwrap(), before);
}

pub(crate) async fn a_frozen_model_belongs_to_its_migration<S: SourceRig>() {
    let (pair, _) = Pair::<S>::start().await.frozen().await;
    let port = pair.source.port();
    let card = pair.target.port().card().await.unwrap();
    for outcome in [
        port.freeze(pair.other()).await,
        port.export(pair.other()).await.map(drop),
        port.redirect(pair.other(), &card).await,
        port.reap(pair.other()).await,
    ] {
        assert!(matches!(outcome, Err(ControllerError::OtherMigration { actual: FIRST, .. })), "{outcome:?}");
    }
    port.thaw(pair.other()).await.unwrap();
    assert!(matches!(pair.source.write(pair.model), Err(ControllerError::MigrationInProgress)));
}

pub(crate) async fn a_thaw_gives_the_model_back_as_it_was<S: SourceRig>() {
    let (pair, _) = Pair::<S>::start().await.frozen().await;
    let before = pair.source.writes(pair.model);
    for _ in 0..2 {
        pair.source.port().thaw(pair.errand).await.unwrap();
    }
    assert_eq!(pair.source.writes(pair.model), before);
    pair.source.write(pair.model).unwrap();
    // A late freeze of the migration that was given up would be the model's end.
    assert!(pair.source.port().freeze(pair.errand).await.is_err());
    pair.source.write(pair.model).unwrap();
    pair.source.port().freeze(pair.other()).await.unwrap();
}

pub(crate) async fn a_thaw_of_what_was_never_frozen_changes_nothing<S: SourceRig>() {
    let pair = Pair::<S>::start().await;
    pair.source.port().thaw(pair.errand).await.unwrap();
    pair.target.port().thaw(pair.errand).await.unwrap();
    pair.source.write(pair.model).unwrap();
    // The freeze was on its way when the migration was given up, and lands now.
    assert!(pair.source.port().freeze(pair.errand).await.is_err());
    pair.source.write(pair.model).unwrap();
}

pub(crate) async fn only_a_frozen_model_is_exported<S: SourceRig>() {
    let pair = Pair::<S>::start().await;
    assert!(pair.source.port().export(pair.errand).await.is_err());
    let preview = pair.source.port().preview(pair.model).await.unwrap();
    pair.source.write(pair.model).unwrap();
    let (pair, export) = pair.frozen().await;
    assert_ne!(export, preview, "what was written since the preview is missing");
    assert_eq!(pair.source.port().preview(pair.model).await.unwrap(), export);
}

pub(crate) async fn an_export_stages_and_does_nothing_else<S: SourceRig>() {
    let (pair, export) = Pair::<S>::start().await.frozen().await;
    assert!(matches!(export.calls.first(), Some(Call::Import(_))));
    assert!(matches!(export.calls.last(), Some(Call::CheckMachines(_))));
    assert!(export.complete);
    assert!(!export.calls.iter().any(|call| matches!(call, Call::Activate(_) | Call::AdoptResources(_) | Call::Abort)));
    for blob in distinct_blobs(&export.calls) {
        pair.source.store().verify(blob).unwrap();
    }
}

pub(crate) async fn an_examination_names_the_model_and_changes_nothing<S: SourceRig, T: Rig>() {
    let pair = Pair::<S, T>::start().await;
    let examination = pair.source.port().examine(pair.model, Some(FIRST)).await.unwrap();
    assert_eq!((examination.facts.uuid, examination.facts.mid), (pair.model, Some(FIRST)));
    assert!(examination.facts.bytes_total > 0);
    assert!(!examination.findings.is_empty());
    assert!(!pair.target.port().prechecks(&examination.facts).await.unwrap().is_empty());
    assert_eq!(pair.presence().await, Presence::Absent);
    pair.source.write(pair.model).unwrap();
}

pub(crate) async fn its_own_freeze_is_no_finding<S: SourceRig>() {
    let (pair, _) = Pair::<S>::start().await.frozen().await;
    let failed = async |mid| {
        let findings = pair.source.port().examine(pair.model, mid).await.unwrap().findings;
        findings.iter().any(|finding| finding.level == Level::Fail)
    };
    assert!(!failed(Some(FIRST)).await);
    assert!(failed(Some(SECOND)).await);
    assert!(failed(None).await);
}

pub(crate) async fn staging_can_be_repeated_at_every_call<S: SourceRig, T: Rig>() {
    let (pair, export) = Pair::<S, T>::start().await.frozen().await;
    for call in &export.calls {
        assert_ne!(pair.presence().await, Presence::Staged);
        for _ in 0..2 {
            pair.target.port().perform(pair.errand, call).await.unwrap();
        }
    }
    assert_eq!(pair.presence().await, Presence::Staged);
    pair.stage(&export).await;
    assert_eq!(pair.presence().await, Presence::Staged);
}

pub(crate) async fn a_copy_survives_a_restart_and_nobody_can_use_it<S: SourceRig, T: Rig>() {
    let (mut pair, _) = Pair::<S, T>::start().await.staged().await;
    pair.target = pair.target.restarted();
    assert_eq!(pair.presence().await, Presence::Staged);
    assert!(pair.target.write(pair.model).is_err());
}

pub(crate) async fn a_copy_is_not_frozen<S: SourceRig>() {
    let (pair, _) = Pair::<S>::start().await.staged().await;
    assert!(pair.target.port().freeze(pair.errand).await.is_err());
}

pub(crate) async fn a_copy_belongs_to_its_migration<S: SourceRig, T: Rig>() {
    let (pair, export) = Pair::<S, T>::start().await.staged().await;
    let port = pair.target.port();
    assert_eq!(port.probe(pair.other()).await.unwrap(), Presence::Other);
    for call in
        export.calls.iter().chain(&[Call::Activate(Default::default()), Call::AdoptResources(Default::default())])
    {
        assert!(port.perform(pair.other(), call).await.is_err(), "{}", call.name());
    }
    port.perform(pair.other(), &Call::Abort).await.unwrap();
    assert_eq!(pair.presence().await, Presence::Staged);
}

pub(crate) async fn half_a_copy_cannot_be_activated<S: SourceRig, T: Rig>() {
    let (pair, export) = Pair::<S, T>::start().await.frozen().await;
    assert!(pair.target.port().perform(pair.errand, &Call::Activate(Default::default())).await.is_err());
    pair.target.port().perform(pair.errand, &export.calls[0]).await.unwrap();
    assert!(matches!(pair.presence().await, Presence::Importing | Presence::Imported));
    assert!(pair.target.port().perform(pair.errand, &Call::Activate(Default::default())).await.is_err());
    let some: Vec<&Call> = export.calls.iter().filter(|call| matches!(call, Call::UploadCharm(_))).collect();
    pair.target.port().perform(pair.errand, some[0]).await.unwrap();
    assert!(pair.target.port().perform(pair.errand, &Call::CheckMachines(Default::default())).await.is_err());
    assert_ne!(pair.presence().await, Presence::Staged);
}

pub(crate) async fn a_blob_of_something_else_is_refused<S: SourceRig, T: Rig>() {
    let (pair, export) = Pair::<S, T>::start().await.frozen().await;
    let wrong = pair.target.store().put_bytes(b"something else").unwrap();
    for call in &export.calls {
        let mut call = call.clone();
        match &mut call {
            Call::Import(blob) | Call::ImportEntries(blob) => *blob = wrong,
            Call::UploadAgentBinary(binary) => binary.blob = wrong,
            _ => continue,
        }
        assert!(pair.target.port().perform(pair.errand, &call).await.is_err(), "{}", call.name());
        pair.target.port().perform(pair.errand, &export.calls[0]).await.unwrap();
    }
}

pub(crate) async fn an_activation_can_be_repeated<S: SourceRig, T: Rig>() {
    let (mut pair, _) = Pair::<S, T>::start().await.staged().await;
    let writes = pair.source.writes(pair.model);
    for call in [
        Call::Activate(Default::default()),
        Call::Activate(Default::default()),
        Call::AdoptResources(Default::default()),
        Call::AdoptResources(Default::default()),
        Call::Activate(Default::default()),
    ] {
        pair.target.port().perform(pair.errand, &call).await.unwrap();
    }
    pair.target = pair.target.restarted();
    assert_eq!(pair.presence().await, Presence::Live);
    assert_eq!(pair.target.writes(pair.model), writes, "acknowledged writes are lost");
    pair.target.write(pair.model).unwrap();
}

pub(crate) async fn what_is_live_cannot_be_aborted<S: SourceRig, T: Rig>() {
    let (pair, _) = Pair::<S, T>::start().await.staged().await;
    pair.target.port().perform(pair.errand, &Call::Activate(Default::default())).await.unwrap();
    let outcome = pair.target.port().perform(pair.errand, &Call::Abort).await;
    assert!(matches!(outcome, Err(ControllerError::NotImporting)), "{outcome:?}");
    assert_eq!(pair.presence().await, Presence::Live);
}

pub(crate) async fn an_abort_leaves_nothing_to_activate<S: SourceRig, T: Rig>() {
    let (pair, export) = Pair::<S, T>::start().await.staged().await;
    for _ in 0..2 {
        pair.target.port().perform(pair.errand, &Call::Abort).await.unwrap();
    }
    assert_eq!(pair.presence().await, Presence::Absent);
    assert!(pair.target.port().perform(pair.errand, &Call::Activate(Default::default())).await.is_err());
    assert!(pair.target.write(pair.model).is_err());
    assert_eq!(pair.presence().await, Presence::Absent);
    // An import that lands late, with an activation behind it, would make a second owner.
    assert!(pair.target.port().perform(pair.errand, &export.calls[0]).await.is_err());
    assert_eq!(pair.presence().await, Presence::Absent);
}

pub(crate) async fn a_live_model_is_no_leftover_of_a_migration<S: SourceRig>() {
    let pair = Pair::<S>::start().await;
    assert_eq!(pair.source.port().probe(pair.errand).await.unwrap(), Presence::Other);
    pair.source.port().perform(pair.errand, &Call::Abort).await.unwrap();
    for call in [
        Call::Activate(Default::default()),
        Call::AdoptResources(Default::default()),
        Call::CheckMachines(Default::default()),
    ] {
        assert!(pair.source.port().perform(pair.errand, &call).await.is_err(), "{}", call.name());
    }
    pair.source.write(pair.model).unwrap();
}

pub(crate) async fn a_model_handed_over_redirects_and_never_comes_back_by_itself<S: SourceRig>() {
    let (mut pair, _) = Pair::<S>::start().await.staged().await;
    let card = pair.target.port().card().await.unwrap();
    assert!(pair.source.port().reap(pair.errand).await.is_err(), "reaped without a redirect");
    for _ in 0..2 {
        pair.source.port().redirect(pair.errand, &card).await.unwrap();
    }
    assert!(pair.source.port().thaw(pair.errand).await.is_err());
    assert!(moved(pair.source.write(pair.model)));
    for _ in 0..2 {
        pair.source.port().reap(pair.errand).await.unwrap();
        pair.source.port().redirect(pair.errand, &card).await.unwrap();
        pair.source = pair.source.restarted();
    }
    assert!(moved(pair.source.write(pair.model)));
    pair.source.port().thaw(pair.errand).await.unwrap();
    assert!(moved(pair.source.write(pair.model)));
    assert!(pair.source.port().export(pair.errand).await.is_err());
}

pub(crate) async fn a_model_can_come_home<S: SourceRig>() {
    let pair = Pair::<S>::start().await.moved().await;
    let stage = async |back: Errand| {
        pair.target.port().freeze(back).await.unwrap();
        let export = pair.target.port().export(back).await.unwrap();
        carry(&pair.target, &pair.source, &export);
        for call in &export.calls {
            pair.source.port().perform(back, call).await.unwrap();
        }
    };
    let (given_up, back) = (pair.other(), Errand { mid: THIRD, model: pair.model });
    stage(given_up).await;
    assert!(moved(pair.source.write(pair.model)), "it is still owned elsewhere");
    pair.source.port().perform(given_up, &Call::Abort).await.unwrap();
    assert!(moved(pair.source.write(pair.model)), "an abort has lost the redirect");
    pair.target.port().thaw(given_up).await.unwrap();
    stage(back).await;
    pair.source.port().perform(back, &Call::Activate(Default::default())).await.unwrap();
    pair.source.write(pair.model).unwrap();
    // What is left of the migration that took it away changes nothing any more.
    assert!(pair.source.port().reap(pair.errand).await.is_err());
    pair.source.port().thaw(pair.errand).await.unwrap();
    pair.source.port().perform(pair.errand, &Call::Abort).await.unwrap();
    pair.source.write(pair.model).unwrap();
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
