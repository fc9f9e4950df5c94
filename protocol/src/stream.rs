//! Byte streams: what two controllers, or a controller and a program, say to each other for longer than one call, carried
//! by the agents without being understood. A model's log as it is transferred, and connections to a controller's API.
//!
//! A byte stream is a bidirectional stream of the link. The side that opens it sends [`Open`] first. Then both sides send
//! frames: data, credit for data that they have taken, and an end. A side sends at most [`STREAM_CREDIT_BYTES`](crate::limits::STREAM_CREDIT_BYTES) of data
//! without credit, so that a stream whose reader has stopped delays no other stream.

use crate::codec::{Bytes, Decode, Encode, wire_enum};
use crate::frame::frame_enum;
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

frame_enum! {
    /// What travels on a byte stream.
    pub enum StreamFrame {
        /// First, from the side that opened the stream.
        0x31 = Open(Open),
        /// Bytes.
        0x32 = Data(Bytes<STREAM_PIECE_BYTES_MAX>),
        /// So many bytes of data were taken, and as many more may be sent.
        0x33 = Credit(u32),
        /// No more data comes from this side: why, or nothing if it is well.
        0x34 = End(Cause),
    }
}
