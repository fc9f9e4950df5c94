//! Modules that every command imports: the agent's end of the control socket, the terminal, exit codes, help texts, and input that can be
//! read only once.

pub mod client;
pub mod context;
pub mod exit;
pub mod help;
pub mod mistake;
pub(crate) mod spool;
mod stuck;
