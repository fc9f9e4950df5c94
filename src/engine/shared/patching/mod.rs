//! State of patches: their measured cost since the start of the agent, and the turn to make one.

pub mod cost;
pub mod known;
mod turn;
