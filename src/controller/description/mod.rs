//! A read-only view of a Juju model description, for listing and checks.
//!
//! The description itself is kept and carried verbatim: Juju refuses some documents that were read and
//! written again, even by its own library. So nothing here can be written, and only what is looked at
//! is kept; settings, passwords and secrets stay in the bytes.

pub mod application;
mod archives;
mod binaries;
mod bounds;
mod credential;
mod document;
mod error;
mod facts;
pub mod hurdle;
mod lenient;
pub mod machine;
mod model;
mod names;
pub mod network;
pub(crate) mod packed;
mod parse;
pub mod relation;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
pub(crate) mod sample_envelope;
pub mod secret;
pub mod spaces;
pub mod status;
pub mod storage;
mod tables;
#[cfg(test)]
mod tests;
pub mod wanted;
mod wire;
mod words;

pub use bounds::{DOCUMENT_VERSION_MAX, DOCUMENT_VERSION_MIN};
pub use error::DescriptionError;
pub use model::{Consumer, Credential, Description, ModelKind, User};
pub use parse::read_bytes;
pub(super) use tables::is_envelope;
