//! The status of a model, in the shape of `FullStatus`.

mod entity_status;
pub mod full_status;
pub mod patterns;
mod storage_status;
