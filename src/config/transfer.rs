//! The `[transfer]` table: how binaries travel.

use serde::Deserialize;

/// Whether a binary may be sent as what differs from one that the target holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Patches {
    /// Never. Chunks that the target holds do not travel all the same.
    #[default]
    Off,
    /// Where it is clearly faster than sending its chunks, by the link's rate and this host's speed, as they were measured.
    Auto,
}

/// How binaries travel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TransferConfig {
    /// Whether one may be sent as a patch.
    pub patches: Patches,
}
