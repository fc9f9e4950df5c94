//! The `[transfer]` table: how to send binaries.

use serde::Deserialize;

use super::table::{table, values};

/// Whether to send a binary as its difference from one that the target holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Patches {
    /// Never. Chunks that the target holds are skipped all the same.
    #[default]
    Off,
    /// If it is clearly faster than sending chunks, judged by the measured speeds of the link and of this host.
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
