//! One migration or pre-copy in this process: state, counters, orders, status text.

mod busy;
pub mod counters;
pub mod event;
mod find;
pub mod history;
pub mod id;
pub mod master_request;
pub mod options;
pub mod orders;
pub mod queue;
pub mod status_text;
pub mod tracked;
pub mod tracked_state;
mod undecided;
