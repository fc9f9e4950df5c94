//! A model to move: a description as Juju writes it, of our own invention, and the binaries it names.
//!
//! It covers every kind of entity that a model of machines can have, so that whatever reads, checks or carries
//! descriptions meets them all. The same seed gives the same bytes.

pub(crate) mod binaries;
mod facts;
mod home;
mod kit;
mod layout;
mod log;
mod model;
mod parts;
pub(crate) mod seed;
mod series;
mod write;
mod yaml;

pub use facts::{
    AGENT_BINARY, AGENT_VERSION, CLOUD, CLOUD_TYPE, CREDENTIAL, OWNER, POOL, POOL_PROVIDER, REGION, SECRET_BACKEND,
    SPACES, Space, USERS,
};
pub use home::Home;
pub use kit::{Sample, SampleFiles};
pub use series::{as_written_by_36, rewrite_for_41};

#[cfg(test)]
mod tests;
