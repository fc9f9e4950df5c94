//! The controller's models: finding, listing and showing them, and removing one.

use modelferry_protocol::ids::ModelUuid;

use crate::config::CredentialConfig;
use crate::controller::description::{Credential, Description};
use crate::controller::embedded::records::record::{ModelRecord, State};
use crate::controller::embedded::records::user_record::ADMIN;
use crate::controller::embedded::view::{CredentialView, ModelDetails, ModelRow, ModelState, RedirectView};
use crate::controller::embedded::{Embedded, Inner};
use crate::controller::port::ControllerError;
use crate::controller::status::file;

impl ModelRecord {
    /// Reports whether the model can be seen here: it has not left, and is more than a migration's copy.
    pub(in crate::controller::embedded) fn is_here(&self) -> bool {
        matches!(self.model_state(), ModelState::Live | ModelState::Frozen)
    }
}

impl Embedded {
    /// Finds a model by UUID, `owner/name`, or a name that only one owner uses.
    ///
    /// Errors: [`ControllerError::ModelNotFound`]; [`ControllerError::Refused`] for a name of several.
    pub fn find(&self, named: &str) -> Result<ModelUuid, ControllerError> {
        let not_found = || ControllerError::ModelNotFound(named.to_owned());
        let models = self.inner.database.models()?;
        if let Ok(uuid) = named.parse::<ModelUuid>() {
            return models.iter().find(|model| model.uuid == uuid).map(|model| model.uuid).ok_or_else(not_found);
        }
        let (owner, name) = named.split_once('/').map_or((None, named), |(owner, name)| (Some(owner), name));
        let matching: Vec<&ModelRecord> = models
            .iter()
            .filter(|model| model.name == name && owner.is_none_or(|owner| model.owner == owner))
            .collect();
        // A model that left may have a successor of the same name, and that is the one meant.
        let here: Vec<&ModelRecord> =
            matching.iter().copied().filter(|model| model.model_state() != ModelState::Gone).collect();
        match (here.as_slice(), matching.as_slice()) {
            ([model], _) | ([], [model]) => Ok(model.uuid),
            ([], []) => Err(not_found()),
            // Several of that name left: what was known last is what its users look for.
            ([], gone) => gone.iter().max_by_key(|model| model.since_ms).map(|model| model.uuid).ok_or_else(not_found),
            (several, _) => match several.iter().find(|model| model.owner == ADMIN) {
                Some(model) => Ok(model.uuid),
                None => Err(ControllerError::Refused(format!(
                    "model \"{name}\" has several owners; name one of {}",
                    several.iter().map(|model| model.path()).collect::<Vec<_>>().join(", ")
                ))),
            },
        }
    }

    /// Lists the models: in service, frozen, arriving; not those that left.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn models(&self) -> Result<Vec<ModelRow>, ControllerError> {
        let models = self.inner.database.models()?;
        let mut rows: Vec<ModelRow> =
            models.iter().filter(|model| model.model_state() != ModelState::Gone).map(row).collect();
        rows.sort_by(|a, b| (&a.name, &a.owner).cmp(&(&b.name, &b.owner)));
        Ok(rows)
    }

    /// Shows a model.
    ///
    /// Errors: [`ControllerError::Moved`] for one that is elsewhere.
    pub fn model(&self, named: &str) -> Result<ModelDetails, ControllerError> {
        let record = self.inner.known(self.find(named)?)?;
        if let (ModelState::Gone, Some(redirect)) = (record.model_state(), record.redirect()) {
            return Err(ControllerError::Moved { model: record.path(), to: Box::new(redirect.card()) });
        }
        self.inner.details(&record)
    }

    /// Lists where the models went that left, or are leaving for good.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn redirects(&self) -> Result<Vec<RedirectView>, ControllerError> {
        let models = self.inner.database.models()?;
        let gone = models.iter().filter_map(|record| Some((record, record.redirect()?)));
        Ok(gone
            .map(|(record, redirect)| RedirectView::new(record.path(), record.uuid.to_string(), &redirect.card()))
            .collect())
    }

    /// Removes a model for good. Its blobs stay in the store until that is pruned.
    ///
    /// Errors: [`ControllerError::Refused`] for the controller's own model,
    /// [`ControllerError::MigrationInProgress`] for one that is leaving or arriving.
    pub fn remove(&self, named: &str) -> Result<ModelUuid, ControllerError> {
        let model = self.find(named)?;
        self.inner.database.write_regardless(|tables| {
            let record = tables.model(model)?.ok_or_else(|| ControllerError::ModelNotFound(named.to_owned()))?;
            if record.controller {
                return Err(ControllerError::Refused("a controller model cannot be removed".to_owned()));
            }
            match &record.state {
                State::Live { .. } => {
                    tables.remove_model(model)?;
                    tables.note_removed(model).map(|()| model)
                }
                State::Gone(gone) => {
                    Err(ControllerError::Moved { model: record.path(), to: Box::new(gone.redirect.card()) })
                }
                State::Frozen { .. } | State::Importing { .. } | State::Staged { .. } => {
                    Err(ControllerError::MigrationInProgress)
                }
            }
        })
    }
}

impl Inner {
    /// Returns the record of a model, wherever the model is.
    pub(in crate::controller::embedded) fn known(&self, model: ModelUuid) -> Result<ModelRecord, ControllerError> {
        self.database.model(model)?.ok_or_else(|| ControllerError::ModelNotFound(model.to_string()))
    }

    pub(in crate::controller::embedded) fn details(
        &self,
        record: &ModelRecord,
    ) -> Result<ModelDetails, ControllerError> {
        let description = record.description.map(|blob| self.description_of(blob)).transpose()?;
        let description = description.as_deref();
        let nothing = Description::default();
        let told = description.unwrap_or(&nothing);
        Ok(ModelDetails {
            row: row(record),
            controller_name: self.config.name.clone(),
            controller_uuid: self.identity.uuid.to_string(),
            agent_version: description.map_or_else(|| self.config.version.clone(), |told| told.agent_version.clone()),
            sla: told.sla.clone(),
            message: told.status.message.clone(),
            since_ms: record.since_ms,
            users: file::users(told),
            cores: file::cores(told),
            credential: told.credential.as_ref().map(|credential| self.credential_view(credential)),
            document_version: told.document_version,
            description_bytes: record.description.map_or(0, |blob| blob.bytes),
            description_hash: record.description.map_or_else(String::new, |blob| blob.hash.to_string()),
            binaries: told.wanted().len() as u64,
            binaries_held: self.database.binaries(record.uuid)?.len() as u64,
            entries: self.database.entry_totals(record.uuid)?.0,
            counts: description.map(Description::counts).unwrap_or_default(),
            mid: record.mid().map(|mid| mid.to_string()),
            brought: self.brought_as(record)?,
        })
    }

    fn credential_view(&self, credential: &Credential) -> CredentialView {
        let known = self.config.credentials.iter().find(|known| is(known, &credential.owner, &credential.name));
        let validity = match known {
            None => "",
            Some(known) if known.revoked => "revoked",
            Some(known) if known.valid => "valid",
            Some(_) => "invalid",
        };
        CredentialView {
            name: credential.name.clone(),
            owner: credential.owner.clone(),
            cloud: credential.cloud.clone(),
            validity: validity.to_owned(),
        }
    }
}

fn is(known: &CredentialConfig, owner: &str, name: &str) -> bool {
    known.owner == owner && known.name == name
}

fn row(record: &ModelRecord) -> ModelRow {
    let state = record.model_state();
    let summary = &record.summary;
    let last_connection = summary.last_connections.iter().find(|(user, at)| user == ADMIN && !at.is_empty());
    ModelRow {
        name: record.name.clone(),
        owner: record.owner.clone(),
        uuid: record.uuid.to_string(),
        model_type: summary.model_type.clone(),
        cloud: summary.cloud.clone(),
        region: summary.region.clone(),
        cloud_type: summary.cloud_type.clone(),
        status: if state == ModelState::Live { "available" } else { "busy" }.to_owned(),
        machines: summary.machines,
        units: summary.units,
        access: "admin".to_owned(),
        last_connection: last_connection.map(|(_, at)| at.clone()),
        state,
        incomplete: record.incomplete,
        is_controller: record.controller,
    }
}
