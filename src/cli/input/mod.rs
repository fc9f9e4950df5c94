//! Reads what an operator types as arguments: numbers, moments, properties of a link, and files to hand to the agent.

pub(crate) mod files;
pub mod link_spec;
pub mod moment;
pub mod number;
