//! What a migration master sends, for each server that it may send it to: the embedded controller's API and the gateway.

pub mod calls;
pub mod log;
pub mod upload;
#[cfg(test)]
pub mod uploader;
