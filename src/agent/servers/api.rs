//! Starts and stops the embedded controller's API, if the configuration asks for it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::agent::AgentError;
use crate::agent::answer::RequestHandler;
use crate::agent::answer::migration::initiate::Migrations;
use crate::controller::embedded::api::Api;
use crate::disk::blocking;
use crate::juju::rpc::{Limits, Server};
use crate::juju::tls::server_config;

/// Starts the API at `listen`.
///
/// Errors: [`AgentError::Api`] for an address that is not to be had; [`AgentError::Controller`].
pub(in crate::agent) async fn start(listen: SocketAddr, handler: &Arc<RequestHandler>) -> Result<Server, AgentError> {
    let failed = |source: std::io::Error| AgentError::Api { listen, source };
    let listener = tokio::net::TcpListener::bind(listen).await.map_err(failed)?;
    let listen = listener.local_addr().map_err(failed)?;
    let embedded = handler.embedded.clone();
    let leaf = blocking(move || embedded.api_leaf(listen)).await?;
    let tls = server_config(&leaf).map_err(|error| failed(std::io::Error::other(error)))?;
    let api = Api::new(handler.embedded.clone(), Arc::new(Migrations(Arc::clone(handler))), listen);
    let server = Server::start(listener, tls, Arc::new(api), Limits::default()).map_err(failed)?;
    tracing::info!(%listen, "Juju's API");
    Ok(server)
}
