//! The agent's end of the control socket: who may connect, how many at once, and who may change something.

pub mod admission;
mod places;
pub mod server;
