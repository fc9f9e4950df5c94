//! Pairs two agents: one offers a code, the other proves that it knows it, and both store the other's key.

pub mod error;
pub mod offering;
pub mod pair;
