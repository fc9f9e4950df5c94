//! Decides which connections may begin a handshake, and which keys may complete one.
//!
//! Strangers and peers have separate limits, so that strangers keep no peer out. A key completes a handshake if it is paired,
//! or while a pairing offer is open.

pub mod admission;
mod network;
pub mod offers;
pub mod places;
pub mod strangers;
pub mod tls;
