//! The embedded controller: one that lives in the agent's process, keeps models and runs none of them.
//!
//! Models are kept as descriptions, byte for byte, beside the binaries they name; blobs are in the
//! agent's store, facts in `controller.redb`. A model is live, frozen, staged, or gone with a redirect,
//! and each of these is a row in the database.
//!
//! The methods here block on the disk. Async callers use the port, or `spawn_blocking`.

pub mod api;
mod arrival;
mod audit;
mod backup;
mod base;
mod database;
mod departure;
mod dry_run;
mod entries;
mod export;
mod export_plan;
pub(in crate::controller) mod facts;
mod held;
mod identity;
mod import;
mod import_builder;
pub mod inventory;
mod local;
mod log_files;
mod logs;
mod master;
mod models;
mod password;
mod record;
mod tables;
#[cfg(test)]
pub(in crate::controller) mod tests;
mod user_record;
mod users;
pub mod view;

pub use backup::{Unpacked, unpack, verify};
pub use base::Embedded;
pub(in crate::controller) use dry_run::uploaded;
pub use import::Blobs;

use self::base::Inner;
