//! Commands about models: their list, their status, their backups.

pub mod backup;
mod from;
#[cfg(test)]
mod golden;
pub mod models;
pub mod show_model;
pub mod status;
