//! Modules that the rest of the engine imports: shared state (`core`), the connection to a peer (`conversation`), errors, settings,
//! who decides a migration (`profile`), journal entries (`entry`), models held by an operator's command (`in_hand`), the sealed
//! snapshot (`seal`), gateway visitors (`visitors`), failpoints.

pub mod budget;
pub mod conversation;
pub mod core;
pub mod destinations;
pub mod engine;
pub mod entry;
pub mod error;
pub mod failpoint;
pub mod in_hand;
pub mod packed;
mod profile;
pub mod relayed;
pub mod seal;
pub mod settings;
pub mod unfinished;
pub mod visitors;
