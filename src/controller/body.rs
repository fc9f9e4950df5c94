//! A body that one task reads from the network while another thread stores it.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Pieces that wait for the disk.
const PIECES_WAITING: usize = 4;

/// Feeds a [`Body`]: a piece, or none for its end. Dropped before the end, it breaks the body off.
pub type Feed = mpsc::Sender<Option<Bytes>>;

/// What is read of a body, by a thread that may block.
pub struct Body {
    source: mpsc::Receiver<Option<Bytes>>,
    piece: Bytes,
    ended: bool,
}

/// Makes a body, and what feeds it.
pub fn body() -> (Feed, Body) {
    let (feed, source) = mpsc::channel(PIECES_WAITING);
    (feed, Body { source, piece: Bytes::new(), ended: false })
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.source.blocking_recv() {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => self.ended = true,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_its_pieces_until_its_end_and_one_that_breaks_off_is_no_whole() {
        for ends in [true, false] {
            let (feed, body) = body();
            for piece in [Some("one, "), Some(""), Some("two")].into_iter().chain(ends.then_some(None)) {
                feed.blocking_send(piece.map(|text| Bytes::from_static(text.as_bytes()))).unwrap();
            }
            drop(feed);
            let read = io::read_to_string(body).map_err(|error| error.kind());
            let expected = if ends { Ok("one, two".to_owned()) } else { Err(io::ErrorKind::UnexpectedEof) };
            assert_eq!(read, expected);
        }
    }
}
