//! `modelferry demo`: a model moves between two agents on this host, over a thin link, while somebody uses it.

pub mod sample;
