//! The `[transfer]` table: how binaries travel.

use serde::Deserialize;

use super::table::{table, values};

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

table! {
    /// How binaries travel.
    [Clone, Copy, Default, PartialEq, Eq] pub struct TransferConfig in "transfer" {
        /// Whether a binary may be sent as what differs from one that the target holds: `off`, never; `auto`, where it is
        /// clearly faster, by the link's rate and this host's speed as they were measured.
        pub patches: Patches => "off" [serde(default)],
    }
}

values! {
    Patches: "`off` or `auto`";
}
