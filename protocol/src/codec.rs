//! Bytes to types and back. The only file that names bincode.
//!
//! bincode 2 is unmaintained (RUSTSEC-2025-0141), so it stays behind these few functions and can be
//! replaced in an afternoon; `protocol/tests/golden` holds the bytes that a replacement must write.
//!
//! What its own configuration does not give is added here: a limit on what is decoded (without it a
//! 9-byte length makes the process abort), bounds on every collection, and the canonical form for
//! whatever is hashed or signed.

use std::fmt;
use std::ops::Deref;

use bincode::de::Decoder;
use bincode::de::read::Reader;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
pub(crate) use bincode::{Decode, Encode};

use crate::limits::CONTROL_FRAME_BYTES_MAX;

/// Implementation detail of [`wire_enum`]: the paths its expansion needs.
#[doc(hidden)]
pub mod derive {
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
    let bytes = bincode::encode_to_vec(value, config()).expect("bounded types always encode");
    assert!(bytes.len() <= LIMIT, "a wire value outgrew its frame");
    bytes
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

/// A list of at most `N` elements; its length is checked before the first element is read.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bounded<T, const N: usize>(Vec<T>);

/// More elements, or bytes, than a bounded type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} are more than the {count_max} allowed")]
pub struct TooMany {
    /// What was given.
    pub count: usize,
    /// What fits.
    pub count_max: usize,
}

impl<T, const N: usize> Bounded<T, N> {
    /// Takes `items` if they fit.
    ///
    /// Errors: [`TooMany`].
    pub fn new(items: Vec<T>) -> Result<Self, TooMany> {
        const { assert!(size_of::<T>() > 0, "a zero-size element costs no bytes, so no limit stops its count") };
        if items.len() > N { Err(TooMany { count: items.len(), count_max: N }) } else { Ok(Self(items)) }
    }

    /// Takes the first `N` of `items` and leaves the rest.
    pub fn truncated(mut items: Vec<T>) -> Self {
        items.truncate(N);
        Self(items)
    }

    /// Returns the elements.
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const N: usize> Deref for Bounded<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Bounded<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Encode, const N: usize> Encode for Bounded<T, N> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        (self.0.len() as u64).encode(encoder)?;
        self.0.iter().try_for_each(|item| item.encode(encoder))
    }
}

/// Reads a length and refuses it above `count_max`, before anything is allocated.
fn decode_len<D: Decoder>(decoder: &mut D, count_max: usize) -> Result<usize, DecodeError> {
    let count = u64::decode(decoder)?;
    if count > count_max as u64 {
        return Err(DecodeError::OtherString(format!("{count} elements are more than the {count_max} allowed")));
    }
    Ok(count as usize)
}

impl<C, T: Decode<C>, const N: usize> Decode<C> for Bounded<T, N> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let count = decode_len(decoder, N)?;
        // Claimed, not yet received: what is allocated ahead stays small.
        let mut items = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            items.push(T::decode(decoder)?);
        }
        Ok(Self(items))
    }
}

/// UTF-8 text of at most `N` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<const N: usize>(String);

impl<const N: usize> Text<N> {
    /// Takes `text` if it fits.
    ///
    /// Errors: [`TooMany`], counting bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, TooMany> {
        let text = text.into();
        if text.len() > N { Err(TooMany { count: text.len(), count_max: N }) } else { Ok(Self(text)) }
    }

    /// Takes as much of `text` as fits, ending in `…` where something was cut.
    pub fn cut(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.len() > N {
            let mut end = N.saturating_sub('…'.len_utf8());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        Self(text)
    }

    /// Returns the text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const N: usize> Deref for Text<N> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<const N: usize> Encode for Text<N> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.as_str().encode(encoder)
    }
}

impl<C, const N: usize> Decode<C> for Text<N> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let bytes = decode_bytes(decoder, N)?;
        String::from_utf8(bytes).map(Self).map_err(|_| DecodeError::Other("text is not UTF-8"))
    }
}

fn decode_bytes<D: Decoder>(decoder: &mut D, count_max: usize) -> Result<Vec<u8>, DecodeError> {
    let count = decode_len(decoder, count_max)?;
    decoder.claim_bytes_read(count)?;
    let mut bytes = vec![0; count];
    decoder.reader().read(&mut bytes)?;
    Ok(bytes)
}

/// Opaque bytes, at most `N` of them.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Bytes<const N: usize>(Vec<u8>);

impl<const N: usize> Bytes<N> {
    /// Takes `bytes` if they fit.
    ///
    /// Errors: [`TooMany`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, TooMany> {
        if bytes.len() > N { Err(TooMany { count: bytes.len(), count_max: N }) } else { Ok(Self(bytes)) }
    }
}

impl<const N: usize> Deref for Bytes<N> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl<const N: usize> Encode for Bytes<N> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.as_slice().encode(encoder)
    }
}

impl<C, const N: usize> Decode<C> for Bytes<N> {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        decode_bytes(decoder, N).map(Self)
    }
}

/// Derived types ask their fields for `BorrowDecode` as well; ours own what they hold.
macro_rules! borrow_as_owned {
    ($( [$($generics:tt)*] $type:ty ),+ $(,)?) => { $(
        impl<'de, C, $($generics)*> bincode::BorrowDecode<'de, C> for $type
        where
            $type: Decode<C>,
        {
            fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = C>>(
                decoder: &mut D,
            ) -> Result<Self, DecodeError> {
                Self::decode(decoder)
            }
        }
    )+ };
}
borrow_as_owned! {
    [T, const N: usize] Bounded<T, N>,
    [const N: usize] Text<N>,
    [const N: usize] Bytes<N>,
}

/// Declares an enum whose wire tags are written by hand: a derive would number the variants by
/// position, and moving a line would change the protocol. A number is never used again.
macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$variant_meta:meta])* $tag:literal = $variant:ident $( ( $payload:ty ) )? ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        pub enum $name {
            $( $(#[$variant_meta])* $variant $( ( $payload ) )? ),+
        }

        impl $name {
            /// Wire tag and name of every variant, for the specification's test.
            pub const TAGS: &'static [(u8, &'static str)] = &[ $( ($tag, stringify!($variant)) ),+ ];

            /// Returns the variant's name.
            pub fn name(&self) -> &'static str {
                match self { $( crate::codec::wire_enum!(@pattern $variant $( $payload )?) => stringify!($variant) ),+ }
            }
        }

        impl crate::codec::derive::Encode for $name {
            fn encode<E: crate::codec::derive::Encoder>(
                &self,
                encoder: &mut E,
            ) -> Result<(), crate::codec::derive::EncodeError> {
                match self {
                    $( crate::codec::wire_enum!(@bind $variant payload $( $payload )?) => {
                        let tag: u8 = $tag;
                        crate::codec::derive::Encode::encode(&tag, encoder)?;
                        crate::codec::wire_enum!(@encode encoder payload $( $payload )?)
                    } ),+
                }
            }
        }

        impl<C> crate::codec::derive::Decode<C> for $name {
            fn decode<D: crate::codec::derive::Decoder<Context = C>>(
                decoder: &mut D,
            ) -> Result<Self, crate::codec::derive::DecodeError> {
                let tag: u8 = crate::codec::derive::Decode::decode(decoder)?;
                match tag {
                    $( $tag => Ok(crate::codec::wire_enum!(@decode decoder $variant $( $payload )?)), )+
                    _ => Err(crate::codec::derive::DecodeError::OtherString(format!(
                        concat!("unknown tag {} of ", stringify!($name)), tag
                    ))),
                }
            }
        }

        impl<'de, C> crate::codec::derive::BorrowDecode<'de, C> for $name {
            fn borrow_decode<D: crate::codec::derive::BorrowDecoder<'de, Context = C>>(
                decoder: &mut D,
            ) -> Result<Self, crate::codec::derive::DecodeError> {
                crate::codec::derive::Decode::decode(decoder)
            }
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident $payload:ty) => { Self::$variant(_) };
    (@bind $variant:ident $name:ident) => { Self::$variant };
    (@bind $variant:ident $name:ident $payload:ty) => { Self::$variant($name) };
    (@encode $encoder:ident $name:ident) => { Ok(()) };
    (@encode $encoder:ident $name:ident $payload:ty) => { crate::codec::derive::Encode::encode($name, $encoder) };
    (@decode $decoder:ident $variant:ident) => { Self::$variant };
    (@decode $decoder:ident $variant:ident $payload:ty) => {
        Self::$variant(crate::codec::derive::Decode::decode($decoder)?)
    };
}
pub(crate) use wire_enum;
