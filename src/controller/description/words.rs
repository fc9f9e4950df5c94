//! What is wrong with a document that cannot be read, in our own words.
//!
//! The YAML crate speaks of Rust types and of its own options. Nobody who has a model in hand knows either, so none of
//! its sentences goes further than here.

use serde::Deserialize;
use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::DescriptionError;
use super::bounds::{DEPTH_MAX, DOCUMENT_VERSION_MAX, DOCUMENT_VERSION_MIN, NODES_MAX, options};

/// Characters of a key that an error names.
const KEY_CHARS_MAX: usize = 64;

/// The one field that is looked for in a document that cannot be read otherwise.
#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

/// Tells what is wrong with a document that cannot be read: its version, if it is one that may look different.
pub(super) fn misread(text: &str, error: &Error) -> DescriptionError {
    // Whoever fills a document up to its bounds is not read a second time.
    let bounded = matches!(error.without_snippet(), Error::Budget { .. });
    if !bounded
        && let Ok(Versioned { version }) = serde_saphyr::from_str_with_options(text, options())
        && !(DOCUMENT_VERSION_MIN..=DOCUMENT_VERSION_MAX).contains(&version)
    {
        return DescriptionError::Version(version);
    }
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    let error = error.without_snippet();
    match error {
        Error::Budget { breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. }, .. }
        | Error::UnknownAnchor { .. } => DescriptionError::Alias { line, column },
        _ => DescriptionError::Malformed { line, column, problem: problem(error) },
    }
}

fn problem(error: &Error) -> String {
    match error {
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => format!("nested deeper than {DEPTH_MAX} levels"),
        Error::Budget { breach: BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. }, .. } => {
            format!("more than {NODES_MAX} values")
        }
        Error::Budget { breach: BudgetBreach::Documents { .. }, .. } | Error::MultipleDocuments { .. } => {
            "a second YAML document begins; a model description is one".to_owned()
        }
        Error::Budget { .. } => "more than a model description has".to_owned(),
        // These are the sentences of this module's neighbours.
        Error::Message { msg, .. } if msg.starts_with("something without a name") => msg.clone(),
        Error::DuplicateMappingKey { key, .. } => match key.as_deref().filter(|key| is_plain(key)) {
            Some(key) => format!("`{key}` stands here a second time"),
            None => "a key stands here a second time".to_owned(),
        },
        Error::Eof { .. } | Error::ContainerEndMismatch { .. } => "the text ends in the middle of something".to_owned(),
        Error::ExternalMessage { .. } | Error::Message { .. } | Error::IndentationError { .. } => {
            "this is no YAML".to_owned()
        }
        Error::InvalidScalar { ty, .. } => format!("{} is expected here", kind(ty)),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("{} is expected here", kind(expected))
        }
        Error::Unexpected { expected, .. } => format!("{} is expected here", kind(expected)),
        Error::SerdeUnknownVariant { expected, .. } => format!("`{}` is expected here", expected.join("` or `")),
        _ => "nothing that a model description has here".to_owned(),
    }
}

/// Reports whether a key can be shown: one of Juju's own words, and nothing that somebody hid in a key.
fn is_plain(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !key.is_empty() && key.chars().count() <= KEY_CHARS_MAX && key.chars().all(plain)
}

/// Says what a value should have been.
fn kind(expected: &str) -> &str {
    let word = expected.split_whitespace().next().unwrap_or_default();
    match word {
        _ if expected.starts_with("a list of ") || expected.starts_with("a map") => expected,
        "struct" | "map" | "mapping" => "a map",
        "sequence" | "array" => "a list",
        "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "usize" | "isize" | "integer" | "floating" => {
            "a number"
        }
        "bool" | "boolean" | "a" if expected.contains("bool") => "`true` or `false`",
        "string" | "str" => "a text",
        "a" if expected.contains("string") => "a text",
        _ => "another kind of value",
    }
}
