//! One QUIC connection: socket, settings, addresses, and the codes that say why it was closed.
//!
//! Nothing in this room knows who is paired.

pub mod address;
pub mod close;
pub mod config;
pub mod connection;
pub mod socket;
