//! One migration or pre-copy as the engine follows it: its state, its counters, its orders, and the words that describe it.

pub mod counters;
pub mod course;
mod find;
pub mod history;
pub mod options;
pub mod orders;
pub mod queue;
pub mod status_text;
pub mod tracked;
mod undecided;
