//! Reads a description, of whichever form.

use std::io::Read;

use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;

use super::{Description, DescriptionError, document, tables};

impl Description {
    /// Reads a description out of its YAML, or out of the envelope in which controllers of Juju 4.0.12 and later send a model;
    /// its document version is 0 then.
    ///
    /// Errors: [`DescriptionError`]; the text is never quoted, since it holds secrets.
    pub fn parse(yaml: &[u8]) -> Result<Self, DescriptionError> {
        if yaml.len() as u64 > DESCRIPTION_BYTES_MAX {
            return Err(DescriptionError::TooLarge);
        }
        if tables::is_envelope(yaml) { tables::parse(yaml) } else { document::parse(yaml) }
    }
}

/// Reads a description's bytes, and not one more than it may have.
///
/// Errors: [`DescriptionError::TooLarge`], [`DescriptionError::Io`].
pub fn read_bytes(source: &mut dyn Read) -> Result<Vec<u8>, DescriptionError> {
    let mut bytes = Vec::new();
    source.take(DESCRIPTION_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DESCRIPTION_BYTES_MAX { Err(DescriptionError::TooLarge) } else { Ok(bytes) }
}
