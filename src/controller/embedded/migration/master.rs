//! Which models the migration master of a Juju controller brings, or has brought, straight into this controller.
//!
//! Such a migration has an id like any other. It is made at the import, and noted as a fact, so that a master never
//! touches what the agents' migrations bring.

use modelferry_protocol::ids::ModelUuid;
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::controller::embedded::records::record::{Mid, ModelRecord, State};
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::inventory::{Brought, Held};
use crate::controller::port::{ControllerError, MigrationRef};

/// The import by a master.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::controller::embedded) struct Import {
    pub mid: Mid,
    by: String,
    since_ms: u64,
}

fn fact(model: ModelUuid) -> String {
    format!("master/{model}")
}

impl Inner {
    /// Notes that a master begins to import a model. `by`: who it logged in as, and from where.
    pub(in crate::controller::embedded) fn note_import(
        &self,
        migration: MigrationRef,
        by: String,
    ) -> Result<(), ControllerError> {
        let import = Import { mid: Mid(migration.mid), by, since_ms: now_ms() };
        self.database.write(|tables| tables.put_fact(&fact(migration.model), &import))
    }

    /// Returns the last import of a model by a master.
    pub(in crate::controller::embedded) fn import_noted(
        &self,
        model: ModelUuid,
    ) -> Result<Option<Import>, ControllerError> {
        self.database.fact(&fact(model))
    }

    /// Returns how a master brings a model; nothing of one that is in service, or that comes by an agent.
    pub(in crate::controller::embedded) fn brought_as(
        &self,
        record: &ModelRecord,
    ) -> Result<Option<Brought>, ControllerError> {
        let (State::Importing { mid, .. } | State::Staged { mid, .. }) = &record.state else { return Ok(None) };
        let noted = self.import_noted(record.uuid)?.filter(|import| import.mid == *mid);
        let is_complete = matches!(record.state, State::Staged { .. });
        Ok(noted.map(|import| Brought { by: import.by, since_ms: import.since_ms, is_complete }))
    }
}

impl Embedded {
    /// Lists the models that masters are bringing.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn brought(&self) -> Result<Vec<Held>, ControllerError> {
        let held: Result<Vec<Held>, _> =
            self.inner.database.models()?.iter().map(|record| self.inner.held_as(record)).collect();
        Ok(held?.into_iter().filter(|held| held.brought.is_some()).collect())
    }
}
