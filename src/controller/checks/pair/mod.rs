//! What only a pair of controllers shows, where a Juju controller migrates a model through a gateway: whether the model's agents
//! get to the destination, and whether everything holds for as long as that takes.

mod agents;
mod certificate;
mod facts;
mod lifetimes;
mod registries;
mod route;
#[cfg(test)]
mod tests;

use std::time::Duration;

use modelferry_protocol::plan::Finding;

pub use self::agents::FOLLOWS_REDIRECTS;
pub use self::certificate::{WARN_DAYS, complaint};
pub use self::facts::{AGENT_WAIT_DEFAULT, Arriving, Departing, Proof, Shown};
pub use self::lifetimes::lifetimes;

/// Judges a pair. `budget`: for how long the model may be frozen.
pub fn findings(departing: &Departing, arriving: &Arriving, budget: Duration) -> Vec<Finding> {
    let mut findings = vec![certificate::finding(departing, arriving)];
    findings.extend(agents::findings(departing, arriving, budget));
    findings.push(route::finding(departing, arriving));
    findings.push(registries::finding(departing, arriving));
    findings.push(agents::again(departing, arriving));
    findings
}
