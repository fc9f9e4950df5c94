//! A session: the streams of a connection to a peer, after both sides have said `Hello`.
//!
//! The registry keeps one session for each peer. `doubles` finds two agents that use one identity.

pub mod doubles;
mod drive;
pub mod frames;
pub mod life;
mod open_stream;
pub mod registry;
pub mod session;
pub mod streams;
