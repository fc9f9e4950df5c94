//! What is known of the controllers beside the peers, as far as a gateway needs it to pose as one.
//!
//! Kept in a file for each peer, so that a login is answered with the link down and right after a restart. It is asked for
//! anew before each migration; a file that is lost or damaged is written again then.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::Pin;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::controller::gateway::{Admission, Destination};
use crate::disk::Disk;
use crate::juju::params::admin::LoginResult;

/// The directory of the files in the state directory.
const DIR: &str = "destinations";

/// A destination, as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Kept {
    login: LoginResult,
    ca_cert: String,
    #[serde(default)]
    burst: u32,
    #[serde(default)]
    every_ms: u64,
    #[serde(default)]
    route_shown: bool,
    #[serde(default)]
    image_repo: Option<String>,
}

impl From<&Destination> for Kept {
    fn from(told: &Destination) -> Self {
        Self {
            login: told.login.clone(),
            ca_cert: told.ca_cert.clone(),
            burst: told.admission.burst,
            every_ms: told.admission.every.as_millis() as u64,
            route_shown: told.route_shown,
            image_repo: told.image_repo.clone(),
        }
    }
}

impl From<Kept> for Destination {
    fn from(kept: Kept) -> Self {
        let admission = Admission { burst: kept.burst, every: Duration::from_millis(kept.every_ms) };
        Self {
            login: kept.login,
            ca_cert: kept.ca_cert,
            admission,
            route_shown: kept.route_shown,
            image_repo: kept.image_repo,
        }
    }
}

/// What is known of every destination.
pub struct Destinations {
    dir: PathBuf,
    disk: Disk,
    known: Mutex<HashMap<Pin, Arc<Destination>>>,
}

impl Destinations {
    /// Keeps what is known in `state_dir`.
    pub fn new(state_dir: &Path, disk: Disk) -> Self {
        Self { dir: state_dir.join(DIR), disk, known: Mutex::default() }
    }

    fn path(&self, peer: Pin) -> PathBuf {
        self.dir.join(format!("{peer}.json"))
    }

    /// Reads what was known of the controllers beside these peers before.
    pub fn load(&self, peers: impl IntoIterator<Item = Pin>) {
        for peer in peers {
            let read = std::fs::read(self.path(peer)).ok();
            if let Some(kept) = read.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok()) {
                self.known.lock().insert(peer, Arc::new(kept.into()));
            }
        }
    }

    /// Returns what is known of the controller beside a peer.
    pub fn get(&self, peer: Pin) -> Option<Arc<Destination>> {
        self.known.lock().get(&peer).cloned()
    }

    /// Keeps what the controller beside a peer is now.
    ///
    /// Errors: what the disk says.
    pub fn keep(&self, peer: Pin, told: Destination) -> std::io::Result<()> {
        let json = serde_json::to_vec(&Kept::from(&told))?;
        self.disk.create_dir(&self.dir)?;
        self.disk.replace(&self.path(peer), &json)?;
        self.known.lock().insert(peer, Arc::new(told));
        Ok(())
    }
}
