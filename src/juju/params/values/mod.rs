//! Values that several facades share: tags, bytes, and JSON as Go reads it.

pub mod bytes;
pub mod common;
pub mod golang;
pub mod tag;
