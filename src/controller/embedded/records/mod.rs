//! The controller's database: tables, the records in them, the identity, passwords.

pub mod database;
pub mod identity;
pub mod password;
pub mod record;
pub mod tables;
pub mod user_record;
