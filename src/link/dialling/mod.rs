//! Dials each peer until it is connected, and runs a connection from its handshake to its close.

pub mod dial;
pub mod race;
pub mod serve;
