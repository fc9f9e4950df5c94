//! What the model is: its cloud, its version, its users, its networks.

/// The cloud the model lives in; a controller that takes it must know a cloud of that name, type and region.
pub const CLOUD: &str = "nimbus";
/// The cloud's type.
pub const CLOUD_TYPE: &str = "openstack";
/// The cloud's region.
pub const REGION: &str = "north-1";
/// The version of Juju that the model runs.
pub const AGENT_VERSION: &str = "3.6.23";
/// The agent binary, as the description names it.
pub const AGENT_BINARY: &str = "3.6.23-ubuntu-amd64";
/// The model's owner.
pub const OWNER: &str = "admin";
/// The users with access besides the owner: one of the controller's, one of an identity provider.
pub const USERS: [&str; 2] = ["bob", "carol@external"];
/// The name of the owner's credential for the cloud.
pub const CREDENTIAL: &str = "default";
/// The storage pool that the model's volumes come from.
pub const POOL: &str = "fast";
/// The provider of that pool.
pub const POOL_PROVIDER: &str = "cinder";
/// The id of the back-end that keeps one of the secrets.
pub const SECRET_BACKEND: &str = "66f1c02dd8a55e21b07a9c13";
/// MiB of every database unit's volume.
pub(super) const DATA_MIB: u32 = 20480;

/// A network space, with the one subnet in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Its name.
    pub name: &'static str,
    /// Its subnet.
    pub cidr: &'static str,
}

/// The model's spaces; a space's id is its place here.
pub const SPACES: [Space; 3] = [
    Space { name: "alpha", cidr: "10.20.0.0/20" },
    Space { name: "internal", cidr: "10.64.0.0/16" },
    Space { name: "public", cidr: "10.80.0.0/24" },
];
