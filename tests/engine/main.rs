//! Two engines over a real link on loopback, with a controller made for tests on each side: what the
//! engine does when things refuse, vanish, or come twice.

mod after;
mod asked;
mod bytes;
#[path = "../controller/mod.rs"]
mod controller;
mod damage;
mod engines;
mod foreign;
mod from_juju;
mod from_juju_killed;
mod juju_source;
mod memory_controller;
mod moves;
mod patched;
mod precopy;
mod relayed;
mod to_juju;
