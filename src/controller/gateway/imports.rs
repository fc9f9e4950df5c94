//! Which migrations have a connection open that carried an import.
//!
//! A master closes that connection once it has uploaded everything. While it is open, no agent's login may fix what the
//! migration consists of.

use std::collections::HashMap;
use std::sync::Arc;

use modelferry_protocol::ids::MigrationId;
use parking_lot::Mutex;
use tokio::sync::watch;

/// How many connections of a migration carry an import, and whoever waits for the last one's end.
type Open = (usize, watch::Sender<bool>);

/// Counts connections by migration.
#[derive(Clone, Default)]
pub(super) struct Imports {
    open: Arc<Mutex<HashMap<MigrationId, Open>>>,
}

impl Imports {
    /// Notes that a connection carries an import, until what is returned is dropped.
    pub fn begin(&self, mid: MigrationId) -> Import {
        self.open.lock().entry(mid).or_insert_with(|| (0, watch::Sender::new(true))).0 += 1;
        Import { mid, imports: self.clone() }
    }

    /// Waits until no connection of the migration is open that carried an import.
    pub async fn ended(&self, mid: MigrationId) {
        let waiting = self.open.lock().get(&mid).map(|(_, open)| open.subscribe());
        if let Some(mut open) = waiting {
            // An error is the end of whoever would have said so, which is the end of the last connection.
            let _ = open.wait_for(|open| !open).await;
        }
    }
}

/// A connection that carried an import.
pub(super) struct Import {
    mid: MigrationId,
    imports: Imports,
}

impl Drop for Import {
    fn drop(&mut self) {
        let mut open = self.imports.open.lock();
        if let Some((count, _)) = open.get_mut(&self.mid) {
            *count -= 1;
            if *count == 0 {
                // Its sender goes with it, and whoever waits is woken.
                open.remove(&self.mid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_seal_waits_for_the_last_connection_that_carried_an_import() {
        let (imports, mid) = (Imports::default(), MigrationId([1; 16]));
        imports.ended(mid).await;
        let (one, two) = (imports.begin(mid), imports.begin(mid));
        let mut waiting = Box::pin(imports.ended(mid));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        drop(one);
        assert_eq!(waiting.as_mut().now_or_never(), None);
        imports.ended(MigrationId([2; 16])).await;
        drop(two);
        waiting.await;
    }
}
