//! Relays between two controllers: calls and byte streams, the gateway's port, and the log that a source controller sends.

pub mod between;
mod log;
pub mod port;
