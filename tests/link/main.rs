//! The link over real UDP on loopback: pairing, sessions, and peers that mean harm.

mod caps;
mod deaf;
mod files;
mod hostile;
mod pairing;
mod raw;
mod sessions;
mod strangers;
mod streams;
mod support;
