//! Pre-copies: send a model's bytes ahead of a migration that may follow. Nothing is frozen or handed over, and no machine of
//! the protocol crate takes part.

pub mod incoming;
pub mod record;
pub mod start;
mod task;
