//! File helpers: sizes, file names that are hashes, and hashes of file contents.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Hash;

use super::StoreError;
use crate::disk::descriptors::when_available;

/// Read buffer for hashing a whole file.
pub(super) const READ_BYTES: usize = 256 << 10;

/// Returns a file's size; `None` if it does not exist.
pub(super) fn file_size(path: &Path) -> Result<Option<u64>, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::io("look at", path, source)),
    }
}

pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = || when_available(|| fs::read_dir(dir))?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>();
    list().map_err(|source| StoreError::io("list", dir, source))
}

/// Returns the hash that the file's name consists of; `None` for any other name.
pub(super) fn hash_of(path: &Path) -> Option<Hash> {
    path.file_name()?.to_str()?.parse().ok()
}

/// Reads until `buffer` is full or the source ends. Returns the bytes read.
pub(super) fn fill(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Hashes `file` from its current position to its end.
pub(super) fn hash_file(file: &mut dyn Read) -> io::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match fill(file, &mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            count => hasher.update(&buffer[..count]),
        };
    }
}
