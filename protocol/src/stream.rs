//! Byte streams: what two controllers, or a controller and a program, say to each other for longer than one call, carried
//! by the agents without being understood. A model's log as it is transferred, and connections to a controller's API.
//!
//! A byte stream is a bidirectional stream of the link. Whoever opens it says [`Open`] first; from then on both sides send
//! frames: data, credit for data that was taken, and an end. A side has at most [`STREAM_CREDIT_BYTES`] of data under way
//! that the other has not given credit for, so that one that nobody reads holds up nothing but itself.

use crate::codec::{Bytes, Decode, Encode, decode, encode, wire_enum};
use crate::frame::{FrameError, frame};
use crate::ids::{MigrationId, ModelUuid};
use crate::limits::{STREAM_HEAD_BYTES_MAX, STREAM_PIECE_BYTES_MAX};
use crate::switch::Cause;

wire_enum! {
    /// What a byte stream is for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum StreamPurpose {
        /// The model's log, from the source's controller to the target's: Juju's `/migrate/logtransfer`.
        0x01 = Log,
        /// A connection to the API of the target's controller, as an agent of the model or a user has it.
        0x02 = Api,
    }
}

/// Opens a byte stream.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Open {
    /// What for.
    pub purpose: StreamPurpose,
    /// The migration that it belongs to.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
    /// The head of the request that opened it, as it was written: method, path, query and headers. May be empty.
    pub head: Bytes<STREAM_HEAD_BYTES_MAX>,
}

/// What travels on a byte stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamFrame {
    /// First, from the side that opened the stream.
    Open(Open),
    /// Bytes.
    Data(Bytes<STREAM_PIECE_BYTES_MAX>),
    /// So many bytes of data were taken, and as many more may be sent.
    Credit(u32),
    /// No more data comes from this side: why, or nothing if it is well.
    End(Cause),
}

impl StreamFrame {
    /// Wire number and name of every kind, for the specification's test.
    pub const KINDS: &'static [(u8, &'static str)] = &[(0x31, "Open"), (0x32, "Data"), (0x33, "Credit"), (0x34, "End")];

    /// Returns the kind's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "Open",
            Self::Data(_) => "Data",
            Self::Credit(_) => "Credit",
            Self::End(_) => "End",
        }
    }

    /// Encodes it as one frame.
    pub fn to_frame(&self) -> Vec<u8> {
        match self {
            Self::Open(open) => frame(0x31, &encode(open)),
            Self::Data(bytes) => frame(0x32, &encode(bytes)),
            Self::Credit(bytes) => frame(0x33, &encode(bytes)),
            Self::End(cause) => frame(0x34, &encode(cause)),
        }
    }

    /// Decodes a frame's body.
    ///
    /// Errors: [`FrameError`].
    pub fn from_body(kind: u8, body: &[u8]) -> Result<Self, FrameError> {
        let named = |kind: &'static str| move |source| FrameError::Body { kind, source };
        match kind {
            0x31 => decode(body).map(Self::Open).map_err(named("Open")),
            0x32 => decode(body).map(Self::Data).map_err(named("Data")),
            0x33 => decode(body).map(Self::Credit).map_err(named("Credit")),
            0x34 => decode(body).map(Self::End).map_err(named("End")),
            other => Err(FrameError::UnknownKind(other)),
        }
    }
}
