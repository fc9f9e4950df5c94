//! The demo's own view of an agent: one question to its control socket, one answer.

use std::path::Path;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use crate::agent::control::wire::{WireError, read_line, write_line};
use crate::agent::control::{Failure, RESPONSE_BYTES_MAX, Request, Response};

/// A question that was not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The agent is not there, or went away before it answered: whether it did anything is not known.
    #[error("the agent went away: {0}")]
    Gone(#[from] WireError),
    /// The agent says no.
    #[error("{}", .0.message)]
    Refused(Box<Failure>),
    /// The agent answers something else.
    #[error("the agent answers in another version's words: {0}")]
    Strange(#[from] serde_json::Error),
}

impl From<std::io::Error> for NoAnswer {
    fn from(error: std::io::Error) -> Self {
        Self::Gone(error.into())
    }
}

/// Asks the agent at `socket`.
///
/// Errors: [`NoAnswer`].
pub(super) async fn ask(socket: &Path, request: &Request) -> Result<Response, NoAnswer> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    write_line(&mut stream, request).await?;
    loop {
        let line = read_line(&mut stream, RESPONSE_BYTES_MAX).await?;
        match serde_json::from_slice(&line)? {
            Response::Waiting(_) | Response::Alive => {}
            Response::Failed(failure) => return Err(NoAnswer::Refused(failure)),
            response => return Ok(response),
        }
    }
}
