//! A model's log, `/model/UUID/log`: what `juju debug-log` shows.

use std::collections::VecDeque;
use std::time::Duration;

use async_trait::async_trait;
use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::limits::LOG_SEGMENT_BYTES_MAX;

use crate::controller::embedded::api::Api;
use crate::controller::embedded::api::errors::model_not_found;
use crate::controller::log_piece::LogPiece;
use crate::juju::http::RequestHead;
use crate::juju::logstream::{LogMessage, LogReader};
use crate::juju::rpc::RpcError;

/// How often it is looked for new lines, for a reader who waits for them.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Lines that a reader gets of those that are there, unless it says otherwise.
const BACKLOG_DEFAULT: usize = 10;

/// A log that is being read.
struct Reader {
    api: Api,
    model: ModelUuid,
    /// Lines that were read and not sent yet.
    lines: VecDeque<LogMessage>,
    /// Names of the pieces whose lines were read.
    read: Vec<String>,
    follow: bool,
    /// Lines of the first look that are sent; all if there is none.
    backlog: Option<usize>,
}

impl Api {
    pub(in crate::controller::embedded::api) async fn open_log(
        &self,
        head: &RequestHead,
        model: &str,
    ) -> Result<Box<dyn LogReader>, RpcError> {
        let model = model.parse().map_err(|_| model_not_found())?;
        let is = |key: &str| head.query(key) == Some("true");
        let number = |key: &str| head.query(key).and_then(|text| text.parse::<usize>().ok());
        let backlog = if is("replay") { None } else { Some(number("backlog").unwrap_or(BACKLOG_DEFAULT)) };
        let backlog = number("maxLines").filter(|lines| *lines > 0).or(backlog);
        let follow = !is("noTail") && number("maxLines").is_none_or(|lines| lines == 0);
        let mut reader = Reader { api: self.clone(), model, lines: VecDeque::new(), read: Vec::new(), follow, backlog };
        reader.look().await?;
        Ok(Box::new(reader))
    }
}

impl Reader {
    /// Reads the pieces that are new. Of what was there at the first look, as much as was asked for.
    async fn look(&mut self) -> Result<(), RpcError> {
        let (model, known) = (self.model, self.read.clone());
        let first = known.is_empty();
        let pieces = self
            .api
            .blocking(move |api| {
                let mut pieces: Vec<LogPiece> = api.inner().database.logs(model)?;
                pieces.retain(|piece| !known.contains(&piece.name));
                let read = |piece: LogPiece| {
                    let text = api.inner().store.read(piece.blob.into(), LOG_SEGMENT_BYTES_MAX);
                    let text = text.map_err(crate::controller::port::ControllerError::storage)?;
                    Ok((piece.name, String::from_utf8_lossy(&text).into_owned()))
                };
                pieces.into_iter().map(read).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        for (name, text) in pieces {
            self.lines.extend(text.lines().map(message));
            self.read.push(name);
            if let (true, Some(backlog)) = (first, self.backlog) {
                let surplus = self.lines.len().saturating_sub(backlog);
                self.lines.drain(..surplus);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl LogReader for Reader {
    async fn next(&mut self) -> Option<LogMessage> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if !self.follow {
                return None;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
            self.look().await.ok()?;
        }
    }
}

/// Reads a line of a log: `TIME LEVEL ENTITY MODULE: TEXT`, or with the level behind the entity, as Juju's own client
/// prints it. Of any other line everything after the time is the text.
fn message(line: &str) -> LogMessage {
    const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
    let (time, text) = line.trim_start().split_once(' ').unwrap_or((line, ""));
    let words: Vec<&str> = text.splitn(4, ' ').collect();
    let bare = |word: &str| word.trim_end_matches(':').to_owned();
    let [one, two, module, message] = words[..] else { return plain(time, text) };
    let (level, entity) = match (LEVELS.contains(&one), LEVELS.contains(&two)) {
        (true, _) => (one, two),
        (false, true) => (two, one),
        (false, false) => return plain(time, text),
    };
    LogMessage {
        time: time.to_owned(),
        entity: bare(entity),
        level: level.to_owned(),
        module: bare(module),
        message: message.to_owned(),
        ..LogMessage::default()
    }
}

fn plain(time: &str, text: &str) -> LogMessage {
    LogMessage { time: time.to_owned(), level: "INFO".to_owned(), message: text.to_owned(), ..LogMessage::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        for line in [
            "2026-08-18T10:13:14Z machine-0: INFO juju.worker.uniter hook \"start\" ran",
            "2026-08-18T10:13:14Z INFO machine-0 juju.worker.uniter: hook \"start\" ran",
        ] {
            let read = message(line);
            let parts = (read.entity.as_str(), read.level.as_str(), read.module.as_str(), read.message.as_str());
            assert_eq!(parts, ("machine-0", "INFO", "juju.worker.uniter", "hook \"start\" ran"));
        }
        let other = message("2026-08-18T10:13:14Z anything at all");
        assert_eq!((other.level.as_str(), other.message.as_str()), ("INFO", "anything at all"));
    }
}
