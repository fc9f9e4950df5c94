//! `/migrate/logtransfer`: the log that follows a model which a migration master has brought.

use async_trait::async_trait;
use modelferry_protocol::limits::LOG_SEGMENT_BYTES_MAX;
use modelferry_protocol::snapshot::LogSegment;

use super::super::logs::LogRecord as Piece;
use super::Api;
use super::uploads::migrated;
use crate::controller::port::{ControllerError, Errand};
use crate::disk::blocking;
use crate::juju::http::RequestHead;
use crate::juju::logstream::{LogRecord, LogWriter};
use crate::juju::rpc::{ErrorCode, RpcError};

/// Bytes of a line; what is longer is cut.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A log that comes: lines are gathered into pieces of whole lines.
struct Writer {
    api: Api,
    errand: Errand,
    text: String,
}

impl Api {
    pub(super) async fn take_log(&self, head: &RequestHead) -> Result<Box<dyn LogWriter>, RpcError> {
        let bad = |text: &str| RpcError::new(ErrorCode::BadRequest, text);
        if head.header("X-Juju-ClientVersion").is_none() {
            return Err(bad("missing \"X-Juju-ClientVersion\" in request headers"));
        }
        let (model, api) = (migrated(head)?, self.clone());
        let errand = blocking(move || api.inner().in_mode(model, "")).await?;
        Ok(Box::new(Writer { api: self.clone(), errand, text: String::new() }))
    }
}

impl Writer {
    /// Keeps what has come.
    async fn keep(&mut self) -> Result<(), RpcError> {
        if self.text.is_empty() {
            return Ok(());
        }
        let (text, errand) = (std::mem::take(&mut self.text), self.errand);
        let keep = move |api: &Api| {
            let piece = Piece::read(text.as_bytes(), "the log that follows the model")?;
            let _stored = api.inner().store.lease_with_puts();
            api.inner().store.put_bytes(text.as_bytes()).map_err(ControllerError::storage)?;
            api.inner().take_log(errand, &LogSegment::from(piece)).map(drop)
        };
        self.api.blocking(keep).await
    }
}

#[async_trait]
impl LogWriter for Writer {
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError> {
        for line in lines(&record)? {
            if (self.text.len() + line.len()) as u64 > LOG_SEGMENT_BYTES_MAX {
                self.keep().await?;
            }
            self.text.push_str(&line);
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        self.keep().await
    }
}

/// Writes a record as lines that each begin with its time, as a model's log is kept. Where in the source it was logged
/// is not kept.
fn lines(record: &LogRecord) -> Result<impl Iterator<Item = String>, RpcError> {
    let LogRecord { time, module, level, message, entity, .. } = record;
    if time.parse::<jiff::Timestamp>().is_err() {
        return Err(RpcError::new(ErrorCode::BadRequest, format!("{time:?} is no time")));
    }
    let word = |text: &str| if text.is_empty() { "-".to_owned() } else { text.replace(char::is_whitespace, "-") };
    let mut head = format!("{} {} {} {}: ", time, word(level), word(entity), word(module));
    cut(&mut head, LINE_BYTES_MAX / 2);
    // An empty message is a line as well.
    let message = if message.is_empty() { "\n" } else { message.as_str() };
    Ok(message.lines().map(move |text| {
        let mut line = format!("{head}{text}");
        cut(&mut line, LINE_BYTES_MAX - 1);
        line.push('\n');
        line
    }))
}

fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate((0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_message_is_a_line_of_the_log() {
        let record = LogRecord {
            time: "2026-08-18T10:13:14.5Z".to_owned(),
            module: "juju.worker".to_owned(),
            level: "ERROR".to_owned(),
            message: "first\nsecond".to_owned(),
            entity: "machine-0".to_owned(),
            ..LogRecord::default()
        };
        let written: String = lines(&record).unwrap().collect();
        let head = "2026-08-18T10:13:14.5Z ERROR machine-0 juju.worker: ";
        assert_eq!(written, format!("{head}first\n{head}second\n"));
        assert!(lines(&LogRecord { time: "soon".to_owned(), ..record }).is_err());
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        let record = LogRecord {
            time: "2026-08-18T10:13:14Z".to_owned(),
            message: "é".repeat(LINE_BYTES_MAX),
            ..LogRecord::default()
        };
        let written: Vec<String> = lines(&record).unwrap().collect();
        assert_eq!(written.len(), 1);
        assert!(written[0].len() <= LINE_BYTES_MAX && written[0].ends_with("é\n"));
    }
}
