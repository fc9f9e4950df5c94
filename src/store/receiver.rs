//! What everybody shares who receives the same blob.

use modelferry_protocol::snapshot::BlobRef;
use parking_lot::{Mutex, MutexGuard};

use super::StoreError;
use super::progress::{Phase, Progress};
use super::subscribers::DurabilitySubscribers;
use crate::disk::DiskFile;

/// A blob that is being received.
pub(super) struct Receiver {
    pub blob: BlobRef,
    /// The sender's cutter.
    pub cutter: u16,
    /// `None` if the blob was already complete.
    pub file: Option<DiskFile>,
    pub progress: Mutex<Progress>,
    /// Serializes [`Incoming::add_page`](super::Incoming::add_page).
    pub adding: Mutex<()>,
    /// Serializes [`Incoming::sync`](super::Incoming::sync) and [`Incoming::finish`](super::Incoming::finish).
    pub ending: Mutex<()>,
    pub subscribers: DurabilitySubscribers,
}

impl Receiver {
    pub fn new(blob: BlobRef, cutter: u16, file: Option<DiskFile>, progress: Progress) -> Self {
        let (progress, adding, ending) = (Mutex::new(progress), Mutex::default(), Mutex::default());
        Self { blob, cutter, file, progress, adding, ending, subscribers: DurabilitySubscribers::default() }
    }

    /// Reports whether this still accepts chunks.
    pub fn is_receiving(&self) -> bool {
        self.progress.lock().phase == Phase::Receiving
    }

    /// Locks the progress.
    ///
    /// Errors: [`StoreError::Broken`].
    pub fn sound(&self) -> Result<MutexGuard<'_, Progress>, StoreError> {
        let progress = self.progress.lock();
        if progress.phase == Phase::Broken { Err(StoreError::Broken(self.blob.hash)) } else { Ok(progress) }
    }
}
