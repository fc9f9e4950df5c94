//! The Modelferry protocol without I/O: no tokio, no files, no clock. `SPEC.md` is its text.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod call;
mod card;
pub mod codec;
pub mod frame;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod manifest;
pub mod message;
mod migration;
pub mod ownership;
pub mod pairing;
pub mod plan;
pub mod proof;
pub mod record;
pub mod snapshot;
pub mod stream;
pub mod switch;
mod text;
pub mod version;
