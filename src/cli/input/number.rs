//! Numbers on the command line.

/// Reads a whole number.
///
/// Errors: a sentence that says what to write.
pub(in crate::cli) fn whole(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{}` is no whole number; write one such as 120", text.escape_debug()))
}
