//! Writes a sample to the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::facts::AGENT_BINARY;
use super::kit::{Made, Sample, SampleFiles};
use super::layout::{DATABASE, SHOP, TELEMETRY};
use super::parts::charms;
use super::seed::Seed;
use super::{binaries, log, model};

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
