//! Modules that the rest of this floor imports: errors, facades, the scope of a connection, dialling, the heads of HTTP
//! requests, WebSockets, limits.

pub(crate) mod dial;
pub mod error;
pub mod facades;
pub mod head;
pub mod limits;
pub mod scope;
pub mod socket;
