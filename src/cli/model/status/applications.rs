//! Applications and their units, in Juju's tables.

use super::cut::cut;
use crate::cli::output::{Paint, Table};
use crate::controller::status::ModelStatus;
use crate::controller::status::application::{ApplicationStatus, UnitStatus};

/// Characters of a version at most: machines tell a number, images on Kubernetes their names.
const VERSION_CHARS_MAX: usize = 15;
/// Likewise on Kubernetes.
const VERSION_CHARS_MAX_CAAS: usize = 30;

/// Hooks that a unit runs for itself; those of relations and storage are not told in the table.
const HOOKS: [&str; 14] = [
    "install",
    "start",
    "config-changed",
    "upgrade-charm",
    "stop",
    "remove",
    "collect-metrics",
    "meter-status-changed",
    "leader-elected",
    "leader-deposed",
    "leader-settings-changed",
    "update-status",
    "pre-series-upgrade",
    "post-series-upgrade",
];

/// Returns the applications.
pub(super) fn applications(inside: &ModelStatus, caas: bool) -> Table {
    let mut columns = vec!["App", "Version", "Status", ">Scale", "Charm", "Channel", ">Rev"];
    if caas {
        columns.push("Address");
    }
    columns.extend(["Exposed", "Message"]);
    let paints =
        [("Status", Paint::Status), ("Scale", Paint::Scale), ("Address", Paint::Address), ("Exposed", Paint::Answer)];
    let mut table = Table::new(&columns).paint(&paints);
    for (name, application) in inside.applications.iter() {
        let version = version(&application.version, caas);
        let (scale, revision) = (scale(inside, name, application), application.charm_rev.to_string());
        let message = cut(&application.application_status.message);
        let mut cells = vec![
            name,
            &version,
            &application.application_status.current,
            &scale,
            &application.charm_name,
            &application.charm_channel,
            &revision,
        ];
        if caas {
            cells.push(&application.address);
        }
        cells.extend([if application.exposed { "yes" } else { "no" }, &message]);
        table.row(cells);
    }
    table
}

/// Returns a version's first line, as long as it may be.
fn version(version: &str, caas: bool) -> String {
    let max = if caas { VERSION_CHARS_MAX_CAAS } else { VERSION_CHARS_MAX };
    let line = version.lines().next().unwrap_or("");
    if line.chars().count() <= max {
        return line.to_owned();
    }
    line.chars().take(max - 3).chain("...".chars()).collect()
}

/// Returns how many of an application's units are there, and of how many if some are not.
fn scale(inside: &ModelStatus, name: &str, application: &ApplicationStatus) -> String {
    let of_application = |unit: &str| unit.rsplit_once('/').is_some_and(|(application, _)| application == name);
    let units: Vec<&UnitStatus> = if application.subordinate_to.is_empty() {
        application.units.values().collect()
    } else {
        let principals = inside.applications.values().flat_map(|principal| principal.units.values());
        let subordinates = principals.flat_map(|unit| unit.subordinates.iter());
        subordinates.filter(|(unit, _)| of_application(unit)).map(|(_, unit)| unit).collect()
    };
    let there = |unit: &&&UnitStatus| matches!(unit.juju_status.current.as_str(), "idle" | "executing" | "running");
    let present = units.iter().filter(there).count() as u64;
    let wanted = if application.scale > 0 { application.scale } else { units.len() as u64 };
    if present == wanted { present.to_string() } else { format!("{present}/{wanted}") }
}

/// Returns the units, each followed by those that accompany it.
pub(super) fn units(inside: &ModelStatus, caas: bool) -> Table {
    let mut table = if caas {
        Table::new(&["Unit", "Workload", "Agent", "Address", "Ports", "Message"])
    } else {
        Table::new(&["Unit", "Workload", "Agent", "Machine", "Public address", "Ports", "Message"])
    };
    table = table.paint(&[
        ("Workload", Paint::Status),
        ("Agent", Paint::Status),
        ("Address", Paint::Address),
        ("Public address", Paint::Address),
        ("Ports", Paint::Ports),
    ]);
    let mut all: Vec<(&str, &UnitStatus)> =
        inside.applications.values().flat_map(|application| application.units.iter()).collect();
    all.sort_by(|(a, _), (b, _)| crate::controller::status::named::natural(a, b));
    for (name, unit) in all {
        row(&mut table, name, unit, caas);
        for (name, subordinate) in unit.subordinates.iter() {
            row(&mut table, &format!("  {name}"), subordinate, caas);
        }
    }
    table
}

fn row(table: &mut Table, name: &str, unit: &UnitStatus, caas: bool) {
    let name = format!("{name}{}", if unit.leader { "*" } else { "" });
    let (ports, message) = (ports(&unit.open_ports), message(unit));
    let mut cells = vec![name.as_str(), &unit.workload_status.current, &unit.juju_status.current];
    if caas {
        cells.push(&unit.address);
    } else {
        cells.extend([unit.machine.as_str(), &unit.public_address]);
    }
    cells.extend([ports.as_str(), &message]);
    table.row(cells);
}

/// Returns what there is to say of a unit: what its charm says, behind the hook or action that it runs.
fn message(unit: &UnitStatus) -> String {
    let (workload, agent) = (&unit.workload_status.message, &unit.juju_status);
    let message = if agent.current == "allocating" && workload.is_empty() { &agent.message } else { workload };
    match doing(&agent.current, &agent.message) {
        Some(doing) => cut(&format!("({doing}) {message}")),
        None => cut(message),
    }
}

fn doing<'a>(current: &str, message: &'a str) -> Option<&'a str> {
    let running = message.strip_prefix("running ").filter(|_| current == "executing")?;
    let hook = running.strip_suffix(" hook").filter(|hook| HOOKS.contains(hook));
    hook.or_else(|| running.strip_prefix("action "))
}

/// Joins ports as Juju does: `80,443/tcp 53/udp`, neighbours as a range.
fn ports(open: &[String]) -> String {
    // By protocol; within one, what is no number, such as a range, stays as it is.
    let mut protocols: Vec<(&str, Vec<&str>)> = Vec::new();
    for port in open {
        let (port, protocol) = port.split_at(port.find('/').unwrap_or(0));
        match protocols.iter_mut().find(|(known, _)| *known == protocol) {
            Some((_, ports)) => ports.push(port),
            None => protocols.push((protocol, vec![port])),
        }
    }
    protocols.sort();
    let joined = protocols.into_iter().map(|(protocol, mut ports)| {
        ports.sort_by_key(|port| (port.len(), *port));
        let mut shown: Vec<(&str, &str)> = Vec::new();
        for port in ports {
            match shown.last_mut() {
                Some((_, last)) if follows(last, port) => *last = port,
                _ => shown.push((port, port)),
            }
        }
        let range = |(first, last): &(&str, &str)| {
            if first == last { (*first).to_owned() } else { format!("{first}-{last}") }
        };
        format!("{}{protocol}", shown.iter().map(range).collect::<Vec<_>>().join(","))
    });
    joined.collect::<Vec<_>>().join(" ")
}

fn follows(last: &str, port: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().ok();
    number(last).zip(number(port)).is_some_and(|(last, port)| last + 1 == port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::status::StatusInfo;

    #[test]
    fn ports_are_joined_by_protocol_and_neighbours_are_a_range() {
        for (open, shown) in [
            (&["8776/tcp"][..], "8776/tcp"),
            (&["443/tcp", "80/tcp", "53/udp"], "80,443/tcp 53/udp"),
            (&["8001/tcp", "8000/tcp", "8002/tcp", "22/tcp"], "22,8000-8002/tcp"),
            (&["100-200/tcp", "icmp"], "100-200/tcp icmp"),
            (&[], ""),
        ] {
            let open: Vec<String> = open.iter().map(|port| (*port).to_owned()).collect();
            assert_eq!(ports(&open), shown);
        }
    }

    #[test]
    fn a_hook_that_runs_stands_before_the_message() {
        let mut unit = UnitStatus {
            workload_status: StatusInfo { current: "active".into(), message: "ready".into(), ..StatusInfo::default() },
            juju_status: StatusInfo {
                current: "executing".into(),
                message: "running config-changed hook".into(),
                ..StatusInfo::default()
            },
            ..UnitStatus::default()
        };
        assert_eq!(message(&unit), "(config-changed) ready");
        unit.juju_status.message = "running action backup".into();
        assert_eq!(message(&unit), "(backup) ready");
        unit.juju_status.message = "running db-relation-changed hook".into();
        assert_eq!(message(&unit), "ready");
        unit.juju_status =
            StatusInfo { current: "allocating".into(), message: "waiting for machine".into(), ..StatusInfo::default() };
        unit.workload_status.message.clear();
        assert_eq!(message(&unit), "waiting for machine");
    }

    #[test]
    fn a_long_version_is_cut() {
        assert_eq!(version("1.2.3\nmore", false), "1.2.3");
        assert_eq!(version(&"9".repeat(16), false), "999999999999...");
        assert_eq!(version(&"9".repeat(30), true), "9".repeat(30));
    }
}
