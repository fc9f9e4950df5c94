//! JSON-RPC over WebSocket: what a server implements, and the two ends of a connection.

mod answer;
mod call;
mod client;
mod connection;
pub(crate) mod dial;
mod envelope;
mod error;
mod facades;
mod guests;
pub mod limits;
mod refusal;
mod scope;
mod server;
mod service;
mod socket;
mod streams;

pub use call::RpcCall;
pub use client::{Client, ClientError, Redirect};
pub use dial::{DialError, Target};
pub use envelope::{EnvelopeError, Message, REPLY_NODES_MAX, REQUEST_NODES_MAX, count_nodes};
pub use error::{ErrorCode, RpcError};
pub use facades::{COMMON_FACADES, CONTROLLER_FACADES, FacadeVersions, best_version};
pub use limits::Limits;
pub use refusal::shown;
pub use scope::Scope;
pub use server::Server;
pub use service::{Connection, LoggedIn, Service, Session};

#[cfg(test)]
mod tests;
