//! Error texts for operators about text files.
//!
//! Administrators know "Permission denied". A library's description of its own internals tells nobody what to do.

use std::io;

/// The error for bytes that are not UTF-8.
pub const NOT_TEXT: &str = "it is not text: some of its bytes are no UTF-8";
/// The error for a truncated file.
pub const CUT: &str = "it ends too early: it was cut";

/// Describes a failure to read a text file.
pub fn of_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => NOT_TEXT.to_owned(),
        io::ErrorKind::UnexpectedEof => CUT.to_owned(),
        _ => error.to_string(),
    }
}

/// Returns bytes as text.
///
/// Errors: [`NOT_TEXT`].
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| NOT_TEXT.to_owned())
}
