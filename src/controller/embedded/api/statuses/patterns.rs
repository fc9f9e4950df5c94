//! What `juju status PATTERN…` leaves of a status.

use std::collections::{BTreeMap, BTreeSet};

use crate::juju::params::status::{ApplicationStatus, FullStatus, UnitStatus};
use crate::juju::rpc::{ErrorCode, RpcError};

/// Patterns that a client may send.
const PATTERNS_MAX: usize = 256;
/// Bytes that each may have.
const PATTERN_BYTES_MAX: usize = 256;

/// Keeps the applications, units and machines that one of the patterns names, with everything that they stand on: units'
/// applications and machines, machines' units, subordinates and their principals.
///
/// Errors: what is no pattern, in words.
pub(in crate::controller::embedded::api) fn keep(status: &mut FullStatus, patterns: &[String]) -> Result<(), RpcError> {
    if patterns.is_empty() {
        return Ok(());
    }
    if patterns.len() > PATTERNS_MAX || patterns.iter().any(|pattern| pattern.len() > PATTERN_BYTES_MAX) {
        return Err(RpcError::new(ErrorCode::BadRequest, "too many patterns, or one that is too long"));
    }
    let named = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
    let machines: BTreeSet<String> = status.machines.keys().filter(|id| named(id)).cloned().collect();
    let mut stands_on = machines.clone();
    for (name, application) in &mut status.applications {
        let whole = named(name);
        application.units.retain(|unit, shown| {
            whole || named(unit) || within(&shown.machine, &machines) || shown.subordinates.keys().any(|it| named(it))
        });
        stands_on.extend(application.units.values().map(|unit| top(&unit.machine).to_owned()));
    }
    let principals: BTreeSet<String> = subordinates_of(&status.applications);
    status.applications.retain(|name, it| named(name) || !it.units.is_empty() || principals.contains(name));
    status.machines.retain(|id, shown| stands_on.contains(id) || shown.containers.keys().any(|it| named(it)));
    let applications = &status.applications;
    status
        .relations
        .retain(|relation| relation.endpoints.iter().all(|end| applications.contains_key(&end.application)));
    status.remote_applications.retain(|name, _| named(name));
    status.offers.retain(|name, offer| named(name) || applications.contains_key(&offer.application_name));
    Ok(())
}

/// Returns the machine that hosts a container.
fn top(machine: &str) -> &str {
    machine.split('/').next().unwrap_or(machine)
}

fn within(machine: &str, machines: &BTreeSet<String>) -> bool {
    machines.contains(top(machine))
}

/// Returns the applications of the subordinates that are shown.
fn subordinates_of(applications: &BTreeMap<String, ApplicationStatus>) -> BTreeSet<String> {
    let units = applications.values().flat_map(|application| application.units.values());
    let subordinates = units.flat_map(|unit: &UnitStatus| unit.subordinates.keys());
    subordinates.filter_map(|name| name.split_once('/')).map(|(application, _)| application.to_owned()).collect()
}

/// Compares a name with a pattern, in which `*` stands for any text and `?` for any character. An application's name
/// without a pattern's characters is meant whole.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` was, and how much of the name it stood for.
    let mut star: Option<(usize, usize)> = None;
    while from < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == name[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((starred, stood)) = star else { return false };
                star = Some((starred, stood + 1));
                at = starred + 1;
                from = stood + 1;
            }
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::juju::params::status::MachineStatus;

    #[test]
    fn a_pattern_stands_for_names() {
        for (pattern, name) in [("db", "db"), ("db*", "db/0"), ("*", "web"), ("d?", "db"), ("*/1*", "db/10")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("db", "db/0"), ("db/*", "db"), ("?", "db"), ("", "db"), ("a*b", "ac")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    fn status() -> FullStatus {
        let unit = |machine: &str| UnitStatus { machine: machine.into(), ..UnitStatus::default() };
        let application = |units: &[(&str, &str)]| ApplicationStatus {
            units: units.iter().map(|(name, machine)| ((*name).to_owned(), unit(machine))).collect(),
            ..ApplicationStatus::default()
        };
        let machines = ["0", "1", "2"].map(|id| (id.to_owned(), MachineStatus::default()));
        FullStatus {
            machines: machines.into_iter().collect(),
            applications: BTreeMap::from([
                ("db".to_owned(), application(&[("db/0", "0"), ("db/1", "1/lxd/0")])),
                ("web".to_owned(), application(&[("web/0", "2")])),
            ]),
            ..FullStatus::default()
        }
    }

    #[test]
    fn what_is_named_is_shown_with_what_it_stands_on() {
        let left = |pattern: &str| {
            let mut status = status();
            keep(&mut status, &[pattern.to_owned()]).unwrap();
            let units = status.applications.values().flat_map(|it| it.units.keys().cloned()).collect::<Vec<_>>();
            (status.machines.into_keys().collect::<Vec<_>>().join(" "), units.join(" "))
        };
        assert_eq!(left("db"), ("0 1".into(), "db/0 db/1".into()));
        assert_eq!(left("db/1"), ("1".into(), "db/1".into()));
        assert_eq!(left("2"), ("2".into(), "web/0".into()));
        assert_eq!(left("nothing"), (String::new(), String::new()));
    }
}
