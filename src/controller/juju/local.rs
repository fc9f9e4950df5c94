//! A real controller as the one beside the agent.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::Finding;

use super::Juju;
use super::restore::PreparedRestore;
use crate::controller::backup::Source;
use crate::controller::embedded::view::{ControllerView, Imported, ModelDetails, ModelRow};
use crate::controller::inventory::Inventory;
use crate::controller::local::{LocalController, Restore, Say};
use crate::controller::port::{Arrival, ControllerError, ModelReader, Relayed};

#[async_trait]
impl LocalController for Juju {
    fn reader(&self) -> Arc<dyn ModelReader> {
        Arc::new(self.clone())
    }

    fn arrival(&self) -> Arc<dyn Arrival> {
        Arc::new(self.clone())
    }

    fn relayed(&self) -> Option<Arc<dyn Relayed>> {
        Some(Arc::new(self.clone()))
    }

    fn card(&self) -> ControllerCard {
        self.controller_card()
    }

    fn is_real(&self) -> bool {
        true
    }

    async fn view(&self) -> Result<ControllerView, ControllerError> {
        Ok(self.view().await)
    }

    async fn models(&self) -> Result<Vec<ModelRow>, ControllerError> {
        self.models().await
    }

    async fn model(&self, named: &str, held: bool) -> Result<ModelDetails, ControllerError> {
        if held { Err(ControllerError::ModelNotFound(named.to_owned())) } else { self.model(named).await }
    }

    async fn find(&self, named: &str) -> Result<ModelUuid, ControllerError> {
        let found = self.model(named).await?;
        found.row.uuid.parse().map_err(|_| ControllerError::ModelNotFound(named.to_owned()))
    }

    fn inventory(&self) -> Result<Option<Inventory>, ControllerError> {
        Ok(None)
    }

    async fn tend(&self) -> Infallible {
        self.clone().keep_connected().await
    }

    async fn doctor(&self) -> Vec<Finding> {
        self.doctor().await
    }

    async fn prepare_restore(&self, source: Box<dyn Source + Send>) -> Result<Box<dyn Restore>, ControllerError> {
        let prepared = self.prepare_restore(source).await?;
        Ok(Box::new(Restorable { juju: self.clone(), prepared }))
    }
}

/// A backup, and the controller that would take it in.
struct Restorable {
    juju: Juju,
    prepared: PreparedRestore,
}

#[async_trait]
impl Restore for Restorable {
    fn notes(&self) -> &[String] {
        &self.prepared.notes
    }

    async fn perform(self: Box<Self>, say: Box<Say>) -> Result<Imported, ControllerError> {
        self.juju.restore(self.prepared, &*say).await
    }
}
