//! `UserManager` 3: the controller's users.

use serde_json::Value;

use crate::controller::embedded::api::caller::{Caller, reply};
use crate::controller::embedded::api::errors::{fault, no_tag};
use crate::controller::embedded::api::time;
use crate::controller::embedded::records::user_record::ADMIN;
use crate::controller::embedded::view::UserView;
use crate::juju::params::common::{Outcome, Results};
use crate::juju::params::tag;
use crate::juju::params::user_manager::{UserInfo, UserInfoRequest};
use crate::juju::rpc::{ErrorCode, RpcCall, RpcError};

/// Go's zero time: nobody noted it.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(in crate::controller::embedded::api) fn answer(caller: &Caller, call: &RpcCall) -> Result<Value, RpcError> {
    match call.method.as_str() {
        "UserInfo" => reply(&infos(caller, &call.params()?)?),
        _ => Err(RpcError::unknown_method(call)),
    }
}

fn infos(caller: &Caller, asked: &UserInfoRequest) -> Result<Results<Outcome<UserInfo>>, RpcError> {
    let users = caller.api.embedded.users().map_err(|error| fault(&error))?;
    let superuser = caller.is_superuser()?;
    let own = caller.user()?;
    if asked.entities.is_empty() {
        let seen = users.iter().filter(|user| superuser || user.name == own);
        return Ok(seen.map(|user| Outcome::from(Ok(info(user)))).collect());
    }
    let one = |asked: &str| {
        let name = tag::user_of(asked).ok_or_else(|| no_tag("user", asked))?;
        caller.must_be(name)?;
        let unknown = || RpcError::new(ErrorCode::UserNotFound, format!("user {name:?} not found"));
        users.iter().find(|user| user.name == name).map(info).ok_or_else(unknown)
    };
    Ok(asked.entities.iter().map(|entity| Outcome::from(one(&entity.tag))).collect())
}

fn info(user: &UserView) -> UserInfo {
    UserInfo {
        username: user.name.clone(),
        display_name: String::new(),
        access: user.access.as_str().to_owned(),
        created_by: ADMIN.to_owned(),
        date_created: time(user.created_ms).unwrap_or_else(|| NEVER.to_owned()),
        last_connection: time(user.seen_ms),
        disabled: false,
    }
}
