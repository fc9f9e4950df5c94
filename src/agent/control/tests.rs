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
    assert!(!Request::Abort { id: "prod".into() }.peer_may_ask());
    assert!(!Request::Identity {}.peer_may_ask());
}
