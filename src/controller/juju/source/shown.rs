//! What the controller shows of the migration that it was asked for.
//!
//! Up to 3.6 it shows the status of the model's last migration. From 4.0 on it shows none: there an annotation of nothing is
//! tried, which is refused while the model migrates. That tells an abort alone, and only as long as the controller waits for the
//! answer to `AdoptResources`: it goes on taking changes of a model that has moved.

use std::sync::Arc;

use serde_json::Value;

use super::super::Inner;
use super::super::connection::Live;
use super::super::summary::text;
use super::gate::gate_is_closed;
use super::initiate::{Departure, begun};
use crate::controller::port::{ControllerError, MigrationRef, Shown};
use crate::juju::rpc::ErrorCode;

/// The first series that shows nothing of a migration.
const MUTE_SINCE: u32 = 4;

impl Live {
    /// Reports whether the controller shows how a model's migration stands.
    pub(super) fn shows_migrations(&self) -> bool {
        self.version.major < MUTE_SINCE
    }
}

/// Reads a migration's status.
fn read(status: &str) -> Shown {
    let is = |begin: &str| status.starts_with(begin);
    if is("aborted") {
        Shown::Abort
    } else if is("successful") || is("transferring ownership of cloud resources") {
        // `successful, waiting for agents to report back` is the first that is set once SUCCESS is stored.
        Shown::Success
    } else {
        Shown::Running
    }
}

impl Inner {
    /// Says what the controller shows of a migration.
    pub(in super::super) async fn shown(self: &Arc<Self>, migration: MigrationRef) -> Result<Shown, ControllerError> {
        let Some(departure) = self.departure(migration.mid).await? else { return Ok(Shown::Nothing) };
        let (live, info) = self.looked_at(migration.model).await?;
        match live.shows_migrations() {
            true => Ok(by_status(&departure, &info)),
            false => self.by_gate(migration, departure, &live).await,
        }
    }

    async fn by_gate(
        self: &Arc<Self>,
        migration: MigrationRef,
        departure: Departure,
        live: &Live,
    ) -> Result<Shown, ControllerError> {
        match gate_is_closed(live, migration.model).await? {
            true if departure.was_seen => Ok(Shown::Silent),
            true => {
                self.put_departure(migration.mid, &Departure { was_seen: true, ..departure }).await?;
                Ok(Shown::Silent)
            }
            // It closes a while after the controller has said that it begins.
            false if departure.was_seen => Ok(Shown::Ended),
            false => Ok(Shown::Nothing),
        }
    }
}

/// Reads what `ModelInfo` shows.
fn by_status(departure: &Departure, info: &Value) -> Shown {
    if let Some(error) = info.get("error").filter(|error| error.is_object()) {
        return match ErrorCode::from(error["code"].as_str().unwrap_or_default()) {
            // A model that has moved is not there any more, or its users are sent on.
            ErrorCode::Redirect | ErrorCode::NotFound | ErrorCode::ModelNotFound | ErrorCode::Unauthorized => {
                Shown::Done
            }
            _ => Shown::Nothing,
        };
    }
    let start = begun(info);
    if start.is_empty() || start == departure.before {
        return Shown::Nothing;
    }
    read(&text(&info["result"]["migration"]["status"]))
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::ids::ModelUuid;
    use serde_json::json;

    use super::super::super::record::Step;
    use super::*;

    #[test]
    fn what_a_controller_shows_of_a_migration_is_read_as_it_writes_it() {
        let departure = Departure {
            model: ModelUuid([1; 16]),
            step: Step::Done,
            before: "2026-01-01T00:00:00Z".into(),
            was_seen: false,
            asked_ms: 0,
        };
        let at = |start: &str, status: &str| json!({ "result": { "migration": { "start": start, "status": status } } });
        let error = |code: &str| json!({ "error": { "message": "", "code": code } });
        let ours = "2026-02-02T00:00:00Z";
        for (info, expected) in [
            (json!({ "result": { "migration": null } }), Shown::Nothing),
            (at("2026-01-01T00:00:00Z", "aborted, removing model from target controller: x"), Shown::Nothing),
            (at(ours, "uploading model binaries into target controller"), Shown::Running),
            (at(ours, "validating, waiting for agents to report back"), Shown::Running),
            (at(ours, "successful, waiting for agents to report back"), Shown::Success),
            (at(ours, "transferring ownership of cloud resources to target controller"), Shown::Success),
            (at(ours, "successful, transferring logs to target controller (0 sent)"), Shown::Success),
            (at(ours, "aborted, removing model from target controller: why"), Shown::Abort),
            (error("redirection required"), Shown::Done),
            (error("unauthorized access"), Shown::Done),
            (error("try again"), Shown::Nothing),
        ] {
            assert_eq!(by_status(&departure, &info), expected, "{info}");
        }
    }
}
