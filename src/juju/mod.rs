//! Juju's API on the wire, for servers and clients: envelope, TLS, logins, typed parameters, uploads, log streams.
//!
//! A server implements [`rpc::Service`] and is run by [`rpc::Server`]; a client is an [`rpc::Client`]. The rules of the wire are
//! those of Juju 3.6 and 4.x, as their own programs were seen to follow them. This floor knows no controller, no link and no
//! engine.

pub mod csr;
pub mod http;
pub mod logstream;
pub mod params;
pub mod rpc;
pub mod tls;
mod wire;
