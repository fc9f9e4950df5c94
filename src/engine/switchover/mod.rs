//! The switchover: drives the two machines of the protocol crate, one task for each migration.
//!
//! Each task does one thing at a time: it makes a record durable, or carries out the one command that the
//! record calls for, or waits. After a crash it begins again from the last durable record, by the same code.
//! Nothing else in the agent activates, adopts, aborts, freezes, thaws or reaps.

mod ahead;
pub mod line;
mod resolve;
pub mod seal;
pub mod source;
pub mod target;
