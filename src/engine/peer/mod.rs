//! The peers: dispatch of their messages, and what the agents report to each other about models and identities.

pub mod claims;
pub mod dispatch;
pub mod identity;
pub mod ownership;
mod query;
pub mod reach;
pub mod serve;
mod serving;
