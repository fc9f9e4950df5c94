//! Cuts long messages.

/// Characters of a note, or of a message in a table, at most: as in Juju.
const MESSAGE_CHARS_MAX: usize = 120;

/// Cuts a message as Juju does.
pub(super) fn cut(text: &str) -> String {
    cut_behind(text, MESSAGE_CHARS_MAX - 3)
}

/// Cuts a note about a migration as Juju does, but no command to type, which stands between backticks: at most what follows the
/// last one goes.
pub(super) fn cut_note(text: &str) -> String {
    let commands = text.rfind('`').map_or(0, |last| text[..=last].chars().count());
    cut_behind(text, commands.max(MESSAGE_CHARS_MAX - 3))
}

fn cut_behind(text: &str, kept: usize) -> String {
    if text.chars().count() <= MESSAGE_CHARS_MAX.max(kept) {
        return text.to_owned();
    }
    text.chars().take(kept).chain("...".chars()).collect()
}
