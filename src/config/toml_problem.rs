//! What is wrong with a text in TOML, in words for its author.

use std::fmt;

/// A problem of a text, at one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TomlProblem {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// The key with its tables; `file` where no key can be named.
    pub(super) key: String,
    /// What is wrong, and what to write instead.
    pub(super) message: String,
}

impl TomlProblem {
    /// Describes an error of the parser, which `text` has led to.
    pub fn of(text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..at).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        // A number that is too large for the parser is one that is wrong for its key.
        if !error.message().starts_with("invalid type") && text.parse::<toml::Table>().is_err() {
            let found = error.message().trim_end().replace('\n', "; ");
            let message = format!(
                "line {line} is no TOML ({found}); write `key = value`, a text in quotes, and a table as `[name]` on a line of its own"
            );
            return Self { line, key: "file".to_owned(), message };
        }
        Self { line, key: key_at(text, line), message: message(error.message()) }
    }
}

impl fmt::Display for TomlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, message } = self;
        if key == "file" { f.write_str(message) } else { write!(f, "line {line}: {key}: {message}") }
    }
}

/// Returns the key of a line, with its table as far as the text shows it.
fn key_at(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let own = lines.last().map_or("", |last| last.trim());
    let header = |text: &str| text.trim().trim_start_matches('[').split(']').next().unwrap_or("").trim().to_owned();
    if own.starts_with('[') {
        return header(own);
    }
    // An array of tables spans several lines. The key is on the last line that begins with a bare word.
    let sets = |text: &&&str| text.split_once('=').is_some_and(|(key, _)| is_bare(key.trim()));
    let key = lines.iter().rev().find(sets).map_or("", |text| text.split('=').next().unwrap_or("").trim());
    match lines.iter().rev().find(|text| text.trim_start().starts_with('[')) {
        Some(table) if !key.is_empty() => format!("{}.{key}", header(table)),
        _ if key.is_empty() => "file".to_owned(),
        _ => key.to_owned(),
    }
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Rewords the parser's message. For an unknown key, suggests the nearest known one.
fn message(text: &str) -> String {
    let text = text.trim_end();
    let Some(rest) = text.strip_prefix("unknown field `") else { return reworded(text).replace('\n', "; ") };
    let mut quoted = rest.split('`').step_by(2);
    let unknown = quoted.next().unwrap_or("");
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    match known.iter().min_by_key(|known| distance(unknown, known)) {
        Some(near) if distance(unknown, near) <= near.len().div_ceil(3) => {
            format!("unknown key `{unknown}`; did you mean `{near}`?")
        }
        _ => format!("unknown key `{unknown}`; known here are {}", known.join(", ")),
    }
}

/// Replaces the words of Rust's type system with those of TOML.
fn reworded(text: &str) -> String {
    let text = text.replace("missing field", "missing key").replace("unknown variant", "unknown word");
    let text = text.replace("expected a sequence", "expected a list").replace("expected a map", "expected a table");
    let text = text.replace("expected a nonzero usize", "expected a number, 1 or more");
    let text = text.replace(" as i128", "").replace(" as u128", "");
    let is_number = text.starts_with("invalid type: integer") || text.starts_with("invalid type: floating point");
    let text = match text.strip_suffix("expected a string").filter(|_| is_number) {
        Some(found) => format!("{found}expected a text in quotes; a duration has its unit as well, such as \"5s\""),
        None => text,
    };
    // The name of a Rust type means nothing to the author of the file.
    let Some((before, after)) = text.split_once("expected struct ") else { return text };
    let rest = after.find(|c: char| !c.is_alphanumeric() && c != '_').map_or("", |end| &after[end..]);
    format!("{before}expected a table{rest}")
}

/// Returns the number of typing mistakes between two keys. `_` and `-` count as equal.
fn distance(left: &str, right: &str) -> usize {
    strsim::damerau_levenshtein(&left.replace('_', "-"), &right.replace('_', "-"))
}
