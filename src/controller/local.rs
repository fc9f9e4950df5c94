//! The controller beside the agent: what the agent asks of it, of whichever kind it is.
//!
//! The port ([`super::port`]) is what a migration needs. This is the rest: what commands show, and what a restore needs.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::Finding;

use super::backup::Source;
use super::embedded::view::{ControllerView, Imported, ModelDetails, ModelRow};
use super::inventory::Inventory;
use super::port::{Arrival, ControllerError, ModelReader, Relayed};

/// Hears what a restore waits for.
pub type Say = dyn Fn(String) + Send + Sync;

/// The controller beside the agent.
#[async_trait]
pub trait LocalController: Send + Sync {
    /// Returns what reads the controller's models.
    fn reader(&self) -> Arc<dyn ModelReader>;

    /// Returns the controller as a target.
    fn arrival(&self) -> Arc<dyn Arrival>;

    /// Returns the controller as a source that drives its own migrations; nothing for one that leaves them to the agent.
    fn relayed(&self) -> Option<Arc<dyn Relayed>>;

    /// Returns what other agents are told about the controller.
    fn card(&self) -> ControllerCard;

    /// Reports whether the controller is a process of its own, which runs its models' machines.
    fn is_real(&self) -> bool;

    /// Refuses what only a controller does whose models the agent keeps itself.
    ///
    /// Errors: [`ControllerError::Refused`].
    fn must_keep_models(&self) -> Result<(), ControllerError> {
        if !self.is_real() {
            return Ok(());
        }
        Err(ControllerError::Refused(format!(
            "this agent stands beside the real controller \"{0}\", which takes models in and keeps them itself: an agent does not \
             take them out of it, and does not change them; use `juju -m {0}:MODEL …`",
            &*self.card().name
        )))
    }

    /// Shows the controller.
    ///
    /// Errors: [`ControllerError::Storage`].
    async fn view(&self) -> Result<ControllerView, ControllerError>;

    /// Lists the controller's models.
    ///
    /// Errors: [`ControllerError::Storage`], [`ControllerError::Unknown`].
    async fn models(&self) -> Result<Vec<ModelRow>, ControllerError>;

    /// Shows a model that is in service here; with `held`, the copy that is held of one that has moved.
    ///
    /// Errors: [`ControllerError::ModelNotFound`] and others.
    async fn model(&self, named: &str, held: bool) -> Result<ModelDetails, ControllerError>;

    /// Returns the UUID of a model that is in service here.
    ///
    /// Errors: as [`LocalController::model`].
    async fn find(&self, named: &str) -> Result<ModelUuid, ControllerError>;

    /// Lists everything that the agent's own database has of models; nothing for a controller with a database of its own.
    ///
    /// Errors: [`ControllerError::Storage`].
    fn inventory(&self) -> Result<Option<Inventory>, ControllerError>;

    /// Keeps in touch with the controller for as long as the agent runs.
    async fn tend(&self) -> Infallible;

    /// Checks what a migration needs of the controller.
    async fn doctor(&self) -> Vec<Finding>;

    /// Prepares to put a backup's model into service. Changes nothing in the controller.
    ///
    /// Errors: [`ControllerError::Refused`] with what stands against it.
    async fn prepare_restore(&self, source: Box<dyn Source + Send>) -> Result<Box<dyn Restore>, ControllerError>;
}

/// A backup that could be restored.
#[async_trait]
pub trait Restore: Send {
    /// Returns what the restore does not do, and then the commands that do it, a line each.
    fn notes(&self) -> &[String];

    /// Puts the model into service. `say` hears what it waits for meanwhile.
    ///
    /// Errors: [`ControllerError::Refused`] with the controller's reason; nothing of the model is in the controller then.
    async fn perform(self: Box<Self>, say: Box<Say>) -> Result<Imported, ControllerError>;
}
