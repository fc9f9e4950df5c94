//! The embedded controller's API: what Juju's own clients ask of a controller.
//!
//! [`Api`] stands behind the server of `juju::rpc`. What can be seen is made of the database and the descriptions by pure
//! functions, a file for each facade; what concerns migrations is asked of a [`Migrator`], which the agent is.

mod bakery;
mod base;
mod caller;
mod client;
mod clouds;
mod controller;
mod device_login;
mod devices;
mod entity_status;
mod errors;
mod full_status;
mod gate;
mod local_login;
mod log;
mod log_transfer;
mod login;
mod migration_target;
mod model_config;
mod model_manager;
mod offers;
mod patterns;
mod relayed;
mod session;
mod storage_status;
#[cfg(test)]
mod tests;
mod uploads;
mod user_manager;
mod watcher;

use self::base::time;
pub use self::base::{Api, LastMigration, Migrator};
