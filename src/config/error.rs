//! What can be wrong with a configuration, said so that it can be mended.

use std::path::{Path, PathBuf};

/// A configuration that an agent does not start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}; correct the path given with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that an agent does not understand.
    #[error("{}:{line}: {key}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The key, with its tables.
        key: String,
        /// What is wrong, and what to write.
        message: String,
    },
}

impl ConfigError {
    /// Gives what the TOML reader says its file, line and key.
    pub(super) fn wrong(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = text.get(..at).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        let key = key_at(text, line);
        Self::Wrong { path: path.to_owned(), line, key, message: message(error.message()) }
    }
}

/// Returns the key that a line sets, with its table, as far as the lines tell.
fn key_at(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let own = lines.last().map_or("", |last| last.trim());
    let header = |text: &str| text.trim().trim_start_matches('[').split(']').next().unwrap_or("").trim().to_owned();
    if own.starts_with('[') {
        return header(own);
    }
    // An array of tables goes over several lines: the key is where a line last began with a bare word.
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

/// Rewords the reader's message; of an unknown key it tells the nearest known one.
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

/// Says in TOML's words what the reader says in those of its own language.
fn reworded(text: &str) -> String {
    let text = text.replace("missing field", "missing key").replace("unknown variant", "unknown word");
    let text = text.replace("expected a sequence", "expected a list").replace("expected a map", "expected a table");
    // The name of a type says nothing to whoever writes the file.
    let Some((before, after)) = text.split_once("expected struct ") else { return text };
    let rest = after.find(|c: char| !c.is_alphanumeric() && c != '_').map_or("", |end| &after[end..]);
    format!("{before}expected a table{rest}")
}

/// Returns how many mistakes lead from one key to the other; `_` and `-` are the same.
fn distance(left: &str, right: &str) -> usize {
    strsim::damerau_levenshtein(&left.replace('_', "-"), &right.replace('_', "-"))
}
