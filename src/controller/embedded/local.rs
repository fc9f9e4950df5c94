//! The embedded controller as the one beside the agent.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, Level};

use super::Embedded;
use super::view::{ControllerView, Imported, ModelDetails, ModelRow};
use crate::controller::backup::Source;
use crate::controller::inventory::Inventory;
use crate::controller::local::{LocalController, Restore, Say};
use crate::controller::port::{Arrival, ControllerError, ModelReader, Relayed};
use crate::disk::blocking;

impl Embedded {
    async fn off_thread<R: Send + 'static>(&self, work: impl FnOnce(&Self) -> R + Send + 'static) -> R {
        let embedded = self.clone();
        blocking(move || work(&embedded)).await
    }
}

#[async_trait]
impl LocalController for Embedded {
    fn reader(&self) -> Arc<dyn ModelReader> {
        Arc::new(self.clone())
    }

    fn arrival(&self) -> Arc<dyn Arrival> {
        Arc::new(self.clone())
    }

    fn relayed(&self) -> Option<Arc<dyn Relayed>> {
        None
    }

    fn card(&self) -> ControllerCard {
        self.controller_card()
    }

    fn is_real(&self) -> bool {
        false
    }

    async fn view(&self) -> Result<ControllerView, ControllerError> {
        self.off_thread(Self::view).await
    }

    async fn models(&self) -> Result<Vec<ModelRow>, ControllerError> {
        self.off_thread(Self::models).await
    }

    async fn model(&self, named: &str, held: bool) -> Result<ModelDetails, ControllerError> {
        let named = named.to_owned();
        self.off_thread(move |embedded| if held { embedded.held_model(&named) } else { embedded.model(&named) }).await
    }

    async fn find(&self, named: &str) -> Result<ModelUuid, ControllerError> {
        let named = named.to_owned();
        self.off_thread(move |embedded| {
            // A model that has left is known here still, and asking for it tells where it went.
            embedded.model(&named)?;
            embedded.find(&named)
        })
        .await
    }

    fn inventory(&self) -> Result<Option<Inventory>, ControllerError> {
        self.inventory().map(Some)
    }

    async fn tend(&self) -> Infallible {
        std::future::pending().await
    }

    async fn doctor(&self) -> Vec<Finding> {
        vec![Finding {
            level: Level::Pass,
            check: Text::cut("connection"),
            text: Text::cut("the embedded controller is inside the agent: there is nothing to reach"),
            fix: Text::default(),
        }]
    }

    async fn prepare_restore(&self, source: Box<dyn Source + Send>) -> Result<Box<dyn Restore>, ControllerError> {
        Ok(Box::new(PreparedRestore { embedded: self.clone(), source }))
    }
}

/// A backup, and the controller that is to take it in.
struct PreparedRestore {
    embedded: Embedded,
    source: Box<dyn Source + Send>,
}

#[async_trait]
impl Restore for PreparedRestore {
    fn notes(&self) -> &[String] {
        &[]
    }

    async fn perform(self: Box<Self>, _: Box<Say>) -> Result<Imported, ControllerError> {
        let Self { embedded, mut source } = *self;
        blocking(move || embedded.restore(source.as_mut(), true)).await
    }
}
