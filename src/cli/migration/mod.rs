//! Commands about migrations.

pub mod follow;
pub mod migrations;
pub mod orders;
pub mod show_migration;
pub mod start;
pub mod verify;
pub mod wait;
