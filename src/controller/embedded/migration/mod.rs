//! The controller as a source and as a target of migrations.

mod arrival;
mod audit;
mod departure;
pub mod dry_run;
pub(in crate::controller) mod facts;
mod master;
