//! The work that a patch may take.

use std::sync::atomic::AtomicBool;

use super::error::PatchError;
use super::limits::{WORK_BYTES_MIN, WORK_RATIO_MAX};

/// Counts opened bytes. Fails if they exceed the limit, or if the caller has set `stop`.
pub(super) struct Work<'a> {
    left: u64,
    stop: &'a AtomicBool,
}

impl<'a> Work<'a> {
    pub(super) fn allowed(new_bytes: u64, base_bytes: u64, stop: &'a AtomicBool) -> Self {
        let both = new_bytes.saturating_add(base_bytes);
        Self { left: both.saturating_mul(WORK_RATIO_MAX).saturating_add(WORK_BYTES_MIN), stop }
    }

    pub(super) fn done(&mut self, bytes: u64) -> Result<(), PatchError> {
        if self.stop.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(PatchError::Stopped);
        }
        self.left = self.left.checked_sub(bytes).ok_or(PatchError::Bomb)?;
        Ok(())
    }
}
