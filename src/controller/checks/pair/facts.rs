//! What the two sides know of a pair of controllers and of the model that goes from one to the other.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a controller waits for the agents of a model in each phase, unless its configuration says otherwise.
pub const AGENT_WAIT_DEFAULT: Duration = Duration::from_secs(15 * 60);

/// What the source's side knows of a model that its controller migrates.
#[derive(Debug, Clone, Default)]
pub struct Departing {
    /// The model's name, for commands.
    pub model: String,
    /// The agents that follow the model, by version: how many of each.
    pub agents: BTreeMap<String, usize>,
    /// Whether the model is on Kubernetes.
    pub is_kubernetes: bool,
    /// Whether it offers something.
    pub has_offers: bool,
    /// The source controller's name.
    pub controller: String,
    /// How long the source controller waits for the agents in each phase: `migration-agent-wait-time`.
    pub agent_wait: Duration,
    /// Where the source controller has images of agents from: `caas-image-repo`.
    pub image_repo: String,
    /// What ends by itself.
    pub proofs: Vec<Proof>,
}

/// A proof of identity that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What it is, for people.
    pub what: String,
    /// When it ends, Unix seconds.
    pub ends_s: u64,
    /// The command that renews it.
    pub fix: String,
}

/// The certificate that a gateway shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// One by a CA of the agent's own.
    Own,
    /// One that the destination's CA has signed; it holds for so many days.
    Signed(u64),
    /// One that has ended, or that another CA than the destination's has signed.
    Refused,
}

/// The gateway, and the controller that it stands for.
#[derive(Debug, Clone)]
pub struct Arriving {
    /// The peer beside the destination's controller.
    pub peer: String,
    /// The destination controller's name.
    pub controller: String,
    /// The version of Juju that it runs.
    pub version: String,
    /// Agents that it lets log in at once: `agent-ratelimit-max`; 0 for no limit.
    pub burst: u32,
    /// Time after which it lets one more in: `agent-ratelimit-rate`.
    pub every: Duration,
    /// Where it has images of agents from; nothing if it has not told.
    pub image_repo: Option<String>,
    /// The certificate that the gateway shows.
    pub certificate: Shown,
    /// Whether the configuration says that the machines reach the destination's API.
    pub route_shown: bool,
    /// The destination's addresses, and what came of a connection to each from the agent's host.
    pub routes: Vec<(String, Result<(), String>)>,
}

/// Says a time to people: `90 s`, `15 min`.
pub(super) fn said(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
