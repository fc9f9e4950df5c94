//! How fast a transfer goes: the rate of the link, the bytes in flight, the share of each transfer, the effort of compression.

pub mod effort;
pub mod rate;
pub mod share;
pub mod window;
