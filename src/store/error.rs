//! Store errors.

use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::PageError;

use crate::disk::database::DatabaseError;

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The blob is missing or incomplete.
    #[error("the file blobs/{0} of the state directory is missing")]
    NotHeld(Hash),
    /// The disk is full.
    #[error(
        "the disk of the state directory is full: {needed} bytes are needed, {free} are free; once some are freed, a transfer goes on by itself"
    )]
    Full {
        /// Bytes that must be free.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A chunk's bytes do not match the manifest's hash. Nothing was written.
    #[error("chunk {index} of page {page} hashes to {actual}, the manifest says {expected}")]
    ChunkMismatch {
        page: u32,
        /// Index of the chunk in the page.
        index: u32,
        /// Hash in the manifest.
        expected: Hash,
        /// Hash of the received bytes.
        actual: Hash,
    },
    /// A chunk's length differs from the manifest's. Nothing was written.
    #[error("chunk {index} of page {page} has {actual} bytes, the manifest says {expected}")]
    ChunkLength {
        page: u32,
        /// Index of the chunk in the page.
        index: u32,
        /// Length in the manifest, bytes.
        expected: u32,
        /// Received bytes.
        actual: usize,
    },
    /// The page has no chunk with this index.
    #[error("page {page} of blob {hash} has no chunk {index}")]
    NoSuchChunk {
        hash: Hash,
        page: u32,
        /// The requested index.
        index: u32,
    },
    /// The page is unknown, or the blob has no page with this index.
    #[error("blob {hash} has {pages} known pages, page {index} is not among them")]
    NoSuchPage {
        hash: Hash,
        /// The requested index.
        index: u32,
        /// The number of known pages.
        pages: u32,
    },
    /// The page does not follow the known pages, or does not fit the blob.
    #[error("a manifest page cannot be right")]
    Page(#[from] PageError),
    /// The blob's bytes do not hash to its name.
    #[error("the bytes of blob {expected} hash to {actual}")]
    BlobMismatch {
        expected: Hash,
        /// Hash of its bytes.
        actual: Hash,
    },
    /// The stored bytes of a complete blob have changed.
    #[error(
        "`{}` on this host is damaged from byte {offset} on; put a good copy in its place, whose BLAKE3 is the file's \
         name (`b3sum` tells), and try again",
        path.display()
    )]
    BlobDamaged {
        path: PathBuf,
        /// Offset of the first wrong chunk.
        offset: u64,
    },
    /// The file's length differs from the blob's size, or a read passed the end of the file.
    #[error("the file of blob {hash} has {actual} bytes where {expected} were expected")]
    Truncated {
        hash: Hash,
        /// Expected length, bytes.
        expected: u64,
        /// Actual length, bytes.
        actual: u64,
    },
    /// The blob exceeds the maximum size.
    #[error("a blob of {bytes} bytes is larger than the {bytes_max} allowed")]
    TooLarge {
        /// Its size, or the bytes read so far.
        bytes: u64,
        /// The maximum.
        bytes_max: u64,
    },
    /// The blob is being received.
    #[error("blob {0} is being received; try again when that has ended")]
    Busy(Hash),
    /// A chunk of the blob is missing or not durable.
    #[error("blob {0} is not complete yet")]
    Incomplete(Hash),
    /// A sync failed, or the blob's hash was wrong. Receiving must restart with
    /// [`Store::incoming`](super::Store::incoming).
    #[error("receiving blob {0} failed before; it must start again")]
    Broken(Hash),
    /// No document is kept under this id.
    #[error("no backup {0} is kept here")]
    NotKept(String),
    /// A kept document does not match its checksum.
    #[error("`{}` is damaged: it does not hash to what its first line says", .0.display())]
    KeptDamaged(PathBuf),
    /// The maximum number of kept documents is reached.
    #[error("{0} backups are kept here already; remove some with `modelferry backup remove ID`")]
    KeptMany(usize),
    /// The source of a [`Store::put`](super::Store::put) failed.
    #[error("cannot read what is to be stored")]
    Source(#[source] io::Error),
    /// An I/O error of the file system.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// The operation that failed, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Another process has the store open.
    #[error("`{0}` is in use: another agent runs on this state directory; stop it first")]
    Locked(PathBuf),
    /// `state.redb` is corrupt.
    #[error(
        "`{path}` is damaged: {reason}; stop the agent and remove the file: nothing but resume information is lost, \
         complete blobs stay and unfinished ones are sent again"
    )]
    Damaged { path: PathBuf, reason: String },
    /// Any other database error: neither an I/O error nor damage.
    #[error("cannot use `{path}`")]
    State {
        path: PathBuf,
        #[source]
        source: Box<redb::Error>,
    },
}

impl From<DatabaseError> for StoreError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Full { needed, free, .. } => Self::Full { needed, free },
            DatabaseError::Damaged { path, reason } => Self::Damaged { path, reason },
            DatabaseError::Locked(path) => Self::Locked(path),
            DatabaseError::Io { doing, path, source } => Self::Io { doing, path, source },
            DatabaseError::Other { path, source } => Self::State { path, source },
        }
    }
}

impl StoreError {
    /// Reports whether the disk is full. The same call may succeed once there is room.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Builds an I/O error. `doing`: the failed operation, as a verb.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Reports whether an I/O error means a full disk or quota.
pub(super) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
