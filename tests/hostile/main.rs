//! A paired peer that lies: a client in Rust that completes mTLS and `Hello` and then says whatever it likes, against a real
//! engine. Every message is well formed.

mod claims;
#[path = "../controller/mod.rs"]
mod controller;
mod disk;
#[allow(dead_code, reason = "the tests of the engine use the rest")]
#[path = "../engine/engines.rs"]
mod engines;
mod liar;
#[allow(dead_code, reason = "the tests of the engine use the rest")]
#[path = "../engine/memory_controller.rs"]
mod memory_controller;
mod offers;
mod questions;
#[allow(dead_code, reason = "the tests of the link use the rest")]
#[path = "../link/raw.rs"]
mod raw;
mod rights;
mod samples;
mod set_back;
#[allow(dead_code, reason = "the tests of the link use the rest")]
#[path = "../link/support.rs"]
mod support;
mod unpaired;
mod words;
