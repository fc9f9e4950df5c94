//! One migration or pre-copy in this process: its input, its state, its place in the queue, and the texts that describe it.

pub mod gateway;
pub mod id;
pub mod mailbox;
pub mod queue;
pub mod status_text;
pub mod tracking;
