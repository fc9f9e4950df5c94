//! The base of the engine: shared state, the connection to a peer, errors, settings.

pub mod conversation;
pub mod core;
mod decides;
pub mod destinations;
pub mod engine;
pub mod entry;
pub mod error;
pub mod failpoint;
pub mod in_hand;
pub mod packed;
pub mod relayed;
pub mod seal;
pub mod settings;
pub mod unfinished;
pub mod visitors;
