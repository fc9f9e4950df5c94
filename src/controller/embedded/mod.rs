//! The embedded controller: one that lives in the agent's process, keeps models and runs none of them.
//!
//! Models are kept as descriptions, byte for byte, beside the binaries they name; blobs are in the
//! agent's store, facts in `controller.redb`. A model is live, frozen, staged, or gone with a redirect,
//! and each of these is a row in the database.
//!
//! The methods here block on the disk. Async callers use the port, or `spawn_blocking`.

pub mod api;
mod base;
mod contents;
mod files;
mod local;
mod migration;
mod records;
#[cfg(test)]
pub(in crate::controller) mod tests;
pub mod view;

pub use self::contents::inventory;
#[cfg(test)]
pub(in crate::controller) use self::migration::facts;
pub use base::Embedded;
pub use files::backup::{Unpacked, unpack, verify};
pub use files::import::Blobs;
pub(in crate::controller) use migration::dry_run::uploaded;

use self::base::Inner;
