//! JSON-RPC over WebSocket: what a server implements, and the two ends of a connection.

mod answer;
mod call;
mod client;
mod connection;
mod envelope;
mod guests;
mod refusal;
mod server;
mod service;
mod streams;

pub use super::wire::dial::{DialError, Target};
pub use super::wire::error::{ErrorCode, RpcError};
pub use super::wire::facades::{COMMON_FACADES, CONTROLLER_FACADES, FacadeVersions, best_version};
pub use super::wire::limits::Limits;
pub use super::wire::scope::Scope;
pub(crate) use crate::juju::wire::dial;
pub use crate::juju::wire::limits;
pub use call::RpcCall;
pub use client::{Client, ClientError, Redirect};
pub use envelope::{EnvelopeError, Message, REPLY_NODES_MAX, REQUEST_NODES_MAX, count_nodes};
pub use refusal::shown;
pub use server::Server;
pub use service::{Connection, LoggedIn, Service, Session};

#[cfg(test)]
mod tests;
