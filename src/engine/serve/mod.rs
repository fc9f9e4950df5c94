//! Starts the engine and serves its peers: one task for each connection, which hands each message to the task that owns it.

pub mod claims;
mod connection;
mod dispatch;
mod identity;
mod start;
