//! Which requests exist, and who may send them.

use super::*;

#[test]
fn a_request_with_a_field_too_many_is_refused() {
    let text = r#"{"verb":"abort","id":"x","force":true}"#;
    assert!(serde_json::from_str::<Request>(text).unwrap_err().to_string().contains("force"));
}

#[test]
fn a_peer_can_ask_for_nothing_that_changes_anything() {
    for request in [
        Request::Models { controller: None },
        Request::ShowModel { model: "prod".into(), held: false },
        Request::ModelStatus { model: "prod".into(), held: false },
        Request::ShowController { controller: None },
        Request::Verify { id: "prod".into() },
    ] {
        assert!(request.peer_may_ask() && !request.changes());
    }
    for third in [
        Request::Models { controller: Some("west".into()) },
        Request::ShowController { controller: Some("west".into()) },
        Request::ShowModel { model: "west:prod".into(), held: false },
        Request::ModelStatus { model: "west:prod".into(), held: false },
    ] {
        assert!(!third.peer_may_ask(), "{third:?}");
    }
    assert!(!Request::Abort { id: "prod".into() }.peer_may_ask());
    assert!(!Request::Identity {}.peer_may_ask());
    // A migration begins at the agent of its source, at an operator's wish there.
    let (model, peer) = ("prod".to_owned(), "west".to_owned());
    let migrate = serde_json::json!({ "verb": "migrate", "model": model, "peer": peer });
    let asked: Request = serde_json::from_value(migrate).unwrap();
    assert!(matches!(asked, Request::Migrate { .. }) && !asked.peer_may_ask());
    assert!(!Request::Precopy { model: model.clone(), peer: peer.clone(), bwlimit: None }.peer_may_ask());
    assert!(!Request::BackupKeep { model, peer }.peer_may_ask());
}
