//! The crash matrix: the shipped code, killed before and after every record and effect, restarted, and
//! looked at from outside. Built with the feature `failpoints`; `scripts/test` does.
#![allow(clippy::disallowed_methods, reason = "a process of its own can only be asked again, a moment later")]

mod held;
#[path = "../system/host/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the other system tests use the rest")]
mod host;
mod in_doubt;
mod in_hand;
#[path = "../system/juju_rig.rs"]
mod juju_rig;
mod matrix;
mod relayed;
#[path = "../scripted/mod.rs"]
#[allow(dead_code, reason = "other suites use the rest")]
mod scripted;
mod set_back;
#[path = "../system/state.rs"]
mod state;
mod transcripts;
