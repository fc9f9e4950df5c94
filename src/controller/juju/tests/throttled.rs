//! Uploads that the controller, or a proxy before it, puts off: sent again after the wait that it names, and no sooner.

use hyper::StatusCode;
use modelferry_protocol::snapshot::Call;

use super::fake::{Fault, Stand};
use super::*;

/// Makes a call that is put off, and returns the wait.
async fn put_off(rig: &Rig, call: &Call) -> Option<Duration> {
    let error = rig.perform(call).await.unwrap_err();
    assert!(error.is_passing(), "{}: {error}", call.name());
    error.wait()
}

fn kind(call: &Call) -> Option<&'static str> {
    match call {
        Call::UploadCharm(_) => Some("charms"),
        Call::UploadAgentBinary(_) => Some("tools"),
        Call::UploadResource(_) => Some("resources"),
        _ => None,
    }
}

#[tokio::test]
async fn an_upload_that_is_put_off_is_sent_again_after_the_wait_that_is_named_and_no_sooner() {
    let rig = Rig::start().await;
    let statuses = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    for call in &rig.calls {
        for status in statuses.into_iter().filter(|_| kind(call).is_some()) {
            let kind = kind(call).unwrap();
            rig.fake().fault(kind, Fault::PutOff(status, Some("7")));
            let before = rig.fake().count(kind);
            assert_eq!(put_off(&rig, call).await, Some(Duration::from_secs(7)));
            // Not even for another binary.
            for other in rig.calls.iter().filter(|other| other.blob() != call.blob() && !other.imports()).take(1) {
                rig.perform(other).await.err();
            }
            let left = put_off(&rig, call).await.unwrap();
            assert!(left <= Duration::from_secs(7), "{left:?}");
            assert_eq!(rig.fake().count(kind), before + 1, "{kind} was sent before its time");
            pass(Duration::from_secs(7)).await;
        }
        rig.perform(call).await.unwrap();
    }
    rig.insist(&activate()).await;
    assert_eq!((rig.fake().count("Import"), rig.fake().stand(MODEL)), (1, Some(Stand::Live)));
}

#[tokio::test]
async fn a_wait_that_is_named_is_bounded_and_an_abort_does_not_wait_for_its_end() {
    let rig = Rig::start().await;
    rig.import().await.unwrap();
    rig.fake().fault("charms", Fault::PutOff(StatusCode::SERVICE_UNAVAILABLE, Some("86400")));
    assert_eq!(put_off(&rig, &rig.calls[1]).await, Some(Duration::from_secs(60)));
    rig.insist(&Call::Abort).await;
    assert_eq!((rig.fake().stand(MODEL), rig.fake().count("charms")), (None, 1));
    let rig = Rig::start().await;
    rig.import().await.unwrap();
    rig.fake().fault("charms", Fault::PutOff(StatusCode::TOO_MANY_REQUESTS, Some("0")));
    assert_eq!(put_off(&rig, &rig.calls[1]).await, Some(Duration::from_secs(1)), "the agent would spin");
}

#[tokio::test]
async fn an_upload_that_is_put_off_without_a_wait_is_sent_again_when_it_is_tried_again() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT] {
        let rig = Rig::start().await;
        rig.import().await.unwrap();
        rig.fake().fault("charms", Fault::PutOff(status, None));
        assert_eq!(put_off(&rig, &rig.calls[1]).await, None);
        rig.perform(&rig.calls[1]).await.unwrap();
    }
}
