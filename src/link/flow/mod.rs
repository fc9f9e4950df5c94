//! How fast a connection sends: a model of its link, a pace that follows from it, and what operators allow.
//!
//! quinn's congestion seam gives a controller a window, but no pace: with a window alone a sender fills every queue that
//! it meets. So the controller writes its pace into a [`Lane`], and the socket lets a connection send when its lane is
//! due. The caps of operators are buckets which the same lane passes.
//!
//! [`Lane`]: lane::Lane

mod bucket;
mod caps;
mod controller;
mod filter;
mod flights;
mod lane;
mod losses;
mod memory;
mod model;
mod pace;
mod queue;
#[cfg(test)]
mod sim;

pub(super) use caps::Caps;
pub use caps::{CapView, Limit, Pause};
pub(super) use controller::{Flow, SIGN_OF_LIFE};
pub(super) use lane::Lane;
pub(super) use memory::Memory;
pub(super) use model::ACK_PACKETS;
pub(super) use pace::{Announced, PacedSocket};

/// Returns the time by the clock that QUIC is driven by, which can be simulated; the system's own is another.
fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
