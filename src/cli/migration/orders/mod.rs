//! Commands that change a migration under way.

pub mod abort;
pub mod cutover;
pub mod pause;
pub mod reap;
pub mod resolve;
pub mod resume;
