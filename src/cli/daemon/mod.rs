//! Commands about the agent of this host: the agent itself, its journal, its store, its identity, its gateway.

pub mod agent;
pub mod audit;
pub mod doctor;
pub mod events;
pub mod gateway;
pub mod identity;
pub mod store;
