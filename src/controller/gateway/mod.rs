//! The gateway: a server that poses as a Juju destination controller to an unmodified Juju source controller.
//!
//! The source's migration master, its machines' agents and its users speak Juju's API here as they would at the real
//! destination. The gateway knows that API alone: whatever it is asked it asks a [`Relay`], which the agent is, and which knows
//! the link, the journal and the destination. `docs/juju.md` has what it does in each phase of a migration.

mod admission;
mod agents;
mod certificate;
mod imports;
mod login;
mod master;
mod proxy;
mod relay;
mod secret;
#[cfg(test)]
mod tests;
mod uploads;

use std::net::SocketAddr;
use std::sync::Arc;

use modelferry_protocol::ids::ModelUuid;

pub use certificate::{Certificate, CertificateError};
pub use relay::{Admission, Destination, MigrationPhase, Relay, RelayError, RelayedMigration, Visitor, Way};
pub use secret::Secret;

use self::admission::Turnstile;
use self::imports::Imports;
use crate::juju::params::admin::HostPort;
use crate::juju::rpc::{ErrorCode, Limits, RpcError};
use crate::store::Store;

/// Connections that have not logged in: every agent of a large model waits for its redirect at once.
const STRANGERS_MAX: usize = 8192;

/// The gateway to one destination. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    relay: Arc<dyn Relay>,
    store: Store,
    /// The gateway's own addresses, as login replies name them.
    servers: Vec<HostPort>,
    /// The CA of the gateway's own certificate, PEM.
    ca_cert: String,
    imports: Imports,
    turnstile: Turnstile,
}

impl Gateway {
    /// Makes the gateway that listens at `listen`.
    ///
    /// `store`: the agent's, which uploads go into. `addresses`: `host:port` each under which the source reaches it; none for
    /// `listen`. `ca_cert`: the CA of the certificate that it shows, PEM: the destination's own, or one that we made.
    pub fn new(relay: Arc<dyn Relay>, store: Store, listen: SocketAddr, addresses: &[String], ca_cert: String) -> Self {
        let mut servers: Vec<HostPort> = addresses.iter().filter_map(|address| HostPort::read(address)).collect();
        if servers.is_empty() {
            servers.push(HostPort::new(&listen.ip().to_string(), listen.port()));
        }
        let (imports, turnstile) = (Imports::default(), Turnstile::default());
        Self { inner: Arc::new(Inner { relay, store, servers, ca_cert, imports, turnstile }) }
    }

    /// Returns how many connections the gateway's server takes.
    pub fn limits() -> Limits {
        Limits { strangers_max: STRANGERS_MAX, ..Limits::default() }
    }

    fn relay(&self) -> &dyn Relay {
        &*self.inner.relay
    }

    /// Returns what is known of the destination.
    ///
    /// Errors: nothing is known yet.
    fn destination(&self) -> Result<Arc<Destination>, RpcError> {
        let unknown = "the destination's agent has not told this one about its controller yet; see `modelferry peers`";
        self.relay().destination().ok_or_else(|| RpcError::plain(unknown))
    }

    fn migration_of(&self, model: &str) -> Result<RelayedMigration, RpcError> {
        let known = model.parse().ok().and_then(|uuid: ModelUuid| self.relay().migration_of(uuid));
        known.ok_or_else(|| RpcError::unknown_model(model))
    }
}

/// What a caller is told of a failure of the relay.
impl From<RelayError> for RpcError {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Refused(error) => error,
            RelayError::OtherBytes { .. } => Self::new(ErrorCode::BadRequest, error.to_string()),
            RelayError::Unreachable(_) | RelayError::Ended(_) => Self::plain(error.to_string()),
            RelayError::Storage(_) => {
                tracing::error!(%error, "the gateway cannot answer");
                Self::plain(error.to_string())
            }
        }
    }
}
