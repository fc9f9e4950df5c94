//! Serves peers. `serve` runs one connection and `dispatch` hands its messages to the tasks that own them; `in_service` lists the
//! models that this agent serves, `claims` exchanges that list with peers, and `ownership` compares epochs in both journals.

pub mod claims;
pub mod dispatch;
pub mod identity;
mod in_service;
pub mod ownership;
mod query;
pub mod reach;
pub mod serve;
