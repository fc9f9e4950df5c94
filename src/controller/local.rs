//! The controller beside the agent, of whichever kind: what the agent asks of both.

use std::sync::Arc;

use modelferry_protocol::codec::Text;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, Level};

use super::embedded::Embedded;
use super::embedded::view::{ControllerView, ModelDetails, ModelRow};
use super::inventory::Inventory;
use super::juju::Juju;
use super::port::{Arrival, ControllerError, ModelReader};
use crate::disk::blocking;

/// The controller beside the agent. Clones are the same one.
#[derive(Clone)]
pub enum Local {
    /// The one inside the agent.
    Embedded(Embedded),
    /// A real one.
    Juju(Juju),
}

impl Local {
    /// Returns what reads the controller's models.
    pub fn reader(&self) -> Arc<dyn ModelReader> {
        match self {
            Self::Embedded(embedded) => Arc::new(embedded.clone()),
            Self::Juju(juju) => Arc::new(juju.clone()),
        }
    }

    /// Returns the controller as a target.
    pub fn arrival(&self) -> Arc<dyn Arrival> {
        match self {
            Self::Embedded(embedded) => Arc::new(embedded.clone()),
            Self::Juju(juju) => Arc::new(juju.clone()),
        }
    }

    /// Returns what other agents are told about the controller.
    pub fn card(&self) -> ControllerCard {
        match self {
            Self::Embedded(embedded) => embedded.controller_card(),
            Self::Juju(juju) => juju.controller_card(),
        }
    }

    /// Refuses what only a controller does whose models the agent keeps itself.
    ///
    /// Errors: [`ControllerError::Refused`].
    pub fn must_keep_models(&self) -> Result<(), ControllerError> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Juju(juju) => Err(ControllerError::Refused(format!(
                "this agent stands beside the real controller \"{0}\", which takes models in and keeps them itself: an agent \
                 does not take them out of it, and does not change them; use `juju -m {0}:MODEL …`",
                &*juju.controller_card().name
            ))),
        }
    }

    /// Shows the controller.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub async fn view(&self) -> Result<ControllerView, ControllerError> {
        match self {
            Self::Embedded(embedded) => {
                let embedded = embedded.clone();
                blocking(move || embedded.view()).await
            }
            Self::Juju(juju) => Ok(juju.view().await),
        }
    }

    /// Lists the controller's models.
    ///
    /// Errors: [`ControllerError::Storage`], [`ControllerError::Unknown`].
    pub async fn models(&self) -> Result<Vec<ModelRow>, ControllerError> {
        match self {
            Self::Embedded(embedded) => {
                let embedded = embedded.clone();
                blocking(move || embedded.models()).await
            }
            Self::Juju(juju) => juju.models().await,
        }
    }

    /// Shows a model that is in service here; with `held`, the copy that is held of one that has moved.
    ///
    /// Errors: [`ControllerError::ModelNotFound`] and others.
    pub async fn model(&self, named: &str, held: bool) -> Result<ModelDetails, ControllerError> {
        let named = named.to_owned();
        match self {
            Self::Embedded(embedded) => {
                let embedded = embedded.clone();
                blocking(move || if held { embedded.held_model(&named) } else { embedded.model(&named) }).await
            }
            Self::Juju(_) if held => Err(ControllerError::ModelNotFound(named)),
            Self::Juju(juju) => juju.model(&named).await,
        }
    }

    /// Lists everything that the agent's own database has of models; nothing for a controller with a database of its own.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn inventory(&self) -> Result<Option<Inventory>, ControllerError> {
        match self {
            Self::Embedded(embedded) => embedded.inventory().map(Some),
            Self::Juju(_) => Ok(None),
        }
    }

    /// Keeps in touch with the controller for as long as the agent runs.
    pub async fn tend(self) -> std::convert::Infallible {
        match self {
            Self::Embedded(_) => std::future::pending().await,
            Self::Juju(juju) => juju.keep_connected().await,
        }
    }

    /// Checks what a migration needs of the controller.
    pub async fn doctor(&self) -> Vec<Finding> {
        match self {
            Self::Embedded(_) => vec![Finding {
                level: Level::Pass,
                check: Text::cut("connection"),
                text: Text::cut("the embedded controller is inside the agent: there is nothing to reach"),
                fix: Text::default(),
            }],
            Self::Juju(juju) => juju.doctor().await,
        }
    }
}
