//! Starts the engine and serves its peers: one task for each connection, which hands each message to the task that owns it. `background`
//! bounds the work that a peer's messages cause.

mod background;
pub mod claims;
mod connection;
mod dispatch;
mod identity;
mod start;
