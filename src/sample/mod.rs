//! A model to move: a description as Juju writes it, of our own invention, and the binaries it names.
//!
//! It covers every kind of entity that a model of machines can have, so that whatever reads, checks or carries
//! descriptions meets them all. The same seed gives the same bytes.

mod access;
mod applications;
pub(crate) mod binaries;
mod charms;
mod home;
mod layout;
mod log;
mod machines;
mod model;
mod network;
mod relations;
pub(crate) mod seed;
mod storage;
mod units;
mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use applications::Resource;
use binaries::Binary;
pub use home::Home;
use layout::{DATABASE, SHOP, TELEMETRY};
use seed::Seed;

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
const DATA_MIB: u32 = 20480;

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

/// What to make.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The model's name.
    pub name: String,
    /// The model's UUID.
    pub uuid: String,
    /// Version of the description document: 11 to 14.
    pub document: u16,
    /// Machines besides the container, at least one.
    pub machines: usize,
    /// Bytes of all binaries together; file resources fill up to it. An agent binary larger than that stays whole.
    pub size_bytes: u64,
    /// Whatever looks random follows from it.
    pub seed: u64,
    /// The program to put into the agent binary; made-up bytes without.
    pub executable: Option<PathBuf>,
    /// Pieces of the model's log.
    pub log_pieces: u64,
    /// Where the model lives.
    pub home: Home,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            name: "shop-eu".into(),
            uuid: "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862".into(),
            document: 12,
            machines: 4,
            size_bytes: 256 << 10,
            seed: 1,
            executable: None,
            log_pieces: 2,
            home: Home::NIMBUS,
        }
    }
}

/// Where a sample was written.
#[derive(Debug, Clone)]
pub struct SampleFiles {
    /// The description.
    pub description: PathBuf,
    /// The binaries, laid out as `embedded import --blobs` reads them.
    pub blobs: PathBuf,
    /// How many binaries there are.
    pub blob_count: usize,
    /// Bytes of all binaries.
    pub blob_bytes: u64,
}

/// The binaries that were written, for the description to name.
struct Made {
    charms: BTreeMap<&'static str, Binary>,
    tools: Binary,
    resources: BTreeMap<(&'static str, &'static str), Binary>,
}

impl Made {
    /// Returns the resources of an application in alphabetical order, the one never asked for among them.
    fn resources_of(&self, application: &str) -> Vec<Resource<'_>> {
        let resource = |application, name, kind, revision| Resource {
            name,
            kind,
            revision,
            binary: self.resources.get(&(application, name)),
        };
        match application {
            DATABASE => {
                vec![
                    resource(DATABASE, "backup-tool", "file", 4),
                    resource(DATABASE, "exporter-image", "oci-image", 11),
                ]
            }
            SHOP => vec![resource(SHOP, "assets", "file", 23), resource(SHOP, "empty", "file", 1)],
            TELEMETRY => vec![resource(TELEMETRY, "snap", "file", 2)],
            _ => vec![],
        }
    }

    fn all(&self) -> impl Iterator<Item = &Binary> {
        self.charms.values().chain([&self.tools]).chain(self.resources.values())
    }
}

impl Sample {
    /// Writes the description to `DIR/model.yaml` and the binaries below `DIR/blobs`.
    ///
    /// Errors: whatever the file system refuses; [`io::ErrorKind::InvalidInput`] without machines or with a document
    /// version that is not 11 to 14.
    pub fn write(&self, dir: &Path) -> io::Result<SampleFiles> {
        if self.machines == 0 || !(11..=14).contains(&self.document) {
            let text = "a sample has at least one machine, and a document version from 11 to 14";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let blobs = dir.join("blobs");
        let made = self.make(&blobs)?;
        let description = dir.join("model.yaml");
        fs::write(&description, model::description(self, &made))?;
        for piece in 0..self.log_pieces {
            log::piece(&blobs.join("logs"), piece, &mut Seed::new(self.seed, "log"))?;
        }
        let blob_bytes = made.all().map(|binary| binary.bytes).sum();
        Ok(SampleFiles { description, blobs, blob_count: made.all().count(), blob_bytes })
    }

    fn make(&self, blobs: &Path) -> io::Result<Made> {
        // A sixteenth of the whole each, but no charm is larger than the larger ones of Charmhub.
        let charm_bytes = (self.size_bytes / 16).min(12 << 20);
        let mut charms = BTreeMap::new();
        for (name, url) in
            [(DATABASE, charms::DATABASE_URL), (SHOP, charms::SHOP_URL), (TELEMETRY, charms::TELEMETRY_URL)]
        {
            let path = blobs.join("charms").join(url.replace('/', "_"));
            charms.insert(name, binaries::charm(&path, name, charm_bytes, &mut Seed::new(self.seed, url))?);
        }
        let path = blobs.join("tools").join(AGENT_BINARY);
        let mut seed = Seed::new(self.seed, AGENT_BINARY);
        let tools = binaries::agent(&path, self.executable.as_deref(), self.size_bytes / 8, &mut seed)?;

        let so_far = charms.values().map(|charm| charm.bytes).sum::<u64>() + tools.bytes;
        let left = self.size_bytes.saturating_sub(so_far);
        let mut resources = BTreeMap::new();
        for (application, name, bytes) in
            [(DATABASE, "backup-tool", left / 3), (SHOP, "assets", left - left / 3), (SHOP, "empty", 0)]
        {
            let path = blobs.join("resources").join(application).join(name);
            let mut seed = Seed::new(self.seed, &format!("{application} {name}"));
            resources.insert((application, name), binaries::resource(&path, bytes, &mut seed)?);
        }
        let name = "exporter-image";
        let path = blobs.join("resources").join(DATABASE).join(name);
        resources.insert((DATABASE, name), binaries::image(&path, name, &mut Seed::new(self.seed, name))?);
        Ok(Made { charms, tools, resources })
    }
}

#[cfg(test)]
mod tests;
