//! What is claimed of controllers that models come to.

use modelferry_protocol::snapshot::Call;

use super::rig::*;
use crate::controller::port::{Arrival, ControllerError, Departure, ModelReader, Presence};

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

pub(crate) async fn staging_can_be_repeated_at_every_call<S: SourceRig, T: Rig>() {
    let (pair, export) = Pair::<S, T>::start().await.frozen().await;
    for call in &export.calls {
        assert_ne!(pair.presence().await, Presence::Staged);
        for _ in 0..2 {
            pair.target.port().perform(pair.migration, call).await.unwrap();
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
    assert!(pair.target.port().freeze(pair.migration).await.is_err());
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
    assert!(pair.target.port().perform(pair.migration, &Call::Activate(Default::default())).await.is_err());
    pair.target.port().perform(pair.migration, &export.calls[0]).await.unwrap();
    assert!(matches!(pair.presence().await, Presence::Importing | Presence::Imported));
    assert!(pair.target.port().perform(pair.migration, &Call::Activate(Default::default())).await.is_err());
    let some: Vec<&Call> = export.calls.iter().filter(|call| matches!(call, Call::UploadCharm(_))).collect();
    pair.target.port().perform(pair.migration, some[0]).await.unwrap();
    assert!(pair.target.port().perform(pair.migration, &Call::CheckMachines(Default::default())).await.is_err());
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
        assert!(pair.target.port().perform(pair.migration, &call).await.is_err(), "{}", call.name());
        pair.target.port().perform(pair.migration, &export.calls[0]).await.unwrap();
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
        pair.target.port().perform(pair.migration, &call).await.unwrap();
    }
    pair.target = pair.target.restarted();
    assert_eq!(pair.presence().await, Presence::Live);
    assert_eq!(pair.target.writes(pair.model), writes, "acknowledged writes are lost");
    pair.target.write(pair.model).unwrap();
}

pub(crate) async fn what_is_live_cannot_be_aborted<S: SourceRig, T: Rig>() {
    let (pair, _) = Pair::<S, T>::start().await.staged().await;
    pair.target.port().perform(pair.migration, &Call::Activate(Default::default())).await.unwrap();
    let outcome = pair.target.port().perform(pair.migration, &Call::Abort).await;
    assert!(matches!(outcome, Err(ControllerError::NotImporting)), "{outcome:?}");
    assert_eq!(pair.presence().await, Presence::Live);
}

pub(crate) async fn an_abort_leaves_nothing_to_activate<S: SourceRig, T: Rig>() {
    let (pair, export) = Pair::<S, T>::start().await.staged().await;
    for _ in 0..2 {
        pair.target.port().perform(pair.migration, &Call::Abort).await.unwrap();
    }
    assert_eq!(pair.presence().await, Presence::Absent);
    assert!(pair.target.port().perform(pair.migration, &Call::Activate(Default::default())).await.is_err());
    assert!(pair.target.write(pair.model).is_err());
    assert_eq!(pair.presence().await, Presence::Absent);
    // An import that lands late, with an activation behind it, would make a second owner.
    assert!(pair.target.port().perform(pair.migration, &export.calls[0]).await.is_err());
    assert_eq!(pair.presence().await, Presence::Absent);
}

pub(crate) async fn a_live_model_is_no_leftover_of_a_migration<S: SourceRig>() {
    let pair = Pair::<S>::start().await;
    assert_eq!(pair.source.port().probe(pair.migration).await.unwrap(), Presence::Other);
    pair.source.port().perform(pair.migration, &Call::Abort).await.unwrap();
    for call in [
        Call::Activate(Default::default()),
        Call::AdoptResources(Default::default()),
        Call::CheckMachines(Default::default()),
    ] {
        assert!(pair.source.port().perform(pair.migration, &call).await.is_err(), "{}", call.name());
    }
    pair.source.write(pair.model).unwrap();
}
