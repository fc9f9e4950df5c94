//! The embedded controller's API: what Juju's own clients ask of a controller.
//!
//! [`Api`] stands behind the server of `juju::rpc`. What can be seen is made of the database and the descriptions by pure
//! functions, a file for each facade; what concerns migrations is asked of a [`Migrator`], which the agent is.

mod attempts;
mod base;
mod caller;
mod errors;
mod facades;
mod logins;
mod relayed;
mod session;
mod statuses;
mod streams;
#[cfg(test)]
mod tests;

use self::base::time;
pub use self::base::{Api, LastMigration, Migrator};
