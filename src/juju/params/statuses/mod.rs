//! The status of a model, and of its storage.

pub mod status;
pub mod storage;
