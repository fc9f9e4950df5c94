//! The contents of the controller: models, writes to them, users.

pub mod entries;
pub mod inventory;
mod models;
pub mod users;
