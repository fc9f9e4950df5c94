//! Congestion control and caps: how fast a connection sends.
//!
//! quinn lets a congestion controller set a window but no pace. A sender with only a window fills every queue on the
//! path. The controller therefore writes a pace into the connection's [`SendSchedule`], and the socket lets the
//! connection send when its schedule is due. The operators' caps are token buckets that the same schedule must pass.
//!
//! [`SendSchedule`]: send_schedule::SendSchedule

mod bucket;
mod caps;
mod clock;
mod controller;
mod measures;
mod memory;
mod model;
mod pace;
mod send_schedule;
#[cfg(test)]
mod sim;

pub(super) use caps::Caps;
pub use caps::{CapView, Limit, Pause};
pub(super) use controller::{Flow, SIGN_OF_LIFE};
pub(super) use memory::Memory;
pub(super) use model::ACK_PACKETS;
pub(super) use pace::{PacedSocket, PendingSchedule};
pub(super) use send_schedule::SendSchedule;
