//! `Cloud` 7: the one cloud that the controller is said to run in.

use serde_json::{Value, json};

use super::errors::no_tag;
use super::session::Caller;
use crate::juju::params::{Entities, tag};
use crate::juju::rpc::{Call, ErrorCode, RpcError};

pub(super) fn answer(caller: &Caller, call: &Call) -> Result<Value, RpcError> {
    caller.access()?;
    let config = &caller.api.inner().config;
    let own = tag::cloud(&config.cloud);
    match call.method.as_str() {
        "Clouds" => Ok(json!({ "clouds": { own: cloud(caller) } })),
        "Cloud" => {
            let asked = call.params::<Entities>()?.entities;
            let results = asked.iter().map(|entity| match entity.tag.strip_prefix("cloud-") {
                Some(name) if name == config.cloud => json!({ "cloud": cloud(caller) }),
                Some(name) => {
                    let message = format!("cloud {name:?} not found");
                    json!({ "error": RpcError::new(ErrorCode::NotFound, message) })
                }
                None => json!({ "error": no_tag("cloud", &entity.tag) }),
            });
            Ok(json!({ "results": results.collect::<Vec<_>>() }))
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

fn cloud(caller: &Caller) -> Value {
    let config = &caller.api.inner().config;
    let regions = if config.region.is_empty() { json!([]) } else { json!([{ "name": config.region }]) };
    json!({ "type": config.cloud_type, "auth-types": ["empty"], "regions": regions })
}
