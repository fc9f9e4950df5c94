//! What is claimed of controllers that models leave from.

use modelferry_protocol::plan::Level;
use modelferry_protocol::snapshot::{Call, distinct_blobs};

use super::rig::*;
use crate::controller::port::{Arrival, ControllerError, Departure, MigrationRef, ModelReader};

pub(crate) async fn a_freeze_can_be_repeated_and_survives_a_restart<S: SourceRig>() {
    let (mut pair, before) = Pair::<S>::start().await.frozen().await;
    pair.source.port().freeze(pair.migration).await.unwrap();
    pair.source = pair.source.restarted();
    let refused = pair.source.write(pair.model);
    assert!(matches!(refused, Err(ControllerError::MigrationInProgress)), "{refused:?}");
    pair.source.port().freeze(pair.migration).await.unwrap();
    assert_eq!(pair.source.port().export(pair.migration).await.unwrap(), before);
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
        pair.source.port().thaw(pair.migration).await.unwrap();
    }
    assert_eq!(pair.source.writes(pair.model), before);
    pair.source.write(pair.model).unwrap();
    // A late freeze of the migration that was given up would be the model's end.
    assert!(pair.source.port().freeze(pair.migration).await.is_err());
    pair.source.write(pair.model).unwrap();
    pair.source.port().freeze(pair.other()).await.unwrap();
}

pub(crate) async fn a_thaw_of_what_was_never_frozen_changes_nothing<S: SourceRig>() {
    let pair = Pair::<S>::start().await;
    pair.source.port().thaw(pair.migration).await.unwrap();
    pair.target.port().thaw(pair.migration).await.unwrap();
    pair.source.write(pair.model).unwrap();
    // The freeze was on its way when the migration was given up, and lands now.
    assert!(pair.source.port().freeze(pair.migration).await.is_err());
    pair.source.write(pair.model).unwrap();
}

pub(crate) async fn only_a_frozen_model_is_exported<S: SourceRig>() {
    let pair = Pair::<S>::start().await;
    assert!(pair.source.port().export(pair.migration).await.is_err());
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

pub(crate) async fn a_model_handed_over_redirects_and_never_comes_back_by_itself<S: SourceRig>() {
    let (mut pair, _) = Pair::<S>::start().await.staged().await;
    let card = pair.target.port().card().await.unwrap();
    assert!(pair.source.port().reap(pair.migration).await.is_err(), "reaped without a redirect");
    for _ in 0..2 {
        pair.source.port().redirect(pair.migration, &card).await.unwrap();
    }
    assert!(pair.source.port().thaw(pair.migration).await.is_err());
    assert!(moved(pair.source.write(pair.model)));
    for _ in 0..2 {
        pair.source.port().reap(pair.migration).await.unwrap();
        pair.source.port().redirect(pair.migration, &card).await.unwrap();
        pair.source = pair.source.restarted();
    }
    assert!(moved(pair.source.write(pair.model)));
    pair.source.port().thaw(pair.migration).await.unwrap();
    assert!(moved(pair.source.write(pair.model)));
    assert!(pair.source.port().export(pair.migration).await.is_err());
}

pub(crate) async fn a_model_can_come_home<S: SourceRig>() {
    let pair = Pair::<S>::start().await.moved().await;
    let stage = async |back: MigrationRef| {
        pair.target.port().freeze(back).await.unwrap();
        let export = pair.target.port().export(back).await.unwrap();
        carry(&pair.target, &pair.source, &export);
        for call in &export.calls {
            pair.source.port().perform(back, call).await.unwrap();
        }
    };
    let (given_up, back) = (pair.other(), MigrationRef { mid: THIRD, model: pair.model });
    stage(given_up).await;
    assert!(moved(pair.source.write(pair.model)), "it is still owned elsewhere");
    pair.source.port().perform(given_up, &Call::Abort).await.unwrap();
    assert!(moved(pair.source.write(pair.model)), "an abort has lost the redirect");
    pair.target.port().thaw(given_up).await.unwrap();
    stage(back).await;
    pair.source.port().perform(back, &Call::Activate(Default::default())).await.unwrap();
    pair.source.write(pair.model).unwrap();
    // What is left of the migration that took it away changes nothing any more.
    assert!(pair.source.port().reap(pair.migration).await.is_err());
    pair.source.port().thaw(pair.migration).await.unwrap();
    pair.source.port().perform(pair.migration, &Call::Abort).await.unwrap();
    pair.source.write(pair.model).unwrap();
}
