//! The crash matrix: the shipped code, killed before and after every record and effect, restarted, and
//! looked at from outside. Built with the feature `failpoints`; `scripts/test` does.
#![allow(clippy::disallowed_methods, reason = "a process of its own can only be asked again, a moment later")]

mod held;
#[path = "../system/host.rs"]
#[allow(dead_code, reason = "the other system tests use the rest")]
mod host;
mod in_doubt;
mod in_hand;
mod matrix;
mod set_back;
#[path = "../system/state.rs"]
mod state;
mod transcripts;
