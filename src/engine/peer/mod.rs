//! Asks peers, and compares what both sides know. `in_service` lists the models that this agent serves, `report` tells peers of it,
//! `alarms` records what an operator must know of them, and `ownership` compares epochs in both journals; `rights` holds peers to what an operator
//! lets them do.

pub mod alarms;
pub mod in_service;
pub mod ownership;
mod query;
pub mod reach;
pub mod report;
pub mod rights;
