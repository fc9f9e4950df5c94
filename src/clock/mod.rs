//! The host's wall clock, for records and for people. Nothing is decided by it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the time in Unix milliseconds; 0 on a host whose clock is before 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
