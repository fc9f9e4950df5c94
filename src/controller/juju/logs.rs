//! The log that follows a model to its real controller.
//!
//! A controller of 4.1 files what is sent under its own model, and says that nothing has come: so how far the log is, is
//! counted here. A piece counts once the controller has read all of it; one that broke off is sent again as a whole.

use std::sync::Arc;

use modelferry_protocol::limits::LOG_SEGMENT_BYTES_MAX;
use modelferry_protocol::snapshot::LogSegment;

use super::Inner;
use super::connection::{CallError, Live};
use super::record::{Copy, Step};
use super::refusal::is_busy;
use crate::controller::port::{ControllerError, MigrationRef};
use crate::disk::blocking;
use crate::juju::logstream::{LogRecord, LogSender, StreamError};

const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

impl Inner {
    /// Returns the migration's copy, if it brought the model into service.
    async fn brought(self: &Arc<Self>, migration: MigrationRef) -> Result<Copy, ControllerError> {
        let copy = self.begun(migration).await?;
        match copy.activation {
            Some(Step::Done) => Ok(copy),
            _ => Err(ControllerError::ModelNotFound(migration.model.to_string())),
        }
    }

    pub(super) async fn log_time(self: &Arc<Self>, migration: MigrationRef) -> Result<u64, ControllerError> {
        Ok(self.brought(migration).await?.log_until_ms)
    }

    pub(super) async fn take_log(
        self: &Arc<Self>,
        migration: MigrationRef,
        segment: &LogSegment,
    ) -> Result<u64, ControllerError> {
        let mut copy = self.brought(migration).await?;
        if copy.log.contains_key(&*segment.name) {
            return Ok(copy.log_until_ms);
        }
        let (store, blob) = (self.store.clone(), segment.blob);
        let text = blocking(move || store.read(blob, LOG_SEGMENT_BYTES_MAX)).await.map_err(ControllerError::storage)?;
        let text = String::from_utf8(text).map_err(|_| ControllerError::Refused("a log is UTF-8".to_owned()))?;
        let live = self.connector.live().await?;
        let failed = |error: StreamError| match error {
            StreamError::Refused(error) => match live.judged(error) {
                CallError::Refused(error) if !is_busy(&error) => {
                    ControllerError::Refused(format!("the controller takes no log: {error}"))
                }
                error => ControllerError::Unknown(format!("the controller takes no log: {error}")),
            },
            error => ControllerError::Unknown(error.to_string()),
        };
        live.alongside(send(&live, migration, &text), StreamError::Broken).await.map_err(failed)?;
        copy.log.insert(segment.name.to_string(), segment.lines);
        copy.log_until_ms = copy.log_until_ms.max(segment.until_ms);
        self.put(migration.mid, &copy).await?;
        Ok(copy.log_until_ms)
    }
}

/// Sends a piece of a log, and waits until the controller has read all of it.
async fn send(live: &Live, migration: MigrationRef, text: &str) -> Result<(), StreamError> {
    let (model, version) = (migration.model.to_string(), &live.result.server_version);
    let mut sender = LogSender::open(&live.target, &model, &live.credentials(), version).await?;
    for line in text.lines() {
        sender.send(&record(line)).await?;
    }
    sender.finish().await
}

/// Reads a line of a log, `TIME LEVEL ENTITY MODULE: TEXT`, or with the level behind the entity; of any other line everything
/// after the time is the text.
fn record(line: &str) -> LogRecord {
    let (time, rest) = line.split_once(' ').unwrap_or((line, ""));
    let time = time.to_owned();
    let words: Vec<&str> = rest.splitn(4, ' ').collect();
    let bare = |word: &str| word.trim_end_matches(':').to_owned();
    let plain = |time| LogRecord { time, level: "INFO".to_owned(), message: rest.to_owned(), ..LogRecord::default() };
    let [one, two, module, message] = words[..] else { return plain(time) };
    let (level, entity) = match (LEVELS.contains(&one), LEVELS.contains(&two)) {
        (true, _) => (one, two),
        (false, true) => (two, one),
        (false, false) => return plain(time),
    };
    LogRecord {
        time,
        module: bare(module),
        level: level.to_owned(),
        message: message.to_owned(),
        entity: bare(entity).trim_matches('-').to_owned(),
        ..LogRecord::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_sent_with_its_parts_and_a_strange_one_as_a_whole() {
        let read = record("2026-08-18T10:13:14.5Z ERROR machine-0 juju.worker: first second");
        assert_eq!(
            (read.level.as_str(), read.entity.as_str(), read.module.as_str(), read.message.as_str()),
            ("ERROR", "machine-0", "juju.worker", "first second")
        );
        let turned = record("2026-08-18T10:13:14.5Z unit-db-0: INFO juju.worker text here");
        assert_eq!((turned.level.as_str(), turned.entity.as_str()), ("INFO", "unit-db-0"));
        let strange = record("2026-08-18T10:13:14.5Z something happened");
        assert_eq!((strange.level.as_str(), strange.message.as_str()), ("INFO", "something happened"));
    }
}
