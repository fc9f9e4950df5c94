//! The log that a source controller sends behind its model: kept here piece by piece, and carried to the target by the
//! migration's task.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::time::{Duration, sleep};

use super::base::core::Core;
use super::migration::event::Event;
use super::migration::master_request::{MasterRequest, WaitingCall};
use crate::controller::gateway::RelayError;
use crate::controller::master::log::Gatherer;
use crate::controller::port::{ControllerError, Errand};
use crate::juju::logstream::{LogRecord, LogWriter};
use crate::juju::rpc::RpcError;

/// Bytes of a log that are kept while the target does not take them. With more the source waits.
const KEPT_BYTES_MAX: u64 = 64 << 20;
/// Pause between two looks whether the target has taken some.
const LOOK: Duration = Duration::from_secs(1);

/// A log as it comes.
pub struct RelayedLog {
    core: Arc<Core>,
    errand: Errand,
    gatherer: Gatherer,
}

impl RelayedLog {
    /// Begins to take the log of a migration's model.
    pub fn open(core: Arc<Core>, errand: Errand) -> Self {
        Self { core, errand, gatherer: Gatherer::default() }
    }

    /// Returns the time of the last line that is durable here, Unix milliseconds; 0 for none.
    pub async fn latest(&self) -> Result<u64, RelayError> {
        let Some(relayed) = &self.core.parts.relayed else { return Ok(0) };
        let kept = relayed.controller.log(self.errand).await;
        Ok(kept.map_err(|error| RelayError::Storage(error.to_string()))?.until_ms)
    }

    async fn keep(&self, text: String) -> Result<(), RpcError> {
        let Some(relayed) = &self.core.parts.relayed else { return Ok(()) };
        let failed = |error: ControllerError| RpcError::plain(format!("the log cannot be kept: {error}"));
        while self.is_full().await.map_err(failed)? {
            sleep(LOOK).await;
        }
        relayed.controller.keep_log(self.errand, text).await.map_err(failed)?;
        self.tell(MasterRequest::LogGrown).await;
        Ok(())
    }

    /// Reports whether the target has so much still to take that no more is kept here.
    async fn is_full(&self) -> Result<bool, ControllerError> {
        let Some(relayed) = &self.core.parts.relayed else { return Ok(false) };
        let kept = relayed.controller.log(self.errand).await?;
        let bytes: u64 = kept.segments.iter().map(|segment| segment.blob.bytes).sum();
        Ok(bytes >= KEPT_BYTES_MAX)
    }

    async fn tell(&self, call: MasterRequest) {
        if let Some(mailbox) = self.core.tracked(self.errand.mid).and_then(|tracked| tracked.mailbox()) {
            let (reply, _) = oneshot::channel();
            // A task that is gone has come to its end.
            let _ = mailbox.send(Event::Called(WaitingCall { call, reply })).await;
        }
    }
}

#[async_trait]
impl LogWriter for RelayedLog {
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError> {
        for text in self.gatherer.add(&record)? {
            self.keep(text).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        if let Some(text) = self.gatherer.rest() {
            self.keep(text).await?;
        }
        self.tell(MasterRequest::LogEnded).await;
        Ok(())
    }
}
