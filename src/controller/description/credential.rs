//! What of a cloud credential is looked at besides its name: when it ends. Its attributes are secrets, and stay in the bytes.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, IgnoredAny};

use crate::controller::expiry;

/// An attribute of a credential.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Attribute {
    Text(String),
    Other(IgnoredAny),
}

/// Reads when the first token among the attributes ends, Unix seconds.
pub(super) fn ends<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let attributes = Option::<BTreeMap<String, Attribute>>::deserialize(deserializer)?.unwrap_or_default();
    let ends = attributes.values().filter_map(|attribute| match attribute {
        Attribute::Text(text) => expiry::of_token(text),
        Attribute::Other(IgnoredAny) => None,
    });
    Ok(ends.min())
}
