//! The pace of a transfer: measured rate, bytes in flight, share of the link, compression level.

pub mod effort;
pub mod window;
