//! Controllers: the port through which a model leaves and arrives, and the adapters behind it.

pub mod backup;
mod body;
pub mod checks;
#[cfg(test)]
pub(crate) mod contract;
pub mod description;
pub mod embedded;
mod expiry;
pub mod files;
pub mod gateway;
pub mod inventory;
pub mod juju;
pub mod local;
mod log_piece;
pub mod master;
mod passed_on;
pub mod port;
mod said;
pub mod serial;
pub mod status;
mod text;
