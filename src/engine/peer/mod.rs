//! Serves peers. `serve` runs one connection and `dispatch` hands its messages to the tasks that own them; `in_service` lists the
//! models that this agent serves, `report` tells peers of it, `claims` judges what peers report, and `ownership` compares epochs in both
//! journals. With `choice` an operator says which of two copies counts.

mod alarms;
mod choice;
pub mod claims;
pub mod dispatch;
pub mod identity;
mod in_service;
pub mod ownership;
mod query;
pub mod reach;
pub mod report;
pub mod serve;
