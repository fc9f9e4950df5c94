//! Keys and certificates: this agent's identity, and the key that a peer's certificate holds.

pub mod certificate;
pub mod identity;
