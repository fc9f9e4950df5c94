//! The switchover, checked in every reachable state.
//!
//! The machines are the shipped functions of `modelferry_protocol::switch`, and the ledger the shipped
//! fold; only what surrounds them is made up here, and made as bad as it may be: messages are never
//! taken out of the network, so that each may be lost, repeated, reordered, or come again during a later
//! migration; a crash forgets an effect that was made; a call may time out and land at any later moment;
//! operators and timeouts act whenever they are allowed to.
//!
//! The tests that are ignored raise the bounds and take minutes: `cargo test --release --test model -- --ignored`.

mod controller;
mod deliver;
mod holds;
mod juju;
mod lies;
mod liveness;
mod mutants;
mod network;
mod properties;
mod steps;
mod world;
