//! The Modelferry protocol without I/O: no tokio, no files, no clock. `SPEC.md` is its text.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bounded;
mod call;
pub mod codec;
pub mod frame;
pub mod ids;
pub mod ledger;
pub mod limits;
pub mod manifest;
pub mod message;
pub mod pairing;
pub mod plan;
pub mod proof;
pub mod record;
pub mod snapshot;
pub mod stream;
pub mod switch;
pub mod version;
mod wire_enum;
