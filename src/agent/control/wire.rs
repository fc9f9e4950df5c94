//! Reads and writes lines of bounded length, for both ends of a control socket.

use serde::Serialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A line that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It is longer than it may be; the rest was not read.
    #[error("a line of more than {bytes_max} bytes")]
    TooLong {
        /// What is allowed.
        bytes_max: usize,
    },
    /// The other side closed the connection in the middle of a line, or before one.
    #[error("the connection ended before the line did")]
    Ended,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] std::io::Error),
}

/// Reads one line without its newline. At most `bytes_max` bytes are held for it.
///
/// Errors: [`WireError`].
pub async fn read_line(reader: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> Result<Vec<u8>, WireError> {
    let mut line = Vec::new();
    reader.take(bytes_max as u64).read_until(b'\n', &mut line).await?;
    match line.pop() {
        Some(b'\n') => Ok(line),
        Some(_) if line.len() + 1 == bytes_max => Err(WireError::TooLong { bytes_max }),
        _ => Err(WireError::Ended),
    }
}

/// Writes `value` as one line of JSON.
///
/// Errors: [`std::io::Error`] of the connection.
pub async fn write_line(writer: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(value).map_err(std::io::Error::other)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Vec<u8>, WireError> {
        read_line(&mut &bytes[..], 8).await
    }

    #[tokio::test]
    async fn a_line_is_read_up_to_its_newline_and_its_limit() {
        assert_eq!(read(b"{}\n{}\n").await.unwrap(), b"{}");
        assert_eq!(read(b"1234567\n").await.unwrap(), b"1234567");
        assert!(matches!(read(b"12345678\n").await, Err(WireError::TooLong { bytes_max: 8 })));
        assert!(matches!(read(b"12").await, Err(WireError::Ended)));
        assert!(matches!(read(b"").await, Err(WireError::Ended)));
    }
}
