//! Whether the model's agents get to the destination, and in time.

use std::time::Duration;

use modelferry_protocol::plan::Finding;

use super::facts::{Arriving, Departing, Shown, said};
use super::route;
use crate::controller::checks::version::Version;
use crate::controller::checks::{fail, pass, warn};

/// The first version whose agents follow a redirect while they are migrated.
pub const FOLLOWS_REDIRECTS: Version = Version::release(3, 6, 9);
/// The first series of Juju that keeps the permissions of offers of an import that came to nothing.
const KEEPS_PERMISSIONS: Version = Version::release(4, 1, 0);
/// How long all agents' logins may take before somebody should look: the model is frozen meanwhile.
const SLOW: Duration = Duration::from_secs(120);
/// Phases in which a controller waits for the agents while the model is frozen and nothing is decided: QUIESCE and VALIDATION.
const WAITS: u32 = 2;

pub(super) fn findings(departing: &Departing, arriving: &Arriving, budget: Duration) -> Vec<Finding> {
    vec![redirects(departing, arriving), rate(departing, arriving), wait(departing, budget)]
}

fn is_old(version: &str) -> bool {
    version.parse::<Version>().is_ok_and(|version| version < FOLLOWS_REDIRECTS)
}

/// Agents before 3.6.9 follow no redirect: they are carried, or they are lost.
fn redirects(departing: &Departing, arriving: &Arriving) -> Finding {
    let check = "agent-redirects";
    let old: Vec<(&str, usize)> = departing
        .agents
        .iter()
        .filter(|(version, _)| is_old(version))
        .map(|(version, count)| (&**version, *count))
        .collect();
    let all: usize = departing.agents.values().sum();
    if old.is_empty() {
        return pass(check, format!("all {all} agents of the model follow a redirect to their new controller"));
    }
    let (count, versions) =
        (old.iter().map(|(_, count)| count).sum::<usize>(), old.iter().map(|(version, _)| *version));
    let who = format!(
        "{count} of {all} agents are older than {FOLLOWS_REDIRECTS} ({})",
        versions.collect::<Vec<_>>().join(", ")
    );
    let upgrade = format!("juju upgrade-model -m {} # to {FOLLOWS_REDIRECTS} or later", departing.model);
    if arriving.certificate == Shown::Own {
        let text = format!(
            "{who}, and the gateway's certificate is its own: such agents would keep its CA, and lose their controller once they learn \
             the real addresses"
        );
        return fail(check, text, upgrade);
    }
    if !arriving.route_shown {
        let text =
            format!("{who}: the gateway carries them only where it is known that they reach the destination's API");
        let fix = format!(
            "{upgrade}\n{}\n# where that succeeds everywhere: set route-shown = true under [gateways.{}], and restart the agent",
            route::command(departing, arriving),
            arriving.peer
        );
        return fail(check, text, fix);
    }
    let text = format!("{who}: the gateway carries them until they learn the destination's addresses");
    warn(check, text, upgrade)
}

/// A controller lets agents log in at a pace; with many of them the model is frozen for as long as that takes.
fn rate(departing: &Departing, arriving: &Arriving) -> Finding {
    let check = "agent-rate";
    let count = u32::try_from(departing.agents.values().sum::<usize>()).unwrap_or(u32::MAX);
    let takes = match arriving.burst {
        0 => Duration::ZERO,
        burst => arriving.every.saturating_mul(count.saturating_sub(burst)),
    };
    let (name, wait) = (&arriving.controller, departing.agent_wait);
    let pace = format!(
        "{count} agents log in at \"{name}\", {} at once and then one in {} ms: {}",
        arriving.burst,
        arriving.every.as_millis(),
        said(takes)
    );
    let faster =
        format!("juju controller-config --controller {name} agent-ratelimit-max={count} agent-ratelimit-rate=10ms");
    if takes > wait {
        let text = format!("{pace}; the source controller gives up after {} (migration-agent-wait-time)", said(wait));
        let longer = format!(
            "juju controller-config --controller {} migration-agent-wait-time={}m",
            departing.controller,
            takes.as_secs().div_ceil(60) + 5
        );
        return fail(check, text, format!("{faster} # or: {longer}"));
    }
    if takes > SLOW {
        return warn(check, format!("{pace}; the model is frozen meanwhile"), faster);
    }
    let text = match arriving.burst {
        0 => format!("{count} agents log in at \"{name}\", which does not limit them"),
        _ => pace,
    };
    pass(check, text)
}

/// An agent that does not report holds a frozen model for as long as the controller waits, in each phase.
fn wait(departing: &Departing, budget: Duration) -> Finding {
    let check = "agent-wait";
    let wait = departing.agent_wait;
    let text = format!(
        "the source controller waits up to {} for every agent in QUIESCE and in VALIDATION, while the model is frozen, and then aborts",
        said(wait)
    );
    if wait.saturating_mul(WAITS) > budget {
        let text = format!("{text}; the freeze may last {} in all, which ends it before", said(budget));
        let fix = format!(
            "juju controller-config --controller {} migration-agent-wait-time={}m # or `migrate --max-freeze {}m`",
            departing.controller,
            (budget.as_secs() / 60 / u64::from(WAITS)).max(1),
            wait.as_secs().div_ceil(60) * u64::from(WAITS)
        );
        return warn(check, text, fix);
    }
    pass(check, text)
}

/// An abort after the import leaves the permissions of offers behind at such a controller, and the next import fails.
pub(super) fn again(departing: &Departing, arriving: &Arriving) -> Finding {
    let check = "offers-again";
    let keeps = arriving
        .version
        .parse::<Version>()
        .is_ok_and(|version| (version.major, version.minor) >= (KEEPS_PERMISSIONS.major, KEEPS_PERMISSIONS.minor));
    if !departing.has_offers || !keeps {
        return pass(check, "after an abort the model can be migrated there again");
    }
    let text = format!(
        "the model offers something, and Juju {} keeps the permissions of an import that came to nothing: after an abort past the \
         import the model cannot come to \"{}\" again with its offers",
        arriving.version, arriving.controller
    );
    let fix =
        format!("juju offers -m {} # such an abort means: remove them, or take another controller", departing.model);
    warn(check, text, fix)
}
