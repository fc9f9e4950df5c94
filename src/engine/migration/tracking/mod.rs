//! A migration or pre-copy as this process knows it: its state, its times and its counters.

pub mod counters;
pub mod history;
pub mod tracked;
pub mod tracked_state;
mod undecided;
