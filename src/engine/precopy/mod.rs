//! A model's bytes travel ahead of a migration that may come. Nothing is frozen, reserved or handed over: no machine has a
//! state for it, and no migration waits for one.

pub mod incoming;
pub mod record;
pub mod start;
mod task;
