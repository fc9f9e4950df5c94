//! Statuses: of models, machines, units and whatever else has one.

use serde::{Deserialize, Deserializer};

/// A status, as the model's controller last had it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Juju's word for it: `started`, `active`, `idle`.
    pub value: String,
    /// What there is to say about it.
    pub message: String,
    /// Since when, in RFC 3339.
    pub updated: String,
}

/// Reads a status out of its wrapper, `{version: 2, status: {…}}`.
pub(super) fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Status, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Wrapper {
        status: Option<Status>,
    }
    Ok(Option::<Wrapper>::deserialize(deserializer)?.and_then(|wrapper| wrapper.status).unwrap_or_default())
}
