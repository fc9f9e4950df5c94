//! The switchover: drives the two machines of the protocol crate, one task for each migration.
//!
//! Each task does one thing at a time, see [`task`]. After a crash it begins again from the last durable record, by the same code.
//! Nothing else in the agent activates, adopts, aborts, freezes, thaws or reaps.

mod after;
mod ahead;
pub mod line;
pub mod seal;
pub mod source;
pub mod target;
mod task;
