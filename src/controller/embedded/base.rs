//! The controller itself: its parts, and what is asked of it as a whole.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::{Hash, ModelUuid};
use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::snapshot::Name;
use parking_lot::Mutex;

use super::records::database::{ControllerDatabase, DATABASE};
use super::records::identity::Identity;
use super::records::record::{Blob, der_of};
use super::view::{ControllerView, fingerprint};
use crate::config::EmbeddedConfig;
use crate::controller::description::Description;
use crate::controller::port::ControllerError;
use crate::disk::Disk;
use crate::store::Store;

/// Descriptions kept parsed. A migration asks for its own once for every binary.
const DESCRIPTIONS_CACHED: usize = 8;
/// What `show-controller` says besides.
const NOTE: &str = "embedded in the agent: keeps models, runs no machines and no Juju agents";

/// The embedded controller. Clones are the same controller.
#[derive(Clone)]
pub struct Embedded {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: EmbeddedConfig,
    pub(super) identity: Identity,
    pub(super) database: ControllerDatabase,
    pub(super) store: Store,
    pub(super) descriptions: Mutex<VecDeque<(Hash, Arc<Description>)>>,
}

impl Embedded {
    /// Opens the controller in `state_dir`, or makes it: its UUID and CA are made once and stay.
    ///
    /// `store`: the agent's, where all blobs are.
    /// Errors: [`ControllerError::Storage`], also while another process has it open.
    pub fn open(state_dir: &Path, config: EmbeddedConfig, store: Store, disk: Disk) -> Result<Self, ControllerError> {
        let database = ControllerDatabase::open(state_dir, disk)?;
        let identity = Identity::open(&database, &config)?;
        let descriptions = Mutex::new(VecDeque::new());
        Ok(Self { inner: Arc::new(Inner { config, identity, database, store, descriptions }) })
    }

    /// Returns the path of the controller's database in a state directory.
    pub fn database_path(state_dir: &Path) -> PathBuf {
        state_dir.join(DATABASE)
    }

    /// Returns the controller as `show-controller` prints it.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn view(&self) -> Result<ControllerView, ControllerError> {
        let Inner { config, identity, database, .. } = &*self.inner;
        Ok(ControllerView {
            name: config.name.clone(),
            uuid: identity.uuid.to_string(),
            cloud: config.cloud.clone(),
            region: config.region.clone(),
            cloud_type: config.cloud_type.clone(),
            version: config.version.clone(),
            addresses: config.addresses.clone(),
            ca_cert: identity.ca_cert.clone(),
            ca_fingerprint: fingerprint(&identity.ca_fingerprint.0),
            identity_url: config.identity_url.clone(),
            users: self.users()?,
            models: database.models()?.iter().filter(|model| model.is_here()).count(),
            note: NOTE.to_owned(),
        })
    }

    /// Returns what other agents are told about the controller.
    pub fn controller_card(&self) -> ControllerCard {
        let Inner { config, identity, .. } = &*self.inner;
        ControllerCard {
            name: Name::cut(&config.name),
            uuid: identity.uuid,
            version: Name::cut(&config.version),
            cloud: Name::cut(&config.cloud),
            region: Name::cut(&config.region),
            cloud_type: Name::cut(&config.cloud_type),
            addresses: Bounded::truncated(config.addresses.iter().map(Name::cut).collect()),
            ca_fingerprint: identity.ca_fingerprint.0,
            ca_cert: der_of(&identity.ca_cert),
        }
    }

    /// Returns the parsed description of a model that is here.
    ///
    /// Errors: [`ControllerError::ModelNotFound`] also for the controller's own model, which has none.
    pub fn description(&self, model: ModelUuid) -> Result<Arc<Description>, ControllerError> {
        let record = self.inner.database.model(model)?;
        let blob = record.and_then(|record| record.description);
        self.inner.description_of(blob.ok_or_else(|| ControllerError::ModelNotFound(model.to_string()))?)
    }

    /// Returns the store that the controller's blobs are in.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }
}

impl Inner {
    /// Returns a description out of the store, parsed.
    pub(super) fn description_of(&self, blob: Blob) -> Result<Arc<Description>, ControllerError> {
        if let Some((_, known)) = self.descriptions.lock().iter().find(|(hash, _)| *hash == blob.hash) {
            return Ok(Arc::clone(known));
        }
        let bytes = self.store.read(blob.into(), DESCRIPTION_BYTES_MAX).map_err(ControllerError::storage)?;
        let parsed = Description::parse(&bytes).map_err(|error| ControllerError::Refused(error.to_string()))?;
        let parsed = Arc::new(parsed);
        let mut cached = self.descriptions.lock();
        cached.push_back((blob.hash, Arc::clone(&parsed)));
        if cached.len() > DESCRIPTIONS_CACHED {
            cached.pop_front();
        }
        Ok(parsed)
    }
}
