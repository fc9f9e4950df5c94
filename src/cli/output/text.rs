//! Escapes text from other programs, so that it cannot control the terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns `text` with everything escaped that a terminal would obey instead of show.
///
/// A model's name comes from the other controller: it must neither move the cursor nor turn the line around.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(obeyed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        let _ = if obeyed(c) { write!(shown, "{}", c.escape_default()) } else { write!(shown, "{c}") };
        shown
    }))
}

/// Control characters, and the marks that change the direction of what follows.
fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns a number of bytes for people, in Juju's units: `10 MiB`.
pub fn byte_count(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut number, mut unit) = (bytes as f64 / 1024.0, 0);
    while number >= 1023.95 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    let text = format!("{number:.1}");
    format!("{} {}", text.strip_suffix(".0").unwrap_or(&text), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(plain("prod\u{1b}[2J\n"), "prod\\u{1b}[2J\\n");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(plain("größe"), "größe");
    }

    #[test]
    fn bytes_are_counted_as_juju_counts_them() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (10 << 20, "10 MiB"), ((1 << 30) - 1, "1 GiB")]
        {
            assert_eq!(byte_count(bytes), text);
        }
    }
}
