//! The clock that drives QUIC.

/// Returns the time of the clock that drives QUIC, tokio's. Tests can simulate it, unlike the system's.
pub(super) fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}
