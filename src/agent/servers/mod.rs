//! Servers beside the control socket: the embedded controller's API, and the gateways.

pub mod api;
pub mod gateways;
