//! Error texts for operators in place of those of libraries, which go into the log.

use std::error::Error;
use std::io;

use crate::config::words::{CUT, NOT_TEXT};

/// Returns the text for a library's error; `None` if its own text is fit for operators.
pub fn of_library(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if error.is::<std::str::Utf8Error>() || error.is::<std::string::FromUtf8Error>() {
        return Some(NOT_TEXT);
    }
    let is_database = error.is::<redb::Error>()
        || error.is::<redb::StorageError>()
        || error.is::<redb::TableError>()
        || error.is::<redb::TransactionError>()
        || error.is::<redb::CommitError>()
        || error.is::<redb::DatabaseError>();
    if is_database {
        return Some("the database refuses what was asked of it; the agent's log has its reason");
    }
    if error.is::<serde_json::Error>() {
        return Some("what is stored there is not what this program writes; the agent's log has more");
    }
    match error.downcast_ref::<io::Error>()?.kind() {
        io::ErrorKind::UnexpectedEof => Some(CUT),
        _ => None,
    }
}

/// Returns what the system said that an error came of; nothing where it was not the system.
pub fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::words::of_text;

    #[test]
    fn words_of_libraries_are_replaced_and_those_of_the_system_stay() {
        let not_text = String::from_utf8(vec![0xff]).unwrap_err();
        assert_eq!(of_library(&not_text), Some(NOT_TEXT));
        assert_eq!(of_library(&io::Error::from(io::ErrorKind::UnexpectedEof)), Some(CUT));
        assert!(of_library(&redb::StorageError::Corrupted("magic".into())).is_some_and(|said| !said.contains("magic")));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!((of_library(&denied), of_text(&denied)), (None, denied.to_string()));
        assert_eq!(of_text(&io::Error::new(io::ErrorKind::InvalidData, "stream")), NOT_TEXT);
    }
}
