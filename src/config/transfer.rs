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
    /// How to send binaries.
    [Clone, Copy, Default, PartialEq, Eq] pub struct TransferConfig in "transfer" {
        /// Whether to send a binary as its difference from one that the target holds: `off`, never; `auto`, if that is
        /// clearly faster, judged by the measured speeds of the link and of this host.
        pub patches: Patches => "off" [serde(default)],
    }
}

values! {
    Patches: "`off` or `auto`";
}
