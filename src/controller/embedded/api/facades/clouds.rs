//! `Cloud` 7: the one cloud that the controller is said to run in.

use serde_json::{Value, json};

use crate::controller::embedded::api::caller::{Caller, reply};
use crate::controller::embedded::api::errors::{denied, fault, no_tag};
use crate::controller::embedded::view::Access;
use crate::juju::params::common::{Outcome, Results};
use crate::juju::params::{Entities, Entity, tag};
use crate::juju::rpc::{ErrorCode, RpcCall, RpcError};

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    caller.access()?;
    let config = &caller.api.inner().config;
    let own = tag::cloud(&config.cloud);
    match call.method.as_str() {
        "Clouds" => Ok(json!({ "clouds": { own: cloud(caller) } })),
        "Cloud" => {
            let asked = call.params::<Entities>()?.entities;
            let results = asked.iter().map(|entity| match named(caller, entity) {
                Ok(()) => json!({ "cloud": cloud(caller) }),
                Err(error) => json!({ "error": error }),
            });
            Ok(json!({ "results": results.collect::<Vec<_>>() }))
        }
        "CloudInfo" => {
            let asked = call.params::<Entities>()?.entities;
            let infos = asked.iter().map(|entity| Outcome::from(info(caller, entity)));
            reply(&infos.collect::<Results<Outcome<Value>>>())
        }
        "UserCredentials" => {
            let asked = call.params.get("user-clouds").and_then(Value::as_array).map_or(0, Vec::len);
            let credentials = config.credentials.iter();
            let tags: Vec<String> = credentials
                .filter(|known| Some(known.owner.as_str()) == caller.user.as_deref())
                .map(|known| tag::credential(&config.cloud, &known.owner, &known.name))
                .collect();
            Ok(json!({ "results": vec![json!({ "result": tags }); asked] }))
        }
        _ => Err(RpcError::unknown_method(call)),
    }
}

/// Checks that a tag names the controller's cloud.
fn named(caller: &Caller, entity: &Entity) -> Result<(), RpcError> {
    match entity.tag.strip_prefix("cloud-") {
        Some(name) if name == caller.api.inner().config.cloud => Ok(()),
        Some(name) => Err(RpcError::new(ErrorCode::NotFound, format!("cloud {name:?} not found"))),
        None => Err(no_tag("cloud", &entity.tag)),
    }
}

/// Returns the cloud with those who may use it: the controller's superusers. Others see themselves alone, as in Juju, and so
/// nothing at all.
fn info(caller: &Caller, entity: &Entity) -> Result<Value, RpcError> {
    named(caller, entity)?;
    if !caller.is_superuser()? {
        return Err(denied());
    }
    let users = caller.api.embedded.users().map_err(|error| fault(&error))?;
    let superusers = users.iter().filter(|user| user.access == Access::Superuser);
    let mut info = cloud(caller);
    info["users"] =
        superusers.map(|user| json!({ "user": user.name, "display-name": user.name, "access": "admin" })).collect();
    Ok(info)
}

fn cloud(caller: &Caller) -> Value {
    let config = &caller.api.inner().config;
    let regions = if config.region.is_empty() { json!([]) } else { json!([{ "name": config.region }]) };
    json!({ "type": config.cloud_type, "auth-types": ["empty"], "regions": regions })
}
