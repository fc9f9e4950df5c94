//! Why bytes are no model description, or not one that is understood.

use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;

use super::bounds::{DOCUMENT_VERSION_MAX, DOCUMENT_VERSION_MIN, PAYLOAD_VERSIONS};

/// Bytes that are no model description, or not one that is understood.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// The file cannot be read.
    #[error("cannot read the model description")]
    Io(#[from] std::io::Error),
    /// More bytes than a description may have.
    #[error("a model description has at most {} MiB, this one has more", DESCRIPTION_BYTES_MAX >> 20)]
    TooLarge,
    /// The bytes are no text.
    #[error("not a model description: byte {at} is no text")]
    NotText {
        /// Where.
        at: usize,
    },
    /// The file is compressed.
    #[error("this file is compressed; unpack it first, with `{0}`")]
    Compressed(&'static str),
    /// The database of a controller of Juju 4.1.
    #[error(
        "not a model description but tables, as a controller of Juju 4.1 or later dumps a model: it writes no description"
    )]
    Tables,
    /// The text is no YAML, or its fields are not what a description has.
    #[error("not a model description: line {line}, column {column}: {problem}")]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The text uses what Juju never writes: anchors and aliases, from which a small file makes a huge one.
    #[error("not a model description: line {line}, column {column}: YAML anchors and aliases are refused")]
    Alias {
        /// Counted from 1.
        line: u64,
        /// Counted from 1.
        column: u64,
    },
    /// The document's version is not understood.
    #[error(
        "model description has document version {0}; versions {DOCUMENT_VERSION_MIN} to {DOCUMENT_VERSION_MAX} are understood"
    )]
    Version(u64),
    /// The payload of an envelope of Juju 4 has another version.
    #[error("the model's tables have version {0}; versions {list} are understood", list = PAYLOAD_VERSIONS.join(" and "))]
    Payload(String),
    /// The document is YAML, but something that every description has is missing.
    #[error("not a model description: it has no `{0}`")]
    Missing(&'static str),
    /// The document ends too early.
    #[error("the model description was cut short: it has no `{0}`; fetch it again")]
    CutShort(&'static str),
    /// A name or number in it is not what Juju writes.
    #[error("not a model description: {what} is `{value}`")]
    Value {
        /// Which.
        what: &'static str,
        /// What it says.
        value: String,
    },
}

impl DescriptionError {
    /// Returns what to do about it; nothing where only another file helps.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Version(version) if *version < DOCUMENT_VERSION_MIN => Some(
                "move the model to a controller of Juju 3.6 first, with `juju migrate MODEL CONTROLLER`; \
                 one of Juju 2.9 must run 2.9.43 or later for that",
            ),
            Self::Version(_) | Self::Payload(_) => {
                Some("use a newer modelferry: this one is older than the model's controller")
            }
            Self::Tables => Some(
                "look at the model with `juju status` and `juju show-model`; modelferry reads what controllers of \
                 Juju 3 and 4.0 write",
            ),
            _ => None,
        }
    }
}
