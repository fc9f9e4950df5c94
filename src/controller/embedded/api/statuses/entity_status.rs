//! Writes a status as the wire has it.

use jiff::civil::DateTime;

use crate::controller::status::StatusInfo;
use crate::juju::params::common::EntityStatus;

/// The times of `status`, in words.
const TIME: &str = "%d %b %Y %H:%M:%SZ";

/// Writes a time of `status` as the wire has it.
pub(in crate::controller::embedded::api) fn since(shown: &str) -> Option<String> {
    let time = DateTime::strptime(TIME, shown).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(in crate::controller::embedded::api) fn entity_status(status: &StatusInfo) -> EntityStatus {
    EntityStatus {
        status: status.current.clone(),
        info: status.message.clone(),
        since: since(&status.since),
        ..EntityStatus::default()
    }
}
