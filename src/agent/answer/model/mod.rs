//! Requests about models: the agent's own, those of its peers, and their backups.

mod backup;
mod embedded;
mod forewarn;
mod hosted;
pub mod models;
mod nearest;
