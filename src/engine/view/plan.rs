//! Views of a plan.

use serde::{Deserialize, Serialize};

use super::finding::FindingView;
use crate::controller::checks::network::NetworkTable;

/// What a migration would meet. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlanView {
    /// The model's name.
    pub model: String,
    /// The model's owner.
    pub owner: String,
    /// The model's UUID.
    pub model_uuid: String,
    /// The peer.
    pub peer: String,
    /// The other side's controller.
    pub controller: String,
    /// Whether nothing stands against it.
    pub ok: bool,
    /// Everything that was checked, on both sides.
    pub findings: Vec<FindingView>,
    /// The model's networks, and what the other side knows of them.
    pub networks: NetworkTable,
    /// Bytes of the description and all binaries.
    pub bytes_total: u64,
    /// Of those, on the target already.
    pub bytes_held: u64,
    /// The rest.
    pub bytes_to_send: u64,
    /// Round trip to the peer, milliseconds.
    pub rtt_ms: f64,
    /// How fast bytes go to the peer; nothing if no migration has measured it yet.
    pub rate: Option<RateView>,
    /// What an operator allows to be sent there, in words, if that is less than the rate: `limit for east is 0 until 06:00`.
    #[serde(default)]
    pub limit: Option<String>,
    /// How long sending takes at that rate, milliseconds, or at the limit; the model is live meanwhile. Nothing if the rate is
    /// not known, or the limit is 0.
    pub eta_ms: Option<u64>,
    /// How long the model would be frozen.
    pub freeze: FreezeView,
    /// Whether the model could come back once it has moved.
    pub way_back: WayBackView,
}

/// What several models have together. What more than one of them has counts once, as it travels once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TotalsView {
    /// Bytes of all their descriptions and binaries.
    pub bytes_total: u64,
    /// Of those, on the target already.
    pub bytes_held: u64,
    /// The rest.
    pub bytes_to_send: u64,
    /// How long sending takes at the rate that was measured, milliseconds; nothing if that is not known.
    pub eta_ms: Option<u64>,
}

/// A rate that was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RateView {
    /// Plain bytes per second.
    pub bytes_per_second: u64,
    /// When, Unix milliseconds.
    pub measured_ms: u64,
}

/// How long a model is expected to be frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FreezeView {
    /// Reckoned from the round trip and the bytes, milliseconds.
    pub expected_ms: u64,
    /// How long the last model that moved to this peer was frozen, milliseconds.
    pub last_ms: Option<u64>,
}

/// Whether a model can come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WayBackView {
    /// Whether it can.
    pub exists: bool,
    /// Why not, or under which condition.
    pub text: String,
    /// The command, for the host of the other agent; empty where there is no way.
    pub command: String,
}
