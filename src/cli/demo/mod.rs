//! `modelferry demo`: a model moves between two agents on this host, over a thin link, while somebody uses it.

pub mod link_spec;
pub mod relay;
pub mod sample;
