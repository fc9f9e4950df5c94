//! What is known of binaries once their bytes were read, so that none is read for it again in a freeze.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;
use parking_lot::Mutex;
use ring::digest;

use crate::controller::description::wanted::{NotWanted, Wanted, hex};
use crate::controller::port::ControllerError;
use crate::store::Store;

/// Binaries of either kind that are kept in mind.
const KEPT_MAX: usize = 1024;
/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Binaries that were compared with what a description says of them, so that none is read for it in the freeze.
#[derive(Default)]
pub(super) struct Proven(Mutex<HashSet<(Hash, String)>>);

impl Proven {
    /// Proves that a blob is the binary that is wanted. Blocks on the disk the first time.
    ///
    /// Errors: [`ControllerError::Refused`] for other bytes.
    pub(super) fn prove(&self, store: &Store, blob: BlobRef, wanted: &Wanted) -> Result<(), ControllerError> {
        let what = (blob.hash, wanted.to_string());
        let other = |error: NotWanted| ControllerError::Refused(error.to_string());
        if self.0.lock().contains(&what) {
            return wanted.fits(blob.bytes).map_err(other);
        }
        let mut proving = wanted.proving(store.open_blob(blob.hash).map_err(ControllerError::storage)?);
        std::io::copy(&mut proving, &mut std::io::sink()).map_err(ControllerError::storage)?;
        if let Some(warning) = proving.finish().map_err(other)? {
            tracing::warn!("{warning}");
        }
        let mut proven = self.0.lock();
        if proven.len() >= KEPT_MAX {
            proven.clear();
        }
        proven.insert(what);
        Ok(())
    }
}

/// SHA-256 of blobs in hexadecimal, so that none is read for it in the freeze that was read before.
#[derive(Default)]
pub(super) struct Sha256(Mutex<HashMap<Hash, String>>);

impl Sha256 {
    /// Returns a blob's SHA-256. Blocks on the disk the first time.
    pub(super) fn of(&self, store: &Store, blob: BlobRef) -> Result<String, ControllerError> {
        if let Some(known) = self.0.lock().get(&blob.hash) {
            return Ok(known.clone());
        }
        let mut file = store.open_blob(blob.hash).map_err(ControllerError::storage)?;
        let (mut sum, mut piece) = (digest::Context::new(&digest::SHA256), vec![0; PIECE_BYTES]);
        loop {
            match file.read(&mut piece).map_err(ControllerError::storage)? {
                0 => break,
                count => sum.update(&piece[..count]),
            }
        }
        let sum = hex(sum.finish().as_ref());
        let mut known = self.0.lock();
        if known.len() >= KEPT_MAX {
            known.clear();
        }
        known.insert(blob.hash, sum.clone());
        Ok(sum)
    }
}
