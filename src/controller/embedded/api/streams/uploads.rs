//! `/migrate/charms`, `/migrate/tools`, `/migrate/resources`: the binaries of a model that a migration master brings.

use modelferry_protocol::snapshot::Call as Step;

use crate::controller::embedded::Inner;
use crate::controller::embedded::api::Api;
use crate::controller::embedded::api::errors::fault;
use crate::controller::embedded::migration::dry_run::uploaded;
use crate::controller::embedded::records::record::key;
use crate::controller::master::upload::{Received, Upload, bad, model_of};
use crate::controller::port::{ControllerError, MigrationRef};
use crate::disk::blocking;
use crate::juju::http::{HttpReply, HttpRequest};
use crate::juju::rpc::RpcError;

impl Api {
    /// Takes what a master uploads.
    pub(in crate::controller::embedded::api) async fn take_upload(
        &self,
        request: &mut HttpRequest,
    ) -> Result<HttpReply, RpcError> {
        let model = model_of(&request.head)?;
        let look = self.clone();
        let migration = blocking(move || look.inner().in_mode(model, "importing")).await?;
        let upload = Upload::of(&request.head)?;
        // Nothing names what is stored until it is staged.
        let _stored = self.inner().store.lease_with_puts();
        let Received { step, reply } = upload.receive(&self.inner().store, request).await?;
        if let Some(step) = step {
            self.stage(migration, step).await?;
        }
        Ok(reply)
    }

    async fn stage(&self, migration: MigrationRef, step: Step) -> Result<(), RpcError> {
        let api = self.clone();
        let staged = blocking(move || {
            if let Step::UploadCharm(_) = step {
                api.inner().refuse_another(migration, &step)?;
            }
            api.inner().perform(migration, &step)
        });
        staged.await.map_err(|error| match error {
            ControllerError::Refused(text) => bad(text),
            other => fault(&other),
        })
    }
}

impl Inner {
    /// Refuses a charm that was uploaded before with other bytes. A real controller gives a local one another revision
    /// then, and refuses one of a store as well.
    fn refuse_another(&self, migration: MigrationRef, step: &Step) -> Result<(), ControllerError> {
        let not_found = || ControllerError::ModelNotFound(migration.model.to_string());
        let description = self.description_of(self.known(migration.model)?.description.ok_or_else(not_found)?)?;
        let (blob, wanted) = uploaded(step, &description)?;
        let path = key(wanted);
        let held = self.database.binaries(migration.model)?;
        match held.iter().find(|(known, of)| *known == path && of.hash != blob.hash) {
            None => Ok(()),
            Some((_, known)) => Err(ControllerError::Refused(format!(
                "{wanted} was uploaded already with BLAKE3 {}, now with {}",
                known.hash, blob.hash
            ))),
        }
    }
}
