//! What can be wrong with a backup.

use std::io;
use std::path::PathBuf;

use modelferry_protocol::ids::Hash;

use crate::controller::port::ControllerError;

/// A backup that could not be made, or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// With `--force`, something that is no regular file.
    #[error("{} is there and is no regular file, so it is left as it is; name another file", .0.display())]
    NotAFile(PathBuf),
    /// The archive cannot be written.
    #[error("cannot write {}: {source}; nothing is left of it{}", path.display(), hint(source))]
    Unwritable {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The archive cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The archive.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is no backup: {why}", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        why: &'static str,
    },
    /// The file's end is missing, or something stands behind it.
    #[error("{} was cut short, or something was appended to it: it does not end as a backup does; copy it again", .0.display())]
    CutShort(PathBuf),
    /// The archive's bytes are not those that were written.
    #[error("{} is damaged: its bytes hash to {actual}, its end says {expected}; copy it again", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What its bytes hash to.
        actual: Hash,
        /// What its end says.
        expected: Hash,
    },
    /// A file in the backup is not what the manifest says.
    #[error("{file} has {bytes} bytes that hash to {actual}; {expected_bytes} bytes and {expected} were expected")]
    File {
        /// Its path in the backup.
        file: String,
        /// Bytes found.
        bytes: u64,
        /// What they hash to.
        actual: Hash,
        /// Bytes that should be there.
        expected_bytes: u64,
        /// What they should hash to.
        expected: Hash,
    },
    /// A file in the store of this host is not what the model needs.
    #[error(
        "{file} of the model is damaged on this host: `blobs/{hash}` of the state directory is gone, or does not hash to its name \
         (`b3sum` tells); put a good copy of that file in its place, from a backup of the directory or from another host that has it, \
         and type this again"
    )]
    Stored {
        /// Its path in the backup.
        file: String,
        /// Its hash, and its name in the store.
        hash: Hash,
    },
    /// The manifest cannot be right, or the archive is not as it says.
    #[error("the backup is malformed: {0}")]
    Malformed(String),
    /// A later version of the program wrote it.
    #[error("the backup has format version {0}; version 1 is understood: use a newer modelferry")]
    Version(u64),
    /// An id of too few digits to remove what it names.
    #[error(
        "\"{0}\" is too little of an id to remove a backup by; write 8 of its digits at least, see `modelferry backup list`"
    )]
    TooShort(String),
    /// Several ids begin like that.
    #[error("several backups begin with \"{0}\"; write more of the id, see `modelferry backup list`")]
    Ambiguous(String),
}

/// Says what to do about the commonest reasons for which a file cannot be written.
fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space, or name another disk",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; it is written with the rights of whoever types the command: name a place where you may write"
        }
        io::ErrorKind::NotFound => "; make its directory first",
        _ => "",
    }
}

impl From<BackupError> for ControllerError {
    fn from(error: BackupError) -> Self {
        Self::Refused(error.to_string())
    }
}
