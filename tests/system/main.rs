//! The shipped binary, as an operator uses it: agents as processes, commands as commands.
#![allow(clippy::disallowed_methods, reason = "a process of its own can only be asked again, a moment later")]

mod after;
mod api;
mod backup;
mod bad_input;
mod beside;
mod canary;
mod cases;
mod completion;
mod crowd;
mod endurance;
mod full;
mod handed;
#[allow(dead_code, reason = "the crash matrix uses the rest")]
mod host;
mod hour;
mod interrupted;
mod juju_rig;
mod keys;
mod limit;
mod memory;
mod moved;
mod nearest;
mod origins;
mod output;
mod owners;
mod parity;
mod patched;
mod plan;
mod precopy;
mod refused;
mod renumbered;
mod rights;
#[path = "../scripted/mod.rs"]
#[allow(dead_code, reason = "the crash matrix uses the rest")]
mod scripted;
mod set_back;
mod source;
mod state;
mod status;
mod store;
mod stuck;
mod trail;
mod trusted;
mod two_hosts;
mod unwritable;
mod verify;
