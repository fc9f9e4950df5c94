//! The last transfer rate to each peer. Plans use it to estimate durations.

use modelferry_protocol::ids::Pin;

use super::tables::RATES;
use super::{Store, StoreError};

/// A measured transfer rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Plain bytes per second that became durable at the peer.
    pub bytes_per_second: u64,
    /// Time of the measurement, Unix milliseconds.
    pub time_ms: u64,
}

impl Store {
    /// Stores the last rate to a peer.
    ///
    /// Errors: [`StoreError::Full`], [`StoreError::Io`].
    pub fn remember_rate(&self, peer: Pin, rate: Rate) -> Result<(), StoreError> {
        self.inner.rows.write(|transaction| {
            transaction.open_table(RATES)?.insert(&peer.0, (rate.bytes_per_second, rate.time_ms))?;
            Ok(())
        })
    }

    /// Returns the last rate to a peer; `None` before the first measurement.
    ///
    /// Errors: [`StoreError::Io`].
    pub fn rate(&self, peer: Pin) -> Result<Option<Rate>, StoreError> {
        let row = self.inner.rows.read(RATES, |table| Ok(table.get(&peer.0)?.map(|row| row.value())))?;
        Ok(row.map(|(bytes_per_second, time_ms)| Rate { bytes_per_second, time_ms }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn a_rate_is_remembered_across_a_restart_for_its_peer_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        assert_eq!(store.rate(Pin([1; 32])).unwrap(), None);
        let rate = |bytes_per_second| Rate { bytes_per_second, time_ms: 1_767_225_600_000 };
        store.remember_rate(Pin([1; 32]), rate(5)).unwrap();
        store.remember_rate(Pin([1; 32]), rate(7)).unwrap();
        drop(store);
        let store = Store::open(dir.path(), Disk::real()).unwrap();
        assert_eq!(store.rate(Pin([1; 32])).unwrap(), Some(rate(7)));
        assert_eq!(store.rate(Pin([2; 32])).unwrap(), None);
    }
}
