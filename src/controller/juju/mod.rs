//! A real Juju controller as source and destination of migrations: 3.6, 4.0 and 4.1, unmodified, over its own API.
//!
//! What a real controller lacks, the agent keeps in `juju.redb`: which migration a copy belongs to, and how each call ended
//! whose outcome the controller does not tell. Calls about one model never overlap, and none is given up half-way
//! ([`super::serial::Turns`]).

mod access;
mod arrival;
mod audit;
mod base;
mod card;
mod connection;
mod doctor;
mod facades;
mod import;
mod judge;
mod local;
mod logs;
mod outcome;
mod proven;
mod reach;
mod record;
mod refusal;
mod relay;
mod repoint;
mod request;
mod restore;
mod source;
mod stage;
mod summary;
#[cfg(test)]
mod tests;
mod throttle;
mod units;
mod upload;
mod view;

use self::base::Inner;
pub use self::base::Juju;
