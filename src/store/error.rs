//! What can be wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::manifest::PageError;

use crate::disk::database::DatabaseError;

/// A store that did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The blob is not here, or not all of it.
    #[error("the file blobs/{0} of the state directory is missing")]
    NotHeld(Hash),
    /// There is no space left.
    #[error(
        "the disk of the state directory is full: {needed} bytes are needed, {free} are free; free some and resume"
    )]
    Full {
        /// Bytes that were wanted.
        needed: u64,
        /// Bytes there are.
        free: u64,
    },
    /// A chunk's bytes are not the manifest's. Nothing was written.
    #[error("chunk {index} of page {page} hashes to {actual}, the manifest says {expected}")]
    ChunkMismatch {
        /// The page.
        page: u32,
        /// Place of the chunk in the page.
        index: u32,
        /// The manifest's hash.
        expected: Hash,
        /// What the bytes hash to.
        actual: Hash,
    },
    /// A chunk has another length than the manifest says. Nothing was written.
    #[error("chunk {index} of page {page} has {actual} bytes, the manifest says {expected}")]
    ChunkLength {
        /// The page.
        page: u32,
        /// Place of the chunk in the page.
        index: u32,
        /// The manifest's length in bytes.
        expected: u32,
        /// Bytes given.
        actual: usize,
    },
    /// The page has no such chunk.
    #[error("page {page} of blob {hash} has no chunk {index}")]
    NoSuchChunk {
        /// The blob.
        hash: Hash,
        /// The page.
        page: u32,
        /// What was asked for.
        index: u32,
    },
    /// The page is not known, or the blob has none of that index.
    #[error("blob {hash} has {pages} known pages, page {index} is not among them")]
    NoSuchPage {
        /// The blob.
        hash: Hash,
        /// What was asked for.
        index: u32,
        /// Pages known.
        pages: u32,
    },
    /// A page that cannot follow the ones known, or does not fit the blob.
    #[error("a manifest page cannot be right")]
    Page(#[from] PageError),
    /// The blob's bytes are not what its name says.
    #[error("the bytes of blob {expected} hash to {actual}")]
    BlobMismatch {
        /// The blob.
        expected: Hash,
        /// What its bytes hash to.
        actual: Hash,
    },
    /// The bytes of a complete blob are not those that were stored.
    #[error(
        "`{}` on this host is damaged from byte {offset} on; put a good copy in its place, whose BLAKE3 is the file's \
         name (`b3sum` tells), and try again",
        path.display()
    )]
    BlobDamaged {
        /// Its file.
        path: PathBuf,
        /// Where the first chunk that is wrong begins.
        offset: u64,
    },
    /// The file is not as long as the blob is, or ends before what was asked for.
    #[error("the file of blob {hash} has {actual} bytes where {expected} were expected")]
    Truncated {
        /// The blob.
        hash: Hash,
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are.
        actual: u64,
    },
    /// More bytes than are allowed.
    #[error("a blob of {bytes} bytes is larger than the {bytes_max} allowed")]
    TooLarge {
        /// Its size, or what was read of it so far.
        bytes: u64,
        /// What is allowed.
        bytes_max: u64,
    },
    /// The blob is on its way in.
    #[error("blob {0} is being received; try again when that has ended")]
    Busy(Hash),
    /// Not every chunk of the blob is here and durable.
    #[error("blob {0} is not complete yet")]
    Incomplete(Hash),
    /// A sync failed, or the bytes turned out wrong: begin again with `Store::incoming`.
    #[error("receiving blob {0} failed before; it has to be begun again")]
    Broken(Hash),
    /// Nothing is kept under that id.
    #[error("no backup {0} is kept here")]
    NotKept(String),
    /// A document that is kept is not what was written.
    #[error("`{}` is damaged: it does not hash to what its first line says", .0.display())]
    KeptDamaged(PathBuf),
    /// Too much is kept already.
    #[error("{0} backups are kept here already; remove some with `modelferry backup remove ID`")]
    KeptMany(usize),
    /// Reading what is to be stored failed.
    #[error("cannot read what is to be stored")]
    Source(#[source] io::Error),
    /// The file system failed.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process has the store open.
    #[error("`{0}` is in use: another agent runs on this state directory; stop it first")]
    Locked(PathBuf),
    /// `state.redb` is damaged.
    #[error(
        "`{path}` is damaged: {reason}; stop the agent and remove the file: nothing but resume information is lost, \
         complete blobs stay and unfinished ones are sent again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The database refused, for a reason that is neither the disk's nor damage.
    #[error("cannot use `{path}`")]
    State {
        /// The file.
        path: PathBuf,
        /// What the database said.
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
    /// Reports whether space has run out: with more of it, the same may succeed.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Makes the error for `source`, which came up while `doing` something to `path`.
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Reports whether an error means that space has run out.
pub(super) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
