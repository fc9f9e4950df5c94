//! What a backup says about itself: the model, where it was taken, and every file with its hash.

use std::collections::HashSet;
use std::path::{Component, Path};

use modelferry_protocol::ids::{Hash, MigrationId, ModelUuid};
use modelferry_protocol::limits::{BLOB_BYTES_MAX, CALLS_MAX, DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX};
use modelferry_protocol::snapshot::{BlobRef, Call, Snapshot};
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::controller::description::wanted::Wanted;
use crate::controller::text;

/// The description's file; the first of every backup.
pub const DESCRIPTION_FILE: &str = "model.yaml";
/// The file of what was written to the model; the second, where there is anything.
pub const ENTRIES_FILE: &str = "entries.json";

/// What the manifest's first field says.
const FORMAT: &str = "modelferry-backup";
/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;
/// Pieces of a model's log: 4 GiB of text at most.
pub const LOG_FILES_MAX: usize = 1024;
/// Files of a backup: what a snapshot's calls carry, and the log.
const FILES_MAX: usize = CALLS_MAX + LOG_FILES_MAX;
/// Bytes of a path: a directory, and two names at most.
const PATH_BYTES_MAX: usize = 3 * NAME_BYTES_MAX;

/// A backup's table of contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    format: String,
    version: u64,
    /// Names the backup.
    #[serde(with = "text")]
    pub id: MigrationId,
    /// When it was taken, RFC 3339.
    pub taken: String,
    /// The controller that the model was on.
    pub controller: Origin,
    /// The model's UUID.
    #[serde(with = "text")]
    pub uuid: ModelUuid,
    /// The model's name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Whether every binary that the description names is in here.
    pub complete: bool,
    /// The files: the description first, then entries, then binaries, then the log.
    pub files: Vec<File>,
}

/// Where a backup was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Origin {
    /// The controller's name.
    pub name: String,
    /// Its UUID.
    #[serde(with = "text")]
    pub uuid: ModelUuid,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// Its path, as `embedded export` lays files out.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    #[serde(with = "text")]
    pub blake3: Hash,
}

impl File {
    /// Makes the entry of a blob.
    pub fn new(path: impl Into<String>, blob: BlobRef) -> Self {
        Self { path: path.into(), bytes: blob.bytes, blake3: blob.hash }
    }

    /// Returns the file as a blob.
    pub fn blob(&self) -> BlobRef {
        BlobRef { hash: self.blake3, bytes: self.bytes }
    }
}

/// Returns the present, RFC 3339, to the second.
pub(crate) fn now() -> String {
    at(u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0))
}

/// Returns a time of so many Unix seconds, RFC 3339; the epoch for one beyond the calendar.
fn at(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    seconds.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

impl Manifest {
    /// Makes the manifest of a backup that is taken now. `files`: the description's first.
    ///
    /// Errors: [`BackupError::Malformed`] for files that no backup has.
    pub fn new(
        controller: Origin,
        (uuid, name, owner): (ModelUuid, &str, &str),
        complete: bool,
        files: Vec<File>,
    ) -> Result<Self, BackupError> {
        let id = MigrationId(*uuid::Uuid::new_v4().as_bytes());
        let (name, owner) = (name.to_owned(), owner.to_owned());
        Self {
            format: FORMAT.into(),
            version: VERSION,
            id,
            taken: now(),
            controller,
            uuid,
            name,
            owner,
            complete,
            files,
        }
        .checked()
    }

    /// Makes the manifest of a snapshot that a peer wants to be kept. `taken_s`: when, Unix seconds.
    ///
    /// Errors: [`BackupError::Malformed`] for files that no backup has.
    pub fn of(snapshot: &Snapshot, controller: Origin, taken_s: u64) -> Result<Self, BackupError> {
        Self {
            format: FORMAT.into(),
            version: VERSION,
            id: snapshot.mid,
            taken: at(taken_s),
            controller,
            uuid: snapshot.model,
            name: snapshot.name.to_string(),
            owner: snapshot.owner.to_string(),
            complete: snapshot.complete,
            files: snapshot.calls.iter().filter_map(file_of).collect(),
        }
        .checked()
    }

    /// Reads a manifest. Errors: [`BackupError::Version`], [`BackupError::Malformed`].
    pub fn parse(json: &[u8]) -> Result<Self, BackupError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Versioned {
            format: String,
            version: u64,
        }
        let malformed = |error: serde_json::Error| {
            tracing::debug!("a backup's manifest: {error}");
            BackupError::Malformed(
                "its manifest is not what this program writes; take another copy of the archive".into(),
            )
        };
        let told: Versioned = serde_json::from_slice(json).map_err(malformed)?;
        if told.format != FORMAT {
            return Err(BackupError::Malformed("its manifest is of something else".into()));
        }
        if told.version != VERSION {
            return Err(BackupError::Version(told.version));
        }
        serde_json::from_slice::<Self>(json).map_err(malformed)?.checked()
    }

    /// Writes the manifest, for people as well.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("manifests have text for keys");
        json.push(b'\n');
        json
    }

    /// Returns the bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Returns `owner/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    fn checked(self) -> Result<Self, BackupError> {
        let malformed = |what: String| Err(BackupError::Malformed(what));
        let mut seen = HashSet::new();
        for (index, file) in self.files.iter().enumerate() {
            let path = &file.path;
            let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
            if path.is_empty() || path.len() > PATH_BYTES_MAX || !plain || path.contains('\0') {
                return malformed(format!("file {index} has a path that leads elsewhere"));
            }
            if !seen.insert(path.as_str()) {
                return malformed(format!("{path} is in it twice"));
            }
            if (path == DESCRIPTION_FILE) != (index == 0) {
                return malformed(format!("{DESCRIPTION_FILE} is not its first file"));
            }
            if file.bytes > BLOB_BYTES_MAX || index == 0 && file.bytes > DESCRIPTION_BYTES_MAX {
                return malformed(format!("{path} claims {} bytes", file.bytes));
            }
        }
        match self.files.len() {
            0 => malformed("it has no files".into()),
            count if count > FILES_MAX => malformed(format!("it has {count} files, at most {FILES_MAX} can be")),
            _ => Ok(self),
        }
    }
}

/// Returns the file that holds what a call carries.
fn file_of(call: &Call) -> Option<File> {
    let path = match call {
        Call::Import(_) => DESCRIPTION_FILE.into(),
        Call::ImportEntries(_) => ENTRIES_FILE.into(),
        Call::UploadCharm(charm) => Wanted::Charm { url: charm.url.to_string(), sha256: String::new() }.path(),
        Call::UploadAgentBinary(binary) => {
            let version = binary.version.to_string();
            Wanted::AgentBinary { version, sha256: String::new(), bytes: 0 }.path()
        }
        Call::UploadResource(resource) => {
            let (application, name) = (resource.application.to_string(), resource.name.to_string());
            Wanted::OciImage { application, name, revision: resource.revision }.path()
        }
        // No backup is made of what nobody here can read.
        Call::ImportOpaque(_) => return None,
        Call::CheckMachines(_) | Call::Activate(_) | Call::AdoptResources(_) | Call::Abort => return None,
    };
    Some(File::new(path.to_string_lossy(), call.blob()?))
}
