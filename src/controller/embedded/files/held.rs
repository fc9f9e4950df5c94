//! Copies of models that have moved, held until they are reaped: nobody can use one, and operators can look at it.

use std::path::Path;

use super::export_plan::ExportPlan;
use crate::controller::embedded::Embedded;
use crate::controller::embedded::records::record::{ModelRecord, State};
use crate::controller::embedded::view::{EntryView, Exported, ModelDetails};
use crate::controller::files::Files;
use crate::controller::port::ControllerError;

impl ModelRecord {
    /// Reports whether this is the copy of a model that was handed over and is not deleted yet.
    pub(in crate::controller::embedded) fn is_held(&self) -> bool {
        matches!(self.state, State::Frozen { redirect: Some(_), .. })
    }
}

impl Embedded {
    /// Shows a held copy.
    ///
    /// Errors: [`ControllerError::Refused`] where none is held.
    pub fn held_model(&self, named: &str) -> Result<ModelDetails, ControllerError> {
        self.inner.details(&self.held(named)?)
    }

    /// Returns everything that was written to a model before it was handed over, oldest first.
    ///
    /// Errors: as [`Embedded::held_model`].
    pub fn held_entries(&self, named: &str) -> Result<Vec<EntryView>, ControllerError> {
        self.inner.entry_views(self.held(named)?.uuid)
    }

    /// Writes a held copy into `dir`, as [`Embedded::export`] does.
    ///
    /// Errors: as [`Embedded::export`] and [`Embedded::held_model`].
    pub fn export_held(&self, named: &str, dir: &Path, files: &mut dyn Files) -> Result<Exported, ControllerError> {
        self.write_out(&self.held_shipment(named)?, dir, files)
    }

    /// Lists the files of a held copy.
    pub(super) fn held_shipment(&self, named: &str) -> Result<ExportPlan, ControllerError> {
        self.inner.export_plan_of(self.held(named)?, ModelRecord::is_held)
    }

    /// Finds a held copy by UUID, `owner/name`, or a name that only one of them has.
    fn held(&self, named: &str) -> Result<ModelRecord, ControllerError> {
        let matches =
            |model: &ModelRecord| model.uuid.to_string() == named || model.path() == named || model.name == named;
        let mut held: Vec<ModelRecord> = self.inner.database.models()?;
        held.retain(|model| model.is_held() && matches(model));
        match (held.pop(), held.is_empty()) {
            (Some(model), true) => Ok(model),
            (None, _) => Err(ControllerError::Refused(format!(
                "no copy of a model \"{named}\" is held here; `modelferry migrate MODEL DEST --hold-reap 24h` keeps one"
            ))),
            (Some(_), false) => Err(ControllerError::Refused(format!(
                "several copies called \"{named}\" are held here; name one by its UUID"
            ))),
        }
    }
}
