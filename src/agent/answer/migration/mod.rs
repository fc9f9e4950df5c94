//! Requests about migrations: those under way, in doubt, and ended, and those that a client of Juju begins.

mod arrival;
pub(in crate::agent) mod initiate;
mod migrations;
mod resolve;
