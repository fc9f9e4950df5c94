//! The port's contract, for the adapter as a target. Models come from an embedded controller.

use modelferry_protocol::ids::ModelUuid;
use tempfile::TempDir;

use super::fake::{Running, Stand};
use super::{config, open};
use crate::controller::contract::{Rig, target_contract};
use crate::controller::embedded::tests::EmbeddedRig;
use crate::controller::juju::Juju;
use crate::controller::port::ControllerError;
use crate::disk::Disk;
use crate::store::Store;

target_contract!(as_target, EmbeddedRig, JujuRig);

/// An adapter beside a controller of our own.
struct JujuRig {
    dir: TempDir,
    running: Running,
    juju: Juju,
    store: Store,
}

impl Rig for JujuRig {
    type Port = Juju;
    const KEEPS_ENTRIES: bool = false;

    async fn start(_: &str) -> Self {
        let (running, dir) = (Running::start().await, TempDir::new().unwrap());
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        let juju = open(&dir, config(&dir, &running, vec![running.address.to_string()]), &store);
        juju.connect().await.unwrap();
        Self { dir, running, juju, store }
    }

    fn restarted(self) -> Self {
        let Self { dir, running, juju, store } = self;
        drop(juju);
        let juju = open(&dir, config(&dir, &running, vec![running.address.to_string()]), &store);
        Self { dir, running, juju, store }
    }

    fn port(&self) -> &Juju {
        &self.juju
    }

    fn store(&self) -> &Store {
        &self.store
    }

    /// Juju lets users write to a model that is live.
    fn write(&self, model: ModelUuid) -> Result<(), ControllerError> {
        match self.running.fake.stand(&model.to_string()) {
            Some(Stand::Live) => Ok(()),
            _ => Err(ControllerError::ModelNotFound(model.to_string())),
        }
    }

    /// Nothing that users write is an entry here.
    fn writes(&self, _: ModelUuid) -> usize {
        0
    }
}
