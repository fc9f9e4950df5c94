//! `InitiateMigration`: the controller is asked to migrate a model to the gateway.
//!
//! It is asked once for each migration of the agent's. Where the reply was lost the model is looked at: a second request would be
//! refused while the first one runs, and would begin another migration once that has ended.

use std::sync::Arc;

use modelferry_protocol::ids::{MigrationId, ModelUuid};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Inner;
use super::super::connection::CallError;
use super::super::record::Step;
use super::super::summary::text;
use super::gate::gate_is_closed;
use super::read::failure;
use crate::clock::now_ms;
use crate::controller::port::{Announced, ControllerError, MigrationRef};
use crate::disk::blocking;
use crate::juju::params::tag;

/// Versions of `Controller` with `InitiateMigration`.
const CONTROLLER: &[u32] = &[11, 12, 13, 14];

/// A migration that the controller was asked for, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in super::super) struct Departure {
    /// The model.
    #[serde(with = "crate::controller::text")]
    pub model: ModelUuid,
    /// Whether the controller has said that it begins.
    pub step: Step,
    /// When the model's last migration before this one began, as the controller writes it: it shows that one until this one
    /// has begun. Empty for none.
    pub before: String,
    /// Whether the controller was seen to migrate the model since.
    #[serde(default)]
    pub was_seen: bool,
    /// When it was asked last, Unix milliseconds; 0 in what an older version wrote.
    #[serde(default)]
    pub asked_ms: u64,
}

fn fact(mid: MigrationId) -> String {
    format!("departure/{mid}")
}

/// Returns when the migration began that the controller shows of a model; an empty text for none.
pub(super) fn begun(info: &Value) -> String {
    text(&info["result"]["migration"]["start"])
}

impl Inner {
    /// Returns what the controller was asked for by a migration.
    pub(super) async fn departure(self: &Arc<Self>, mid: MigrationId) -> Result<Option<Departure>, ControllerError> {
        let inner = self.clone();
        blocking(move || inner.records.fact(&fact(mid))).await
    }

    pub(super) async fn put_departure(
        self: &Arc<Self>,
        mid: MigrationId,
        departure: &Departure,
    ) -> Result<(), ControllerError> {
        let (inner, departure) = (self.clone(), departure.clone());
        blocking(move || inner.records.put_fact(&fact(mid), &departure)).await
    }

    /// Returns when the controller was asked last, if it was.
    pub(in super::super) async fn asked_ms(
        self: &Arc<Self>,
        migration: MigrationRef,
    ) -> Result<Option<u64>, ControllerError> {
        let departure = self.departure(migration.mid).await?;
        Ok(departure.map(|departure| departure.asked_ms).filter(|asked_ms| *asked_ms > 0))
    }

    /// Asks the controller to migrate the model to the gateway. Again: ok, and nothing is asked for twice.
    ///
    /// Errors: [`ControllerError::Refused`] with the controller's reason; [`ControllerError::Unknown`] where it is not known whether
    /// the controller begins.
    pub(in super::super) async fn initiate(
        self: &Arc<Self>,
        migration: MigrationRef,
        announced: &Announced,
    ) -> Result<(), ControllerError> {
        let (live, info) = self.looked_at(migration.model).await?;
        match self.departure(migration.mid).await? {
            Some(Departure { step: Step::Done, .. }) => return Ok(()),
            Some(departure) => {
                let runs = match live.shows_migrations() {
                    true => !begun(&info).is_empty() && begun(&info) != departure.before,
                    false => gate_is_closed(&live, migration.model).await?,
                };
                if runs || info["error"].is_object() {
                    return self.put_departure(migration.mid, &Departure { step: Step::Done, ..departure }).await;
                }
                // The request before has not arrived, so that nothing is frozen.
                self.put_departure(migration.mid, &Departure { asked_ms: now_ms(), ..departure }).await?;
            }
            None => {
                if let Some(error) = failure(migration.model, &info) {
                    return Err(error);
                }
                if info["result"]["is-controller"] == true {
                    return Err(ControllerError::Refused(crate::controller::checks::source::CONTROLLER.to_owned()));
                }
                let before = begun(&info);
                let (step, was_seen) = (Step::Sent, false);
                let departure = Departure { model: migration.model, step, before, was_seen, asked_ms: now_ms() };
                self.put_departure(migration.mid, &departure).await?;
            }
        }
        let answer = live.call("Controller", CONTROLLER, "InitiateMigration", request(migration, announced)).await;
        let answer = match answer {
            Err(CallError::Refused(error)) => return Err(ControllerError::Refused(error.to_string())),
            answer => answer?,
        };
        let result = &answer["results"][0];
        if let Some(error) = result.get("error").filter(|error| error.is_object()) {
            // The one that was asked for before may have begun meanwhile; what it does is seen by the next look.
            return Err(ControllerError::Refused(text(&error["message"])));
        }
        tracing::info!(model = %migration.model, id = text(&result["migration-id"]), "the controller begins to migrate the model");
        let Some(departure) = self.departure(migration.mid).await? else { return Ok(()) };
        self.put_departure(migration.mid, &Departure { step: Step::Done, ..departure }).await
    }
}

/// Makes the parameters of `InitiateMigration`. Never a dry run: controllers before 3.6.13 do not know it, and migrate.
///
/// A 4.1 source exchanges the password for a macaroon at the gateway.
fn request(migration: MigrationRef, announced: &Announced) -> Value {
    let target = json!({
        "controller-tag": tag::controller(&announced.controller.to_string()),
        "controller-alias": announced.alias,
        "addrs": announced.addresses,
        "ca-cert": announced.ca_cert,
        "auth-tag": announced.auth_tag,
        "password": announced.password,
    });
    json!({ "specs": [{ "model-tag": tag::model(&migration.model.to_string()), "target-info": target }] })
}
