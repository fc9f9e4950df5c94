//! The API, and what it asks of the agent.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;

use super::attempts::devices::Devices;
use super::attempts::gate::LoginGate;
use crate::controller::embedded::base::{Embedded, Inner};
use crate::controller::port::ControllerError;
use crate::juju::params::admin::HostPort;
use crate::juju::rpc::RpcError;
use crate::juju::tls::Leaf;

/// What the API asks of the agent, which knows migrations and peers.
#[async_trait]
pub trait Migrator: Send + Sync + 'static {
    /// Returns the model's migration that runs, or the last one if it failed.
    fn last(&self, model: ModelUuid) -> Option<LastMigration>;

    /// Says why a model is frozen that no migration will ever thaw; nothing of any other.
    fn frozen_for_good(&self, model: ModelUuid) -> Option<String> {
        let _ = model;
        None
    }

    /// Says what stands against migrating the model to this controller, in Juju's words. Changes nothing.
    async fn check(&self, model: ModelUuid, controller: ModelUuid) -> Result<(), RpcError>;

    /// Begins to migrate the model to this controller, and returns the migration's id.
    ///
    /// Errors: what stands against it, in Juju's words; nothing has changed then.
    async fn begin(&self, model: ModelUuid, controller: ModelUuid, actor: &str) -> Result<String, RpcError>;
}

/// A model's migration, as the model shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMigration {
    /// What happens now, or why it failed, in Juju's words.
    pub note: String,
    /// When it began, Unix milliseconds.
    pub started_ms: u64,
    /// When it failed, Unix milliseconds.
    pub ended_ms: Option<u64>,
}

/// The embedded controller's API. Clones are the same API.
#[derive(Clone)]
pub struct Api {
    pub(super) embedded: Embedded,
    pub(super) migrator: Arc<dyn Migrator>,
    pub(super) servers: Arc<[HostPort]>,
    pub(super) gate: Arc<LoginGate>,
    pub(super) devices: Arc<Devices>,
}

impl Api {
    /// Makes the API of a controller that listens at `listen`.
    pub fn new(embedded: Embedded, migrator: Arc<dyn Migrator>, listen: SocketAddr) -> Self {
        let told = embedded.inner.config.addresses.iter().filter_map(|address| HostPort::read(address));
        let mut servers: Vec<HostPort> = told.filter(|at| at.port != 0).collect();
        if servers.is_empty() {
            servers.push(HostPort::new(&listen.ip().to_string(), listen.port()));
        }
        Self { embedded, migrator, servers: servers.into(), gate: Arc::default(), devices: Arc::default() }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.embedded.inner
    }
}

impl Embedded {
    /// Makes the certificate that the API shows: signed by the controller's CA, which stays, for every name and address
    /// that the configuration gives it.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn api_leaf(&self, listen: SocketAddr) -> Result<Leaf, ControllerError> {
        let told = self.inner.config.addresses.iter().filter_map(|address| HostPort::read(address));
        let hosts = told.map(|at| at.value).chain([listen.ip().to_string()]);
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        for host in hosts {
            match host.parse() {
                Ok(address) => addresses.push(address),
                Err(_) => names.push(host),
            }
        }
        self.inner.identity.authority().issue(&names, &addresses).map_err(ControllerError::storage)
    }
}

/// Writes Unix milliseconds as the wire has times; nothing for 0.
pub(super) fn time(unix_ms: u64) -> Option<String> {
    let time = i64::try_from(unix_ms).ok().filter(|ms| *ms > 0)?;
    Some(jiff::Timestamp::from_millisecond(time).ok()?.to_string())
}
