//! Gateways to controllers behind peers: the source controller that uses them, the controllers that they pose as, their visitors.

pub mod destinations;
pub mod relayed;
pub mod visitors;
