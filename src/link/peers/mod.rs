//! The paired peers, and the files that an operator may edit: names, pins, addresses, caps,
//! and what each peer may do.
//!
//! `complaints` bounds how often a peer can cause a warning in the log.

pub mod complaints;
pub mod error;
pub mod file;
pub mod limits;
pub mod list;
pub mod peer;
pub mod rights;
