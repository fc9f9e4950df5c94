//! A sample as it is asked for, and what was made of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::binaries::Binary;
use super::home::Home;
use super::layout::{DATABASE, SHOP, TELEMETRY};

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
pub(super) struct Made {
    pub(super) charms: BTreeMap<&'static str, Binary>,
    pub(super) tools: Binary,
    pub(super) resources: BTreeMap<(&'static str, &'static str), Binary>,
}

impl Made {
    /// Returns the resources of an application in alphabetical order, the one never asked for among them.
    pub(super) fn resources_of(&self, application: &str) -> Vec<Resource<'_>> {
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

    pub(super) fn all(&self) -> impl Iterator<Item = &Binary> {
        self.charms.values().chain([&self.tools]).chain(self.resources.values())
    }
}

/// A resource of an application.
pub(super) struct Resource<'a> {
    /// Its name in the charm.
    pub(super) name: &'static str,
    /// `file` or `oci-image`.
    pub(super) kind: &'static str,
    /// The revision in use.
    pub(super) revision: u32,
    /// Its bytes; none for one that nobody has asked for yet.
    pub(super) binary: Option<&'a Binary>,
}
