//! What only a pair of controllers shows, where a Juju controller migrates a model through a gateway: whether the model's agents
//! get to the destination, and whether everything holds for as long as that takes.

mod agents;
mod certificate;
mod lifetimes;
mod registries;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use modelferry_protocol::plan::Finding;

pub use self::agents::FOLLOWS_REDIRECTS;
pub use self::certificate::{Shown, WARN_DAYS, complaint};
pub use self::lifetimes::lifetimes;

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

/// Judges a pair. `budget`: for how long the model may be frozen.
pub fn findings(departing: &Departing, arriving: &Arriving, budget: Duration) -> Vec<Finding> {
    let mut findings = vec![certificate::finding(departing, arriving)];
    findings.extend(agents::findings(departing, arriving, budget));
    findings.push(route::finding(departing, arriving));
    findings.push(registries::finding(departing, arriving));
    findings.push(agents::again(departing, arriving));
    findings
}

/// Says a time to people: `90 s`, `15 min`.
fn said(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
