//! Modules that the rest of the engine imports: the connection to a peer (`conversation`), errors, settings, journal entries
//! (`entry`), limits on what a peer can have recorded (`budget`), models held by an operator's command (`in_hand`), failpoints.

pub mod budget;
pub mod conversation;
pub mod entry;
pub mod error;
pub mod failpoint;
pub mod gateways;
pub mod in_hand;
pub mod packed;
pub mod retry_timer;
pub mod settings;
pub mod unfinished;
