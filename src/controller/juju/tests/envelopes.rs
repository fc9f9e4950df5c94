//! Models in the envelope of a controller of Juju 4.1: version 8 of `MigrationTarget`, and its two traps.

use modelferry_protocol::snapshot::{Call, Name, Opaque};

use super::fake::{Fault, Stand};
use super::*;
use crate::controller::description::sample_envelope::envelope;
use crate::controller::port::Presence;
use crate::juju::rpc::RpcError;

/// A rig whose model is an envelope, with a key that nobody here knows.
async fn rig() -> (Rig, serde_json::Value) {
    let mut rig = Rig::start().await;
    let mut sent = envelope();
    sent["a-key-of-another-release"] = serde_json::json!({ "kept": [1, null] });
    let blob = rig.store.put_bytes(sent.to_string().as_bytes()).unwrap();
    rig.calls[0] = Call::Import(blob);
    (rig, sent)
}

#[tokio::test]
async fn an_envelope_is_passed_on_with_every_key_and_its_model_is_staged_and_activated() {
    let (rig, sent) = rig().await;
    rig.juju.dry_run_stage(migration(FIRST), &rig.calls).await.unwrap();
    assert_eq!(rig.fake().state().params["Prechecks"], sent);
    rig.stage().await;
    assert_eq!(rig.fake().state().params["Import"], sent);
    assert_eq!(
        (rig.fake().stand(MODEL), rig.juju.probe(migration(FIRST)).await.unwrap()),
        (Some(Stand::Unseen), Presence::Staged)
    );
    for call in [activate(), adopt()] {
        rig.insist(&call).await;
    }
    assert_eq!(rig.juju.probe(migration(FIRST)).await.unwrap(), Presence::Live);
}

#[tokio::test]
async fn an_opaque_payload_is_imported_if_it_is_an_envelope_and_refused_by_its_kind_if_not() {
    let (rig, sent) = rig().await;
    let opaque = |kind: &str| Call::ImportOpaque(Opaque { kind: Name::cut(kind), blob: rig.calls[0].blob().unwrap() });
    assert!(rig.refusal(&opaque("juju/9")).await.contains("a payload of kind juju/9 is not imported"));
    rig.insist(&opaque("juju/8")).await;
    assert_eq!(rig.fake().state().params["Import"], sent);
}

#[tokio::test]
async fn by_version_8_an_import_without_a_reply_has_failed_whatever_came_of_it() {
    for fault in [Fault::LoseReply, Fault::Cut, Fault::CutWithin] {
        let (rig, _) = rig().await;
        rig.fake().fault("Import", fault.clone());
        assert!(rig.import().await.unwrap_err().is_passing());
        let rig = rig.restarted();
        assert!(rig.refusal(&rig.calls[0]).await.contains("cannot tell what came of it"), "{fault:?}");
        assert!(rig.perform(&activate()).await.is_err());
        assert_eq!((rig.fake().count("Import"), rig.fake().count("Activate")), (1, 0), "{fault:?}");
        rig.insist(&Call::Abort).await;
        assert!(!matches!(rig.fake().stand(MODEL), Some(Stand::Unseen | Stand::Live)), "{fault:?}");
    }
}

/// A second import of a live model fails, and turns it to importing: an abort would then delete a model that is in service.
#[tokio::test]
async fn by_version_8_a_live_model_is_neither_imported_over_nor_aborted() {
    let (rig, _) = rig().await;
    rig.fake().fault("Import", Fault::Refuse(RpcError::plain("no space left")));
    assert!(rig.refusal(&rig.calls[0]).await.contains("no space left"));
    // Meanwhile another migration has brought the model.
    rig.fake().state().models.insert(MODEL.to_owned(), Stand::Live);
    for call in [rig.calls[0].clone(), Call::Abort] {
        assert!(rig.perform(&call).await.is_err(), "{}", call.name());
    }
    rig.juju.perform(migration(SECOND), &rig.calls[0]).await.unwrap_err();
    assert_eq!((rig.fake().count("Import"), rig.fake().count("Abort")), (1, 0));
    assert_eq!(rig.fake().stand(MODEL), Some(Stand::Live));
}
