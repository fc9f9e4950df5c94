//! The import of a model: sent once, and never again unless the controller has answered that it did nothing.
//!
//! A model comes as a description, by version 7 of `MigrationTarget` or older, or as the envelope that a controller of Juju 4.1
//! exports, by version 8. The bytes of either are passed on as they are.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelferry_protocol::snapshot::{BlobRef, Call};
use serde_json::{Value, json};

use super::Inner;
use super::connection::CallError;
use super::facades::MIGRATION_TARGET;
use super::outcome::Seen;
use super::record::{Copy, Import};
use crate::clock::now_ms;
use crate::controller::checks::version::Version;
use crate::controller::description::is_envelope;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::disk::blocking;
use crate::juju::rpc::RpcError;

/// The kind of payload that is imported besides descriptions.
const ENVELOPE: &str = "juju/8";
/// The version of `MigrationTarget` that takes an envelope, and nothing else.
pub(super) const BY_ENVELOPE: u32 = 8;
const LOST: &str = "the reply to Import was lost";

fn refused(text: impl Into<String>) -> ControllerError {
    ControllerError::Refused(text.into())
}

/// Returns the payload of a call that imports.
///
/// Errors: [`ControllerError::Refused`] for a kind of payload that is not known.
pub(super) fn payload(call: &Call) -> Result<BlobRef, ControllerError> {
    match call {
        Call::Import(blob) => Ok(*blob),
        Call::ImportOpaque(opaque) if &*opaque.kind == ENVELOPE => Ok(opaque.blob),
        Call::ImportOpaque(opaque) => Err(refused(format!(
            "a payload of kind {} is not imported: this agent sends descriptions, and envelopes of kind {ENVELOPE}",
            &*opaque.kind
        ))),
        other => Err(refused(format!("{} imports nothing", other.name()))),
    }
}

/// Returns the description that the calls of a snapshot import.
///
/// Errors: [`ControllerError::Refused`] where none does.
pub(super) fn imported(calls: &[Call]) -> Result<BlobRef, ControllerError> {
    let call = calls.iter().find(|call| call.imports());
    payload(call.ok_or_else(|| ControllerError::Refused("no call imports a description".to_owned()))?)
}

/// Returns the versions of `MigrationTarget` that take a payload.
pub(super) fn versions(payload: &[u8]) -> &'static [u32] {
    if is_envelope(payload) { &[BY_ENVELOPE] } else { MIGRATION_TARGET }
}

/// Makes the parameters of `Import`. An envelope is passed on with every key that it has: they differ between releases.
fn params(payload: &[u8]) -> Result<Value, ControllerError> {
    match is_envelope(payload) {
        true => envelope(payload),
        false => Ok(json!({ "bytes": STANDARD.encode(payload), "charms": null, "tools": null, "resources": null })),
    }
}

/// Reads an envelope as it is sent.
pub(super) fn envelope(payload: &[u8]) -> Result<Value, ControllerError> {
    serde_json::from_slice(payload).map_err(|error| refused(format!("the envelope is no JSON: {error}")))
}

/// Reports whether a controller shows a model only once its import is whole. 4.1 was seen to, up to version 7; 3.6 shows a model
/// as soon as its import begins, and 4.0 was never run.
fn shows_whole_imports_alone(facade: u32, version: &Version) -> bool {
    facade < BY_ENVELOPE && (version.major, version.minor) >= (4, 1)
}

/// Says what an earlier attempt has left behind, where a refusal shows it.
fn explained(error: &RpcError) -> String {
    let text = error.to_string();
    let because = if text.contains("lease already held") {
        "an import that failed has left its leases behind, which run out within a minute: migrate again then"
    } else if text.contains("permission already exists") {
        "an import that failed has left the permissions of the model's offers behind, and this controller never removes them: \
         remove the offers with `juju remove-offer` first, or migrate to another controller"
    } else {
        return text;
    };
    format!("{text}; {because}")
}

impl Inner {
    /// Imports a model, or finds out what came of an import that was sent before. The caller holds the model's lock.
    pub(super) async fn import(
        self: &Arc<Self>,
        migration: MigrationRef,
        blob: BlobRef,
    ) -> Result<(), ControllerError> {
        let Some(copy) = self.copy(migration.mid).await? else { return self.send_import(migration, blob, None).await };
        if copy.model != migration.model || copy.ended {
            return Err(refused("this migration has ended here, and imports nothing any more"));
        }
        if copy.description != blob.hash {
            let text = format!("the model was imported from description {}, not {}", copy.description, blob.hash);
            return Err(refused(text));
        }
        match copy.import {
            Import::Done => Ok(()),
            Import::Failed { cause } => Err(ControllerError::Refused(cause)),
            Import::PutOff => self.send_import(migration, blob, Some(copy)).await,
            Import::Sent { at_ms } => self.settle_import(migration, copy, at_ms).await,
        }
    }

    /// `before`: the copy of an import that the controller has put off.
    async fn send_import(
        self: &Arc<Self>,
        migration: MigrationRef,
        blob: BlobRef,
        before: Option<Copy>,
    ) -> Result<(), ControllerError> {
        let model = migration.model;
        if let Some(actual) = self.holder(model).await?.filter(|holder| *holder != migration.mid) {
            return Err(ControllerError::OtherMigration { model, actual, expected: migration.mid });
        }
        let (payload, told) = self.description(blob).await?;
        if told.uuid != model {
            return Err(refused(format!("the description is of model {}, not {model}", told.uuid)));
        }
        match (self.look(model).await?, before) {
            (Seen::Nothing, _) => {}
            (_, None) => return Err(ControllerError::Exists(model)),
            // It said that it did nothing.
            (_, Some(copy)) => {
                let cause = "the controller has put the import off, and has something of the model";
                return self.import_failed(migration, copy, cause.to_owned()).await;
            }
        }
        let live = self.connector.live().await?;
        let facade = live.version_of("MigrationTarget", versions(&payload))?;
        let params = params(&payload)?;
        drop(payload);
        let copy = Copy::new(model, blob.hash, facade, Import::Sent { at_ms: now_ms() });
        let (inner, begun) = (self.clone(), copy.clone());
        blocking(move || inner.records.begin(migration.mid, &begun)).await?;
        match live.call("MigrationTarget", &[facade], "Import", params).await {
            Ok(_) => self.put(migration.mid, &Copy { import: Import::Done, ..copy }).await,
            Err(error) if error.is_put_off() => {
                self.put(migration.mid, &Copy { import: Import::PutOff, ..copy }).await?;
                Err(error.into())
            }
            Err(CallError::Refused(error)) => self.import_failed(migration, copy, explained(&error)).await,
            Err(error @ CallError::Unfit(_)) => self.import_failed(migration, copy, error.to_string()).await,
            // Whether it was carried out is to be found out.
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down that an import has failed: nothing is ever activated after it.
    async fn import_failed(
        self: &Arc<Self>,
        migration: MigrationRef,
        copy: Copy,
        cause: String,
    ) -> Result<(), ControllerError> {
        self.put(migration.mid, &Copy { import: Import::Failed { cause: cause.clone() }, ..copy }).await?;
        Err(ControllerError::Refused(cause))
    }

    /// Finds out what came of an import whose reply was lost. It is never sent again.
    async fn settle_import(
        self: &Arc<Self>,
        migration: MigrationRef,
        copy: Copy,
        at_ms: u64,
    ) -> Result<(), ControllerError> {
        if copy.facade >= BY_ENVELOPE || !self.shows_whole_imports_alone(copy.facade).await? {
            return self
                .import_failed(migration, copy, format!("{LOST}, and the controller cannot tell what came of it"))
                .await;
        }
        let seen = self.look(migration.model).await?;
        let settles = self.timing.import_settles;
        let within = match seen {
            Seen::Importing => return self.put(migration.mid, &Copy { import: Import::Done, ..copy }).await,
            Seen::Live => {
                let cause = format!("{LOST}, and the model is in service without having been activated");
                return self.import_failed(migration, copy, cause).await;
            }
            Seen::Hidden => settles,
            Seen::Nothing => settles / 12,
        };
        if u128::from(now_ms().saturating_sub(at_ms)) < within.as_millis() {
            return Err(ControllerError::Unknown(format!("{LOST}; what came of it is not known yet")));
        }
        self.import_failed(migration, copy, format!("{LOST}, and the controller does not have the whole model")).await
    }

    async fn shows_whole_imports_alone(self: &Arc<Self>, facade: u32) -> Result<bool, ControllerError> {
        Ok(shows_whole_imports_alone(facade, &self.connector.live().await?.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_seen_proves_its_import_at_4_1_alone_and_never_by_version_8() {
        for (facade, version, proves) in [
            (6, "3.6.11", false),
            (7, "4.0.12", false),
            (6, "4.1.0", true),
            (7, "4.1-beta2", true),
            (8, "4.1.0", false),
        ] {
            assert_eq!(shows_whole_imports_alone(facade, &version.parse().unwrap()), proves, "{facade} at {version}");
        }
    }
}
