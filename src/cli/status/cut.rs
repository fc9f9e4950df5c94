//! Cuts long messages.

/// Characters of a note, or of a message in a table, at most: as in Juju.
const MESSAGE_CHARS_MAX: usize = 120;

/// Cuts a note or a message as Juju does.
pub(super) fn cut(text: &str) -> String {
    if text.chars().count() <= MESSAGE_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(MESSAGE_CHARS_MAX - 3).chain("...".chars()).collect()
}
