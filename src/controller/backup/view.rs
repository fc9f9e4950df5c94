//! What can be seen of backups: plain data for the control socket and for printing.

use serde::{Deserialize, Serialize};

use super::Manifest;

/// Characters of an id that people are shown: enough to tell any two apart, and to be typed.
pub const ID_SHOWN: usize = 12;

/// A backup: a line of `backup list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackupView {
    /// Its id.
    pub id: String,
    /// `owner/name` of the model.
    pub model: String,
    /// The model's UUID.
    pub uuid: String,
    /// When it was taken, RFC 3339.
    pub taken: String,
    /// The controller that the model was on.
    pub controller: String,
    /// Its files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of the archive; none for a backup that is kept in the store.
    pub archive_bytes: Option<u64>,
    /// Whether binaries that the description names are missing in it.
    pub incomplete: bool,
    /// Where it is: the archive's path, or the peer that it is kept for.
    pub place: String,
    /// What is wrong with it; none where nothing is known to be.
    pub trouble: Option<String>,
}

impl BackupView {
    /// Makes the view of a backup.
    pub fn new(manifest: &Manifest, place: String, archive_bytes: Option<u64>) -> Self {
        Self {
            id: manifest.id.to_string(),
            model: manifest.path(),
            uuid: manifest.uuid.to_string(),
            taken: manifest.taken.clone(),
            controller: manifest.controller.name.clone(),
            files: manifest.files.len() as u64,
            bytes: manifest.bytes(),
            archive_bytes,
            incomplete: !manifest.complete,
            place,
            trouble: None,
        }
    }

    /// Makes the view of a backup that cannot be read.
    pub fn damaged(id: String, place: String, trouble: String) -> Self {
        Self { id, place, trouble: Some(trouble), ..Self::default() }
    }
}
