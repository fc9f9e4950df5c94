//! Secrets: who owns them and where they are kept. Never what they say.

use serde::Deserialize;

use super::wire::{listed, or_default};

/// A secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Secret {
    /// Its 20 characters.
    pub id: String,
    /// Tag of its owner.
    pub owner: String,
    /// Its revisions.
    #[serde(deserialize_with = "or_default")]
    pub revisions: Vec<SecretRevision>,
    /// Who reads it.
    #[serde(deserialize_with = "or_default")]
    pub consumers: Vec<SecretConsumer>,
}

/// Who reads a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SecretConsumer {
    /// Its tag.
    pub consumer: String,
}

/// A secret of another model that this one reads.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RemoteSecret {
    /// Its 20 characters.
    pub id: String,
    /// Tag of who reads it.
    pub consumer: String,
}

/// A revision of a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct SecretRevision {
    /// Its number.
    pub number: i64,
    /// Where its content is, if that is not in the controller.
    pub value_ref: Option<ValueRef>,
}

/// Where a secret's content is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ValueRef {
    /// Id of the secret back-end.
    pub backend_id: String,
}

listed!(
    Secret = "secrets" by |secret| &secret.id,
    RemoteSecret = "remote-secrets" by |secret| &secret.id,
);
