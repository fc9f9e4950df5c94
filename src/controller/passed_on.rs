//! Which calls of a source's controller a destination makes for a peer.

use super::port::{ControllerError, VerbatimCall};

/// Calls that are made for a peer: they only read, or check. The agent's user may do far more, and a peer must not.
const PASSED_ON: &[(&str, &[&str])] = &[
    ("Controller", &["ControllerConfig", "ControllerVersion", "IdentityProviderURL"]),
    ("MigrationTarget", &["CACert", "Prechecks"]),
    ("UserManager", &["UserInfo"]),
];

/// What the peer's gateway asks to pose as this controller: the reply to the agent's own last login.
const LOGIN: (&str, &str) = ("Admin", "Login");

/// Reports whether a peer's call is made here.
pub fn is_passed_on(call: &VerbatimCall) -> bool {
    PASSED_ON.iter().any(|(facade, methods)| *facade == call.facade && methods.contains(&call.method.as_str()))
}

/// Reports whether a peer asks how this controller answers a login.
pub fn asks_for_login(call: &VerbatimCall) -> bool {
    (call.facade.as_str(), call.method.as_str()) == LOGIN
}

/// Refuses a call that is not made for a peer.
pub fn not_passed_on(call: &VerbatimCall) -> ControllerError {
    ControllerError::Refused(format!("`{}.{}` is not passed on to the controller here", call.facade, call.method))
}
