//! `AllWatcher` 3 and `AllModelWatcher` 4: what there is, and then whatever changes. `Next` waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::model_config::settings;
use super::model_manager::{description, status};
use crate::controller::description::Description;
use crate::controller::embedded::api::caller::{Caller, Subject, reply};
use crate::controller::embedded::api::statuses::full_status::full_status;
use crate::controller::embedded::records::record::ModelRecord;
use crate::disk::blocking;
use crate::juju::params::common::EntityStatus;
use crate::juju::params::status::{Base, DetailedStatus, FullStatus, MachineStatus, ModelStatusInfo, UnitStatus};
use crate::juju::params::tag;
use crate::juju::params::watcher::{NextResults, WatcherId};
use crate::juju::rpc::{ErrorCode, RpcError};

/// How often it is looked for changes: the controller runs nothing, so little changes, and its clients are few.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Watchers of one connection.
const WATCHERS_MAX: usize = 16;

/// A kind of thing with its name, and the thing.
type Things = BTreeMap<(&'static str, String), Value>;

/// The watchers of a connection.
#[derive(Default)]
pub(in crate::controller::embedded::api) struct Watchers {
    begun: Mutex<(u64, BTreeMap<String, Arc<Watcher>>)>,
}

struct Watcher {
    /// What the client has been told.
    told: tokio::sync::Mutex<Things>,
    stopped: watch::Sender<bool>,
}

impl Watchers {
    /// Begins one.
    pub(in crate::controller::embedded::api) async fn begin(&self, caller: &Arc<Caller>) -> Result<Value, RpcError> {
        let looked = Arc::clone(caller);
        blocking(move || if looked.subject == Subject::Controller { looked.must_be_superuser() } else { Ok(()) })
            .await?;
        let mut begun = self.begun.lock();
        if begun.1.len() >= WATCHERS_MAX {
            return Err(RpcError::new(ErrorCode::QuotaLimitExceeded, "too many watchers on this connection"));
        }
        begun.0 += 1;
        let watcher_id = begun.0.to_string();
        let watcher = Watcher { told: tokio::sync::Mutex::default(), stopped: watch::Sender::new(false) };
        begun.1.insert(watcher_id.clone(), Arc::new(watcher));
        reply(&WatcherId { watcher_id })
    }

    /// Ends one.
    pub(in crate::controller::embedded::api) fn stop(&self, id: &str) -> Result<Value, RpcError> {
        let mut begun = self.begun.lock();
        let watcher = begun.1.remove(id).ok_or_else(RpcError::unknown_id)?;
        watcher.stopped.send_replace(true);
        Ok(Value::Null)
    }

    /// Waits until something is other than the client was told, and tells what.
    pub(in crate::controller::embedded::api) async fn next(
        &self,
        caller: &Arc<Caller>,
        id: &str,
    ) -> Result<Value, RpcError> {
        let watcher = {
            let begun = self.begun.lock();
            begun.1.get(id).cloned().ok_or_else(RpcError::unknown_id)?
        };
        let mut stopped = watcher.stopped.subscribe();
        let mut told = watcher.told.lock().await;
        loop {
            let looked = Arc::clone(caller);
            let things = blocking(move || things(&looked)).await?;
            let deltas = deltas(&told, &things);
            if !deltas.is_empty() {
                *told = things;
                return reply(&NextResults { deltas });
            }
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => {
                    return Err(RpcError::new(ErrorCode::Stopped, "watcher was stopped"));
                }
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
    }
}

/// Returns what has changed between two looks, the model first.
fn deltas(before: &Things, now: &Things) -> Vec<(String, String, Value)> {
    let changed = now.iter().filter(|(key, thing)| before.get(key) != Some(thing));
    let mut deltas: Vec<_> =
        changed.map(|((kind, _), thing)| ((*kind).to_owned(), "change".to_owned(), thing.clone())).collect();
    let gone = before.iter().filter(|(key, _)| !now.contains_key(key));
    deltas.extend(gone.map(|((kind, _), thing)| ((*kind).to_owned(), "remove".to_owned(), thing.clone())));
    deltas.sort_by_key(|(kind, ..)| kind != "model");
    deltas
}

/// Looks at everything that the connection watches.
fn things(caller: &Caller) -> Result<Things, RpcError> {
    let mut things = Things::new();
    match caller.subject {
        Subject::Controller => {
            for (record, _) in caller.models_of(caller.user()?, true)? {
                let (status, _) = status(caller, &record, "");
                add_model(&mut things, caller, &record, status);
            }
        }
        Subject::Model(_) => {
            let (record, _) = caller.own_model(true)?;
            let (status, _) = status(caller, &record, "");
            add_model(&mut things, caller, &record, status);
            if let Some(told) = description(caller, &record)? {
                let inside = full_status(ModelStatusInfo::default(), &told, false, String::new());
                add_inside(&mut things, &record, &told, &inside);
            }
        }
    }
    Ok(things)
}

fn add_model(things: &mut Things, caller: &Caller, record: &ModelRecord, status: EntityStatus) {
    let uuid = record.uuid.to_string();
    let inner = caller.api.inner();
    let config = settings(caller, record);
    let model = json!({
        "model-uuid": uuid,
        "name": record.name,
        "type": record.summary.model_type,
        "version": config["agent-version"],
        "config": config,
        "life": crate::controller::embedded::api::statuses::full_status::ALIVE,
        "owner": record.owner,
        "controller-uuid": inner.identity.uuid.to_string(),
        "is-controller": record.controller,
        "cloud": record.summary.cloud,
        "cloud-region": record.summary.region,
        "status": { "current": status.status, "message": status.info, "since": status.since, "version": "" },
        "constraints": {},
        "sla": { "level": "unsupported", "owner": record.owner },
    });
    things.insert(("model", uuid), model);
}

fn info(status: &DetailedStatus) -> Value {
    json!({ "current": status.status, "message": status.info, "since": status.since, "version": status.version })
}

fn base(of: &Base) -> String {
    format!("{}@{}", of.name, of.channel)
}

fn add_machines(things: &mut Things, uuid: &str, machines: &BTreeMap<String, MachineStatus>) {
    for (id, machine) in machines {
        let address = |value: &String| {
            let kind = if value.contains(':') { "ipv6" } else { "ipv4" };
            json!({ "value": value, "type": kind, "scope": "" })
        };
        // A container's id is its host's, its kind and its number.
        let container = id.rsplit('/').nth(1).unwrap_or_default();
        let told = json!({
            "model-uuid": uuid,
            "id": id,
            "instance-id": machine.instance_id,
            "agent-status": info(&machine.agent_status),
            "instance-status": info(&machine.instance_status),
            "life": crate::controller::embedded::api::statuses::full_status::ALIVE,
            "base": base(&machine.base),
            "container-type": container,
            "supported-containers": [],
            "supported-containers-known": false,
            "jobs": ["JobHostUnits"],
            "addresses": machine.ip_addresses.iter().map(address).collect::<Vec<_>>(),
            "has-vote": false,
            "wants-vote": false,
        });
        things.insert(("machine", id.clone()), told);
        add_machines(things, uuid, &machine.containers);
    }
}

fn add_inside(things: &mut Things, record: &ModelRecord, description: &Description, inside: &FullStatus) {
    let uuid = &record.uuid.to_string();
    add_machines(things, uuid, &inside.machines);
    for (name, application) in &inside.applications {
        let described = description.applications.iter().find(|it| it.name == *name);
        let told = json!({
            "model-uuid": uuid,
            "name": name,
            "exposed": application.exposed,
            "charm-url": application.charm,
            "owner-tag": tag::user(&record.owner),
            "life": crate::controller::embedded::api::statuses::full_status::ALIVE,
            "min-units": described.map_or(0, |it| it.min_units),
            "constraints": {},
            "subordinate": !application.subordinate_to.is_empty(),
            "status": info(&application.status),
            "workload-version": application.workload_version,
        });
        things.insert(("application", name.clone()), told);
        add_units(things, uuid, inside, (name, ""), &application.units);
    }
    for relation in &inside.relations {
        let endpoints: Vec<Value> = relation
            .endpoints
            .iter()
            .map(|end| {
                json!({
                    "application-name": end.application,
                    "relation": { "name": end.name, "role": end.role, "interface": relation.interface,
                        "optional": false, "limit": 0, "scope": relation.scope },
                })
            })
            .collect();
        let told = json!({ "model-uuid": uuid, "key": relation.key, "id": relation.id, "endpoints": endpoints });
        things.insert(("relation", relation.key.clone()), told);
    }
}

/// Reads ports as status shows them, `80/tcp` or `8000-8010/udp`.
fn port_range(shown: &str) -> Option<(u16, u16, &str)> {
    let (ports, protocol) = shown.split_once('/')?;
    let (from, to) = ports.split_once('-').unwrap_or((ports, ports));
    Some((from.parse().ok()?, to.parse().ok()?, protocol))
}

/// Adds units of an application; of a subordinate's, with the name of their principal.
fn add_units(
    things: &mut Things,
    uuid: &str,
    inside: &FullStatus,
    (application, principal): (&str, &str),
    units: &BTreeMap<String, UnitStatus>,
) {
    let whole = inside.applications.get(application);
    for (name, unit) in units {
        let ranges: Vec<_> = unit.opened_ports.iter().filter_map(|shown| port_range(shown)).collect();
        let single = ranges.iter().filter(|(from, to, _)| from == to);
        let charm =
            if unit.charm.is_empty() { whole.map(|it| it.charm.as_str()).unwrap_or_default() } else { &unit.charm };
        let told = json!({
            "model-uuid": uuid,
            "name": name,
            "application": application,
            "base": whole.map(|it| base(&it.base)).unwrap_or_default(),
            "charm-url": charm,
            "machine-id": unit.machine,
            "principal": principal,
            "subordinate": !principal.is_empty(),
            "life": crate::controller::embedded::api::statuses::full_status::ALIVE,
            "public-address": unit.public_address,
            "private-address": unit.public_address,
            "ports": single.map(|(port, _, of)| json!({ "protocol": of, "number": port })).collect::<Vec<_>>(),
            "port-ranges": ranges
                .iter()
                .map(|(from, to, of)| json!({ "from-port": from, "to-port": to, "protocol": of }))
                .collect::<Vec<_>>(),
            "workload-status": info(&unit.workload_status),
            "agent-status": info(&unit.agent_status),
        });
        things.insert(("unit", name.clone()), told);
        for (subordinate, unit) in &unit.subordinates {
            let application = subordinate.split('/').next().unwrap_or(subordinate);
            let one = BTreeMap::from([(subordinate.clone(), unit.clone())]);
            add_units(things, uuid, inside, (application, name), &one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delta_tells_what_has_changed_and_what_is_gone() {
        let things = |told: &[(&'static str, &str, u8)]| -> Things {
            told.iter().map(|(kind, name, value)| ((*kind, (*name).to_owned()), json!(value))).collect()
        };
        let before = things(&[("machine", "0", 1), ("unit", "db/0", 1), ("model", "m", 1)]);
        assert!(deltas(&before, &before).is_empty());
        let told = deltas(&before, &things(&[("machine", "0", 1), ("unit", "db/0", 2), ("model", "m", 2)]));
        let told: Vec<_> = told.iter().map(|(kind, change, _)| (kind.as_str(), change.as_str())).collect();
        assert_eq!(told, [("model", "change"), ("unit", "change")]);
        let told = deltas(&before, &things(&[("machine", "0", 1), ("model", "m", 1)]));
        assert_eq!((told[0].0.as_str(), told[0].1.as_str()), ("unit", "remove"));
    }
}
