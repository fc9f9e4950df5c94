//! Lists what the embedded controller has.

use std::collections::BTreeSet;

use modelferry_protocol::ids::{MigrationId, ModelUuid};

use crate::controller::embedded::records::record::{ModelRecord, State};
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::inventory::{Held, Inventory, ModelLocation};
use crate::controller::port::ControllerError;

impl Embedded {
    /// Lists everything that the controller has.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn inventory(&self) -> Result<Inventory, ControllerError> {
        let (ended, removed) = self.inner.database.ended_and_removed()?;
        let mut inventory = Inventory { ended, removed, ..Inventory::default() };
        for (record, blobs) in self.inner.database.holdings()? {
            let mut lacking = 0;
            for blob in blobs {
                let size = self.inner.store.size(blob.hash).map_err(ControllerError::storage)?;
                lacking += usize::from(size != Some(blob.bytes));
            }
            // What arrives is checked when it is staged.
            if lacking > 0 && record.is_here() {
                inventory.lacking.insert(record.path(), lacking);
            }
            inventory.models.insert(record.uuid, self.inner.held_as(&record)?);
        }
        Ok(inventory)
    }
}

impl Embedded {
    /// Returns the models that an operator removed, and of which the journal may not know that yet.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn removed(&self) -> Result<BTreeSet<ModelUuid>, ControllerError> {
        Ok(self.inner.database.ended_and_removed()?.1)
    }

    /// Forgets that a model was removed: the journal knows it now.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn forget_removed(&self, model: ModelUuid) -> Result<(), ControllerError> {
        self.inner.database.write_regardless(|tables| tables.forget_removed(model))
    }

    /// Notes that these migrations have ended: a new database knows of none.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn end_all(&self, mids: Vec<MigrationId>) -> Result<(), ControllerError> {
        self.inner.database.write(|tables| mids.into_iter().try_for_each(|mid| tables.end(mid)))
    }
}

impl Inner {
    /// Returns how a model is held here.
    pub(in crate::controller::embedded) fn held_as(&self, record: &ModelRecord) -> Result<Held, ControllerError> {
        let place = match record.state {
            State::Live { .. } => ModelLocation::Live,
            State::Frozen { .. } => ModelLocation::Frozen,
            State::Importing { .. } | State::Staged { .. } => ModelLocation::Arriving,
            State::Gone(_) => ModelLocation::Gone,
        };
        let (mid, came, brought) = (record.mid(), record.came(), self.brought_as(record)?);
        Ok(Held { uuid: record.uuid, path: record.path(), place, mid, came, is_handed: record.is_held(), brought })
    }
}
