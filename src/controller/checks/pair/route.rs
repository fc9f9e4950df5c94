//! Whether the model's machines reach the destination's API, which they need for good.

use modelferry_protocol::plan::Finding;

use super::facts::{Arriving, Departing};
use crate::controller::checks::{pass, warn};

/// Returns the command that tries the destination's API from every machine of the model.
pub(super) fn command(departing: &Departing, arriving: &Arriving) -> String {
    let first = arriving.routes.first().map_or("HOST:PORT", |(address, _)| address);
    let (host, port) = first.rsplit_once(':').unwrap_or((first, "17070"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let whom = if departing.is_kubernetes { "--application APPLICATION" } else { "--all" };
    format!("juju exec {whom} -m {} -- timeout 5 bash -c '</dev/tcp/{host}/{port}'", departing.model)
}

pub(super) fn finding(departing: &Departing, arriving: &Arriving) -> Finding {
    let check = "agent-route";
    let line = command(departing, arriving);
    if arriving.routes.is_empty() {
        let text = format!(
            "\"{}\" names no address but loopback ones, which agents drop: the model's agents would have nowhere to go",
            arriving.controller
        );
        return warn(
            check,
            text,
            format!("modelferry show-controller {} # give its agent the real addresses", arriving.peer),
        );
    }
    if arriving.route_shown {
        return pass(
            check,
            "the configuration says that the model's machines reach the destination's API (route-shown)",
        );
    }
    let reached: Vec<&str> =
        arriving.routes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(address, _)| &**address).collect();
    if !reached.is_empty() {
        let at = reached.join(", ");
        return pass(
            check,
            format!("this host reaches the destination's API at {at}; every machine of the model is tried by `{line}`"),
        );
    }
    let failed: Vec<String> = arriving
        .routes
        .iter()
        .filter_map(|(address, outcome)| Some(format!("{address}: {}", outcome.as_ref().err()?)))
        .collect();
    let text = format!(
        "this host does not reach the destination's API ({}); the model's machines must, or VALIDATION fails and the source aborts",
        failed.join("; ")
    );
    warn(check, text, line)
}
