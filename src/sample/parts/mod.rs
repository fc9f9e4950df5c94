//! The parts of the sample's description: machines, applications, relations, and the rest, a file for each.

pub mod access;
pub mod applications;
pub mod charms;
pub mod machines;
pub mod network;
pub mod relations;
mod resources;
pub mod storage;
mod units;
