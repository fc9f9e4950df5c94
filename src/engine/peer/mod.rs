//! Serves peers: dispatches their messages, and compares the two sides' models and identities.

pub mod claims;
pub mod dispatch;
pub mod identity;
pub mod ownership;
mod query;
pub mod reach;
pub mod serve;
mod serving;
