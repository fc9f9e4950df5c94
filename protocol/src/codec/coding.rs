//! Encodes and decodes. The only file that names bincode.
//!
//! bincode 2 is unmaintained (RUSTSEC-2025-0141), so it stays behind these few functions and can be
//! replaced in an afternoon; `protocol/tests/golden` holds the bytes that a replacement must write.
//!
//! What its own configuration does not give is added here: a limit on what is decoded (without it a
//! 9-byte length makes the process abort), bounds on every collection, and the canonical form for
//! whatever is hashed or signed.

pub use bincode::{Decode, Encode};

use crate::limits::CONTROL_FRAME_BYTES_MAX;

/// What a type needs that encodes itself by hand: the bounded types, and what `wire_enum!` expands to.
pub(crate) mod derive {
    pub use bincode::de::read::Reader;
    pub use bincode::de::{BorrowDecoder, Decoder};
    pub use bincode::enc::Encoder;
    pub use bincode::error::{DecodeError, EncodeError};
    pub use bincode::{BorrowDecode, Decode, Encode};
}

/// Bytes that do not decode as the type asked for.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The bytes are more than any value of this kind may have.
    #[error("{bytes} bytes are more than the {bytes_max} allowed")]
    TooLarge {
        /// What was found.
        bytes: usize,
        /// What is allowed.
        bytes_max: usize,
    },
    /// The bytes are no encoding of the type.
    #[error("malformed bytes: {0}")]
    Malformed(String),
    /// The value ended before the bytes did.
    #[error("{extra} bytes follow the value")]
    Trailing {
        /// Bytes that belong to nothing.
        extra: usize,
    },
    /// The bytes decode, but are not the ones this value encodes to.
    #[error("the bytes are not in canonical form")]
    NotCanonical,
}

const LIMIT: usize = CONTROL_FRAME_BYTES_MAX as usize;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<LIMIT>()
}

/// Encodes `value`.
///
/// # Panics
/// If the value is larger than a control frame: every collection in a wire type is bounded, and the
/// relations in [`crate::limits`] keep their sum below it.
pub fn encode<T: Encode>(value: &T) -> Vec<u8> {
    encode_within(value, LIMIT).expect("a wire value fits its frame")
}

/// Encodes `value` if that takes at most `bytes_max`.
///
/// Errors: [`CodecError::TooLarge`].
pub fn encode_within<T: Encode>(value: &T, bytes_max: usize) -> Result<Vec<u8>, CodecError> {
    let bytes = bincode::encode_to_vec(value, config()).expect("bounded types always encode");
    if bytes.len() > bytes_max { Err(CodecError::TooLarge { bytes: bytes.len(), bytes_max }) } else { Ok(bytes) }
}

/// Decodes a `T` that takes up all of `bytes`.
///
/// Errors: [`CodecError`] for bytes over the limit, malformed, or left over.
pub fn decode<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLarge { bytes: bytes.len(), bytes_max: LIMIT });
    }
    let (value, consumed) =
        bincode::decode_from_slice(bytes, config()).map_err(|error| CodecError::Malformed(error.to_string()))?;
    match bytes.len() - consumed {
        0 => Ok(value),
        extra => Err(CodecError::Trailing { extra }),
    }
}

/// Decodes a `T` that is hashed or signed: besides [`decode`], the bytes must be the only ones that
/// mean this value, so that a hash names one content.
///
/// Errors: as [`decode`], and [`CodecError::NotCanonical`].
pub fn decode_canonical<T: Decode<()> + Encode>(bytes: &[u8]) -> Result<T, CodecError> {
    let value = decode(bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(CodecError::NotCanonical) }
}
