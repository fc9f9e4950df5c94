//! What the system says of a text file, in words for people.
//!
//! "Permission denied" is what administrators know. What a library says of its own insides tells nobody what to do.

use std::io;

/// What is said of bytes that should be text.
pub const NOT_TEXT: &str = "it is not text: some of its bytes are no UTF-8";
/// What is said of a file that ends before its content does.
pub const CUT: &str = "it ends too early: it was cut";

/// Says why a text file could not be read.
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
