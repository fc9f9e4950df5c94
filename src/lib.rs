//! Modelferry moves Juju models between controllers. `ARCHITECTURE.md` is the map of the code.
//!
//! Floors, from the ground up; imports only go down, and `tests/floors.rs` proves it:
//! `clock`, `secret`, `config`, `disk`, `patch`, `store`, `journal`, `juju`, `controller`, `link`, `engine`, `agent`, `sample`, `cli`,
//! `demo`.

pub mod agent;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controller;
pub mod demo;
pub mod disk;
pub mod engine;
pub mod journal;
pub mod juju;
pub mod link;
pub mod patch;
pub mod sample;
pub mod secret;
pub mod store;
