//! Collections with a bound in their type: what a peer claims is compared with it before anything is
//! allocated.

use std::fmt;
use std::ops::Deref;

use super::coding::derive::{BorrowDecode, BorrowDecoder, DecodeError, Decoder, EncodeError, Encoder, Reader};
use super::coding::{Decode, Encode};

/// Bytes allocated ahead of those that have been read.
const STEP_BYTES: usize = 64 << 10;

/// A list of at most `N` elements; its length is checked before the first element is read.
///
/// Elements of no size can neither be put in,
///
/// ```compile_fail,E0080
/// let refused = modelferry_protocol::codec::Bounded::<(), 8>::new(vec![()]);
/// ```
///
/// nor come in from a peer:
///
/// ```compile_fail,E0080
/// use modelferry_protocol::codec::{Bounded, decode};
/// let refused = decode::<Bounded<(), 8>>(&[1]);
/// ```
///
/// while any others can:
///
/// ```
/// use modelferry_protocol::codec::{Bounded, decode};
/// assert_eq!(decode::<Bounded<u8, 8>>(&[1, 7]).unwrap()[..], [7]);
/// ```
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
    /// Whether an element costs bytes: one of no size would not, so no limit would stop its count.
    const ELEMENT_COSTS: bool = size_of::<T>() > 0;

    /// Takes `items` if they fit.
    ///
    /// Errors: [`TooMany`].
    pub fn new(items: Vec<T>) -> Result<Self, TooMany> {
        const { assert!(Self::ELEMENT_COSTS) };
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
        const { assert!(Self::ELEMENT_COSTS) };
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
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let read = bytes.len();
        bytes.resize(count.min(read + STEP_BYTES), 0);
        decoder.reader().read(&mut bytes[read..])?;
    }
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

impl<const N: usize> From<[u8; N]> for Bytes<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes.to_vec())
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
        impl<'de, C, $($generics)*> BorrowDecode<'de, C> for $type
        where
            $type: Decode<C>,
        {
            fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
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
