//! Compresses the answers of a control socket that cross the link: the status of a large model is megabytes of repetitive
//! text, and an operator waits for it while bulk fills the link.

use std::io::{self, Read};

use modelferry_protocol::limits::{ANSWER_PLAIN_BYTES_MAX, ZSTD_WINDOW_LOG_MAX};

/// How hard it is compressed: a tenth of a second for the longest answer.
const LEVEL: i32 = 3;

/// Returns an answer as it travels, a zstd frame.
pub fn pack(text: &str) -> Vec<u8> {
    zstd::bulk::compress(text.as_bytes(), LEVEL).expect("memory is written to, and there is enough of it")
}

/// Returns an answer as it was, no longer than [`ANSWER_PLAIN_BYTES_MAX`] whatever it claims.
///
/// Errors: it is no zstd frame of text, or a longer one.
pub fn unpack(packed: &[u8]) -> io::Result<String> {
    let mut decoder = zstd::Decoder::with_buffer(packed)?.single_frame();
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    let mut text = String::new();
    let bytes = decoder.take(ANSWER_PLAIN_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if bytes > ANSWER_PLAIN_BYTES_MAX {
        return Err(io::Error::other(format!("it has more than {} MiB", ANSWER_PLAIN_BYTES_MAX >> 20)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_arrives_as_it_was_and_a_bomb_does_not() {
        for text in ["", "{}", &"{\"unit\": \"shop/0\"}, ".repeat(100_000)] {
            assert_eq!(unpack(&pack(text)).unwrap(), text);
        }
        let longest = " ".repeat(ANSWER_PLAIN_BYTES_MAX);
        assert_eq!(unpack(&pack(&longest)).unwrap().len(), longest.len());
        assert!(unpack(&pack(&format!("{longest} "))).unwrap_err().to_string().contains("16 MiB"));
        for wrong in [&b""[..], b"{}", &zstd::bulk::compress(&[0xff; 9], 1).unwrap()] {
            assert!(unpack(wrong).is_err(), "{wrong:?}");
        }
    }
}
