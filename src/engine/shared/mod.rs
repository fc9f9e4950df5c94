//! The state that all tasks of the engine share, and the engine's questions about it.

mod audit_log;
mod busy;
pub mod core;
pub mod engine;
mod find;
pub mod patching;
mod profile;
mod retention;
pub mod seal;
pub mod shares;
