//! The log that follows a model, as a migration master sends it: records come, and lines are kept.

use async_trait::async_trait;
use modelferry_protocol::ids::{Hash, ModelUuid};
use modelferry_protocol::limits::LOG_SEGMENT_BYTES_MAX;
use modelferry_protocol::snapshot::{BlobRef, LogSegment, Name};

use super::upload::{bad, model_of};
use crate::juju::http::RequestHead;
use crate::juju::logstream::{LogRecord, LogWriter};
use crate::juju::rpc::{ErrorCode, RpcError};

/// Bytes of a line; what is longer is cut.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Digits of a time in a piece's name, so that names sort by time until the year 2286.
const TIME_DIGITS: usize = 13;
/// Digits of the hash in a piece's name.
const HASH_DIGITS: usize = 16;

/// Gathers records into pieces of whole lines, each of at most [`LOG_SEGMENT_BYTES_MAX`] bytes.
#[derive(Debug, Default)]
struct Gatherer {
    text: String,
}

impl Gatherer {
    /// Adds a record. Returns the pieces that are full by it, mostly none.
    ///
    /// Errors: a record without a time.
    fn add(&mut self, record: &LogRecord) -> Result<Vec<String>, RpcError> {
        let mut full = Vec::new();
        for line in lines(record)? {
            if (self.text.len() + line.len()) as u64 > LOG_SEGMENT_BYTES_MAX {
                full.extend(self.rest());
            }
            self.text.push_str(&line);
        }
        Ok(full)
    }

    /// Returns what has been gathered, if anything was.
    fn rest(&mut self) -> Option<String> {
        let text = std::mem::take(&mut self.text);
        (!text.is_empty()).then_some(text)
    }
}

/// Returns the model whose log a master asks to send.
///
/// Errors: what the request lacks, in Juju's words.
pub fn model_of_log(head: &RequestHead) -> Result<ModelUuid, RpcError> {
    if head.header("X-Juju-ClientVersion").is_none() {
        return Err(bad("missing \"X-Juju-ClientVersion\" in request headers"));
    }
    model_of(head)
}

/// Keeps the pieces of a log.
#[async_trait]
pub trait LogKeeper: Send + Sync + 'static {
    /// Keeps a piece of whole lines. It is durable when this returns.
    async fn keep(&self, text: String) -> Result<(), RpcError>;

    /// Hears that the master has ended its log.
    async fn ended(&self) {}
}

/// Takes a master's log: gathers its records into pieces, and gives them to a keeper.
pub struct PieceWriter<K> {
    keeper: K,
    gatherer: Gatherer,
}

impl<K: LogKeeper> PieceWriter<K> {
    /// Begins to take a log.
    pub fn new(keeper: K) -> Self {
        Self { keeper, gatherer: Gatherer::default() }
    }
}

#[async_trait]
impl<K: LogKeeper> LogWriter for PieceWriter<K> {
    async fn write(&mut self, record: LogRecord) -> Result<(), RpcError> {
        for text in self.gatherer.add(&record)? {
            self.keeper.keep(text).await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), RpcError> {
        if let Some(text) = self.gatherer.rest() {
            self.keeper.keep(text).await?;
        }
        self.keeper.ended().await;
        Ok(())
    }
}

/// Describes a piece of a log, of at most [`LOG_SEGMENT_BYTES_MAX`] bytes. Its name follows from its first time and its bytes.
///
/// Errors: why it is no piece of a log: what is no text, or a line that does not begin with a time.
pub fn segment_of(text: &[u8]) -> Result<LogSegment, String> {
    if text.len() as u64 > LOG_SEGMENT_BYTES_MAX {
        return Err(format!("a piece of a log has at most {LOG_SEGMENT_BYTES_MAX} bytes"));
    }
    let blob = BlobRef { hash: Hash::of(text), bytes: text.len() as u64 };
    let text = std::str::from_utf8(text).map_err(|_| "a log is UTF-8")?;
    let (mut times, mut lines) = (None, 0);
    for line in text.lines() {
        lines += 1;
        let time = line.split_ascii_whitespace().next().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        let time = time.and_then(|time| u64::try_from(time.as_millisecond()).ok());
        let time = time.ok_or_else(|| format!("line {lines} does not begin with a time, RFC 3339"))?;
        let (from, until): (u64, u64) = times.unwrap_or((time, time));
        times = Some((from.min(time), until.max(time)));
    }
    let (from, until_ms) = times.ok_or("it has no lines")?;
    let hash = blob.hash.to_string();
    let name = format!("{from:0TIME_DIGITS$}-{}.log", &hash[..HASH_DIGITS]);
    Ok(LogSegment { name: Name::cut(&name), until_ms, lines, blob })
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
    fn records_are_gathered_into_pieces_that_a_link_carries() {
        let record = LogRecord {
            time: "2026-08-18T10:13:14Z".to_owned(),
            message: vec!["x".repeat(LINE_BYTES_MAX / 2); 20].join("\n"),
            ..LogRecord::default()
        };
        let mut gatherer = Gatherer::default();
        let mut pieces = gatherer.add(&record).unwrap();
        pieces.extend(gatherer.rest());
        assert_eq!(gatherer.rest(), None);
        assert!(pieces.len() > 2 && pieces.iter().all(|piece| piece.len() as u64 <= LOG_SEGMENT_BYTES_MAX));
        assert_eq!(pieces.concat().lines().count(), 20);
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
