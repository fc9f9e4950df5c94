//! Juju's facades, a file for each.

pub mod client;
pub mod clouds;
pub mod controller;
pub mod migration_target;
pub mod model_config;
pub mod model_manager;
pub mod offers;
pub mod user_manager;
pub mod watcher;
