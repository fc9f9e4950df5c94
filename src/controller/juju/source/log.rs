//! The log that the controller sends behind a model: pieces wait here until the target has taken them.

use std::sync::Arc;

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::snapshot::LogSegment;
use serde::{Deserialize, Serialize};

use super::super::Inner;
use crate::controller::log_piece::LogPiece;
use crate::controller::master::log::segment_of;
use crate::controller::port::{ControllerError, KeptLog, MigrationRef};
use crate::disk::blocking;

/// A log, as it is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Log {
    until_ms: u64,
    pieces: Vec<LogPiece>,
}

fn fact(mid: MigrationId) -> String {
    format!("log/{mid}")
}

impl Inner {
    fn log_of(&self, mid: MigrationId) -> Result<Log, ControllerError> {
        Ok(self.records.fact(&fact(mid))?.unwrap_or_default())
    }

    /// Keeps a piece.
    pub(in super::super) async fn keep_log(
        self: &Arc<Self>,
        migration: MigrationRef,
        text: String,
    ) -> Result<(), ControllerError> {
        let inner = self.clone();
        blocking(move || {
            let refused = |why| ControllerError::Refused(format!("the log that follows the model: {why}"));
            let segment = segment_of(text.as_bytes()).map_err(refused)?;
            // Held until the migration is over.
            inner.store.want(migration.mid, [segment.blob.hash]).map_err(ControllerError::storage)?;
            inner.store.put_bytes(text.as_bytes()).map_err(ControllerError::storage)?;
            let _one = inner.logs.lock();
            let mut log = inner.log_of(migration.mid)?;
            log.until_ms = log.until_ms.max(segment.until_ms);
            log.pieces.push(segment.into());
            inner.records.put_fact(&fact(migration.mid), &log)
        })
        .await
    }

    /// Returns what is kept.
    pub(in super::super) async fn kept_log(
        self: &Arc<Self>,
        migration: MigrationRef,
    ) -> Result<KeptLog, ControllerError> {
        let inner = self.clone();
        let log = blocking(move || inner.log_of(migration.mid)).await?;
        Ok(KeptLog { until_ms: log.until_ms, segments: log.pieces.into_iter().map(LogSegment::from).collect() })
    }

    /// Forgets a piece.
    pub(in super::super) async fn log_taken(
        self: &Arc<Self>,
        migration: MigrationRef,
        piece: LogSegment,
    ) -> Result<(), ControllerError> {
        let inner = self.clone();
        blocking(move || {
            let _one = inner.logs.lock();
            let mut log = inner.log_of(migration.mid)?;
            log.pieces.retain(|kept| *kept.name != *piece.name);
            inner.records.put_fact(&fact(migration.mid), &log)
        })
        .await
    }
}
