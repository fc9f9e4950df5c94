//! The cloud that a sample comes from, and what a controller there provides: regions, pools, secret back-ends, users.

use super::facts::{CLOUD, CLOUD_TYPE, POOL, POOL_PROVIDER, REGION, SECRET_BACKEND};

/// A cloud, and what a controller in it has for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The cloud.
    pub cloud: &'static str,
    /// The cloud's type.
    pub cloud_type: &'static str,
    /// The cloud's region.
    pub region: &'static str,
    /// The storage pool that the model's volumes come from.
    pub pool: &'static str,
    /// The provider of that pool.
    pub pool_provider: &'static str,
    /// The back-end that keeps one of the secrets, if it is not the controller that does.
    pub secret_backend: Option<&'static str>,
    /// Whether users besides the owner have access: one of the controller's, one of an identity provider.
    pub has_guests: bool,
}

impl Home {
    /// A cloud of its own, in which the model uses everything that a controller can have.
    pub const NIMBUS: Self = Self {
        cloud: CLOUD,
        cloud_type: CLOUD_TYPE,
        region: REGION,
        pool: POOL,
        pool_provider: POOL_PROVIDER,
        secret_backend: Some(SECRET_BACKEND),
        has_guests: true,
    };

    /// The cloud of an embedded controller that was told nothing: the model needs only what every one has.
    pub const LOCALHOST: Self = Self {
        cloud: "localhost",
        cloud_type: "lxd",
        region: "localhost",
        pool: "lxd",
        pool_provider: "lxd",
        secret_backend: None,
        has_guests: false,
    };
}
