//! The embedded controller: the port's contract, and what only this adapter has.

mod backup;
mod files;
mod full;
mod rules;
mod use_of_models;

use std::path::PathBuf;

use modelferry_protocol::ids::ModelUuid;
use tempfile::TempDir;

use super::view::Access;
use super::{Blobs, Embedded};
use crate::config::EmbeddedConfig;
use crate::controller::contract::{Rig, SourceRig, controller_contract};
use crate::controller::description::sample::Sample;
use crate::controller::files::OwnFiles;
use crate::controller::port::ControllerError;
use crate::disk::Disk;
use crate::store::Store;

controller_contract!(contract, EmbeddedRig);

/// An embedded controller in a directory of its own.
pub(in crate::controller) struct EmbeddedRig {
    dir: TempDir,
    config: EmbeddedConfig,
    embedded: Embedded,
    store: Store,
}

/// A controller that could take the sample model.
pub(super) fn config(name: &str) -> EmbeddedConfig {
    EmbeddedConfig {
        name: name.to_owned(),
        cloud: "openstack-eu".to_owned(),
        region: "RegionOne".to_owned(),
        cloud_type: "openstack".to_owned(),
        version: "3.6.23".to_owned(),
        addresses: vec!["10.0.0.1:17070".to_owned()],
        identity_url: String::new(),
        accept_live_models: false,
        spaces: Vec::new(),
        storage_pools: Vec::new(),
        secret_backends: vec!["63c8ad37c906eb278540e942".to_owned()],
        credentials: Vec::new(),
        api: None,
        refusals: Vec::new(),
    }
}

fn open(dir: &TempDir, config: &EmbeddedConfig) -> (Embedded, Store) {
    let store = Store::open(dir.path(), Disk::real()).unwrap();
    (Embedded::open(dir.path(), config.clone(), store.clone(), Disk::real()).unwrap(), store)
}

impl Rig for EmbeddedRig {
    type Port = Embedded;

    async fn start(name: &str) -> Self {
        Self::start(name)
    }

    fn restarted(self) -> Self {
        let Self { dir, config, embedded, store } = self;
        drop((embedded, store));
        let (embedded, store) = open(&dir, &config);
        Self { dir, config, embedded, store }
    }

    fn port(&self) -> &Embedded {
        &self.embedded
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn write(&self, model: ModelUuid) -> Result<(), ControllerError> {
        self.embedded.set(&model.to_string(), "key", "value").map(drop)
    }

    fn writes(&self, model: ModelUuid) -> usize {
        self.embedded.get(&model.to_string()).unwrap().len()
    }
}

impl SourceRig for EmbeddedRig {
    fn with_model(&self) -> ModelUuid {
        self.with_model()
    }

    fn with_unwritten_model(&self) -> ModelUuid {
        self.with_unwritten_model()
    }
}

impl EmbeddedRig {
    /// Starts a controller without models.
    pub(in crate::controller) fn start(name: &str) -> Self {
        Self::start_as(config(name))
    }

    /// Puts a live model into it, with some writes.
    pub(in crate::controller) fn with_model(&self) -> ModelUuid {
        let model = self.with_unwritten_model();
        for number in 1..=3 {
            assert_eq!(self.embedded.set("prod", "colour", &format!("shade {number}")).unwrap(), number);
        }
        model
    }

    /// Puts a live model into it that nobody has written to.
    fn with_unwritten_model(&self) -> ModelUuid {
        let sample = Sample::default();
        self.import(&sample);
        sample.uuid
    }

    /// Starts a controller of this configuration.
    pub(super) fn start_as(config: EmbeddedConfig) -> Self {
        let dir = TempDir::new().unwrap();
        let (embedded, store) = open(&dir, &config);
        // The sample model's other user.
        embedded.add_user("bob", Access::Login, None).unwrap();
        Self { dir, config, embedded, store }
    }

    /// Returns the controller.
    pub(super) fn embedded(&self) -> &Embedded {
        &self.embedded
    }

    /// Imports a model with its binaries.
    fn import(&self, sample: &Sample) {
        let files = self.files(sample);
        self.embedded.import(&files.join("model.yaml"), &Blobs::Dir(files), &mut OwnFiles).unwrap();
    }

    /// Writes a model's files, and returns their directory.
    pub(super) fn files(&self, sample: &Sample) -> PathBuf {
        let dir = self.dir.path().join(format!("files-{}-{}", sample.uuid, sample.name));
        sample.write(&dir);
        dir
    }
}
