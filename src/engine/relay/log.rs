//! The log that a source controller sends behind its model: kept here piece by piece, and carried to the target by the
//! migration's task.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::{Duration, sleep};

use crate::controller::gateway::RelayError;
use crate::controller::master::log::LogKeeper;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::engine::migration::mailbox::event::Event;
use crate::engine::shared::core::Core;
use crate::juju::rpc::RpcError;

/// Bytes of a log that are kept while the target does not take them. With more the source waits.
const KEPT_BYTES_MAX: u64 = 64 << 20;
/// Pause between two looks whether the target has taken some.
const LOOK: Duration = Duration::from_secs(1);

/// The log that a master sends, as it is kept here.
pub struct RelayedLog {
    core: Arc<Core>,
    migration: MigrationRef,
}

impl RelayedLog {
    /// Returns the log of a migration's model.
    pub fn of(core: Arc<Core>, migration: MigrationRef) -> Self {
        Self { core, migration }
    }

    /// Returns the time of the last line that is durable here, Unix milliseconds; 0 for none.
    pub async fn latest(&self) -> Result<u64, RelayError> {
        let Some(relayed) = &self.core.parts.relayed else { return Ok(0) };
        let kept = relayed.controller.log(self.migration).await;
        Ok(kept.map_err(|error| RelayError::Storage(error.to_string()))?.until_ms)
    }

    /// Reports whether the target has so much still to take that no more is kept here.
    async fn is_full(&self) -> Result<bool, ControllerError> {
        let Some(relayed) = &self.core.parts.relayed else { return Ok(false) };
        let kept = relayed.controller.log(self.migration).await?;
        let bytes: u64 = kept.segments.iter().map(|segment| segment.blob.bytes).sum();
        Ok(bytes >= KEPT_BYTES_MAX)
    }

    async fn tell(&self, event: Event) {
        if let Some(mailbox) = self.core.tracked(self.migration.mid).and_then(|tracked| tracked.mailbox()) {
            // A task that is gone has come to its end.
            let _ = mailbox.send(event).await;
        }
    }
}

#[async_trait]
impl LogKeeper for RelayedLog {
    async fn keep(&self, text: String) -> Result<(), RpcError> {
        let Some(relayed) = &self.core.parts.relayed else { return Ok(()) };
        let failed = |error: ControllerError| RpcError::plain(format!("the log cannot be kept: {error}"));
        while self.is_full().await.map_err(failed)? {
            sleep(LOOK).await;
        }
        relayed.controller.keep_log(self.migration, text).await.map_err(failed)?;
        self.tell(Event::LogGrown).await;
        Ok(())
    }

    async fn ended(&self) {
        self.tell(Event::LogEnded).await;
    }
}
