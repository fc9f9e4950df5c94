//! Requests about peers: pairing, addresses, caps, gateways.

mod dialable;
mod gateways;
mod limits;
mod peers;
