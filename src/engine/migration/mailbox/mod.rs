//! Input of a migration's task: events, orders of operators, requests of a migration master.

pub mod event;
pub mod master_request;
pub mod options;
pub mod orders;
