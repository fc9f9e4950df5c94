//! Frames: what stands before every body, and the header of a chunk.
//!
//! A frame is a header of [`FRAME_HEADER_BYTES`] (kind, version, length of the body) and a bincode body.
//! A chunk frame is followed by its chunks' bytes, outside the body.

use crate::codec::{Bytes, CodecError, Decode, Encode, decode, encode, wire_enum};
use crate::limits::*;

/// Version that stands in every frame's header.
pub const FRAME_VERSION: u8 = 1;

/// Frame kind of a chunk, which stands on bulk streams alone.
pub const KIND_CHUNK: u8 = 0x30;

/// Names a blob within one connection: numbers are the source's, and mean nothing on the next connection.
pub type Handle = u32;

wire_enum! {
    /// How a chunk's bytes travel.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Encoding {
        /// As they are.
        0x00 = Stored,
        /// One zstd frame.
        0x01 = Zstd,
    }
}

/// Stands before the bytes of a chunk on a bulk stream, or of several of one page, which together have at most
/// [`CHUNK_BYTES_MAX`] plain bytes: small ones would else pay for a frame each, and compress badly.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ChunkHeader {
    /// The source's number for the blob.
    pub handle: Handle,
    /// The chunks' page.
    pub page: u32,
    /// The first chunk's place in it.
    pub index: u32,
    /// Which chunks follow the first: bit `i % 8` of byte `i / 8` is that of chunk `index + 1 + i`.
    pub others: Bytes<CHUNK_OTHERS_BYTES_MAX>,
    /// Bytes that follow, at most [`CHUNK_WIRE_BYTES_MAX`].
    pub wire_bytes: u32,
    /// How they are encoded, all of them together.
    pub encoding: Encoding,
}

/// Bytes from a peer that break the protocol. The connection ends; no migration does.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A frame kind this version does not have.
    #[error("unknown frame kind {0:#04x}")]
    UnknownKind(u8),
    /// A frame of another version.
    #[error("frame version {actual}, expected {FRAME_VERSION}")]
    Version {
        /// What the header says.
        actual: u8,
    },
    /// A body longer than its kind may have.
    #[error("a body of {bytes} bytes, allowed are {bytes_max}")]
    TooLong {
        /// What the header claims.
        bytes: u32,
        /// What is allowed.
        bytes_max: u32,
    },
    /// A body that does not decode.
    #[error("the body of a {kind} does not decode")]
    Body {
        /// The frame's kind.
        kind: &'static str,
        /// How it fails.
        #[source]
        source: CodecError,
    },
    /// A chunk longer than any may be.
    #[error("a chunk of {0} bytes on the wire, allowed are {CHUNK_WIRE_BYTES_MAX}")]
    ChunkTooLong(u32),
}

/// A frame's header, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// The kind.
    pub kind: u8,
    /// Bytes of the body that follows.
    pub body_bytes: u32,
}

impl FrameHeader {
    /// Reads a header and compares the length it claims with `body_bytes_max`, before anything is
    /// allocated for it.
    ///
    /// Errors: [`FrameError::Version`], [`FrameError::TooLong`].
    pub fn parse(bytes: [u8; FRAME_HEADER_BYTES], body_bytes_max: u32) -> Result<Self, FrameError> {
        let [kind, version, length @ ..] = bytes;
        let body_bytes = u32::from_le_bytes(length);
        if version != FRAME_VERSION {
            return Err(FrameError::Version { actual: version });
        }
        if body_bytes > body_bytes_max {
            return Err(FrameError::TooLong { bytes: body_bytes, bytes_max: body_bytes_max });
        }
        Ok(Self { kind, body_bytes })
    }
}

pub(crate) fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a body is at most a control frame long");
    let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + body.len());
    bytes.extend([kind, FRAME_VERSION]);
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    bytes
}

/// Declares an enum each of whose variants is the body of a frame of its own kind. A number is never used again.
macro_rules! frame_enum {
    (
        $(#[$meta:meta])*
        pub enum $enum:ident { $( $(#[$variant_meta:meta])* $kind:literal = $name:ident ( $body:ty ) ),+ $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $enum { $( $(#[$variant_meta])* $name($body) ),+ }

        impl $enum {
            /// Wire number and name of every kind, for the specification's test.
            pub const KINDS: &'static [(u8, &'static str)] = &[ $( ($kind, stringify!($name)) ),+ ];

            /// Returns the kind's name.
            pub fn name(&self) -> &'static str {
                match self { $( Self::$name(_) => stringify!($name) ),+ }
            }

            /// Encodes it as one frame.
            pub fn to_frame(&self) -> Vec<u8> {
                match self { $( Self::$name(body) => crate::frame::frame($kind, &crate::codec::encode(body)) ),+ }
            }

            /// Decodes a frame's body.
            ///
            /// Errors: [`FrameError`](crate::frame::FrameError).
            pub fn from_body(kind: u8, body: &[u8]) -> Result<Self, crate::frame::FrameError> {
                match kind {
                    $( $kind => crate::codec::decode(body)
                        .map(Self::$name)
                        .map_err(|source| crate::frame::FrameError::Body { kind: stringify!($name), source }), )+
                    other => Err(crate::frame::FrameError::UnknownKind(other)),
                }
            }
        }
    };
}
pub(crate) use frame_enum;

impl ChunkHeader {
    /// Makes the header of `chunks`, ascending places of one page; at least one.
    pub fn of(handle: Handle, page: u32, chunks: &[u32], wire_bytes: u32, encoding: Encoding) -> Self {
        let index = *chunks.first().expect("a frame carries a chunk");
        let mut others = Vec::new();
        for at in chunks[1..].iter().map(|chunk| (chunk - index - 1) as usize) {
            others.resize(others.len().max(at / 8 + 1), 0);
            others[at / 8] |= 1 << (at % 8);
        }
        let others = Bytes::new(others).expect("places of one page");
        Self { handle, page, index, others, wire_bytes, encoding }
    }

    /// Returns the chunks' places in their page, ascending. They need not exist.
    pub fn chunks(&self) -> impl Iterator<Item = u32> + '_ {
        let travels = |at: &u32| self.others[*at as usize / 8] & (1 << (at % 8)) != 0;
        let others = (0..8 * self.others.len() as u32).filter(travels);
        std::iter::once(self.index).chain(others.map(|at| self.index.saturating_add(1).saturating_add(at)))
    }

    /// Encodes the chunk's frame up to where the chunk's bytes begin.
    pub fn to_frame(&self) -> Vec<u8> {
        frame(KIND_CHUNK, &encode(self))
    }

    /// Decodes a chunk frame's body.
    ///
    /// Errors: [`FrameError`].
    pub fn from_body(kind: u8, body: &[u8]) -> Result<Self, FrameError> {
        if kind != KIND_CHUNK {
            return Err(FrameError::UnknownKind(kind));
        }
        let header: Self = decode(body).map_err(|source| FrameError::Body { kind: "Chunk", source })?;
        if header.wire_bytes > CHUNK_WIRE_BYTES_MAX {
            return Err(FrameError::ChunkTooLong(header.wire_bytes));
        }
        Ok(header)
    }
}
