//! Bytes to types and back.

mod bounded;
pub(crate) mod coding;
mod wire_enum;

pub use self::bounded::{Bounded, Bytes, Text, TooMany};
pub use self::coding::{CodecError, Decode, Encode, decode, decode_canonical, encode, encode_within};
pub(crate) use self::wire_enum::wire_enum;
