//! One migration or pre-copy as the engine follows it: its state, its counters, its orders, and the words that describe it.

mod busy;
pub mod counters;
pub mod course;
pub mod event;
mod find;
pub mod history;
pub mod id;
pub mod options;
pub mod orders;
pub mod queue;
pub mod status_text;
pub mod tracked;
mod undecided;
