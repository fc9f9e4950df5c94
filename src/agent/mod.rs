//! The daemon: supervision, control socket, systemd.

mod admission;
pub mod control;
mod error;
mod lock;
mod logging;
mod systemd;

pub use error::AgentError;
