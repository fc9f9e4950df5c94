//! The application codes of CONNECTION_CLOSE: why an agent closes a connection.

macro_rules! close_codes {
    ($( $(#[$meta:meta])* $code:literal = $name:ident, $text:literal; )+) => {
        /// An application close code. Numbers are never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum CloseCode { $( $(#[$meta])* $name = $code ),+ }

        impl CloseCode {
            /// Number and name of every code, for the test of the specification.
            pub const CODES: &'static [(u32, &'static str)] = &[ $( ($code, stringify!($name)) ),+ ];

            /// Returns the meaning of the code in words.
            pub fn text(self) -> &'static str {
                match self { $( Self::$name => $text ),+ }
            }

            /// Returns the code with this number; `None` if this version does not know it.
            pub fn from_number(number: u64) -> Option<Self> {
                match number { $( $code => Some(Self::$name), )+ _ => None }
            }
        }
    };
}

close_codes! {
    /// A pairing has ended.
    0x00 = Done, "done";
    /// The agent stops.
    0x01 = Shutdown, "the agent stops";
    /// A newer connection between the same two agents has replaced this one.
    0x02 = Replaced, "a newer connection took its place";
    /// Both sides dialled at once, and the other connection is kept.
    0x03 = Duplicate, "the connection dialled by the other side is kept";
    /// The peer's key is not paired here, or no longer.
    0x04 = Unpaired, "the two agents are not paired any more";
    /// The two agents have no protocol version in common.
    0x05 = Version, "the two agents speak different versions of the protocol";
    /// The bytes are not a frame, or the frame is out of place.
    0x06 = Malformed, "bytes that break the protocol";
    /// A frame was not completed in time.
    0x07 = TooSlow, "a frame was not completed in time";
    /// The protocol has no such stream.
    0x08 = Stream, "a stream that the protocol does not have";
    /// The message is illegal in this state.
    0x09 = Violation, "a message that has no place here";
    /// Another agent uses the receiver's key. The sender refuses connections of both.
    0x0a = TwoAgents, "two agents use this identity";
    /// No pairing offer is open.
    0x10 = PairNoOffer, "no pairing is offered";
    /// The pairing proof is wrong. The offer takes no other one from the same network.
    0x11 = PairWrongProof, "the pairing code is wrong";
    /// The offering side cannot use the name for the new peer.
    0x12 = PairName, "the peer's name is taken or cannot be used";
    /// The pairing could not be written to disk.
    0x13 = PairNotSaved, "the pairing could not be saved";
}

impl From<CloseCode> for quinn::VarInt {
    fn from(code: CloseCode) -> Self {
        quinn::VarInt::from_u32(code as u32)
    }
}

/// The connection has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the peer is over: {reason}")]
pub struct SessionClosed {
    pub reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_from_its_number() {
        for (number, name) in CloseCode::CODES {
            let code = CloseCode::from_number((*number).into()).expect("a code of the table");
            assert_eq!(format!("{code:?}"), *name);
        }
        assert_eq!(CloseCode::from_number(0xffff), None);
    }
}
