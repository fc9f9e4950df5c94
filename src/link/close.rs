//! Why a connection is closed: every application code of CONNECTION_CLOSE, in one table.

macro_rules! close_codes {
    ($( $(#[$meta:meta])* $code:literal = $name:ident, $text:literal; )+) => {
        /// An application close code. A number is never used again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum CloseCode { $( $(#[$meta])* $name = $code ),+ }

        impl CloseCode {
            /// Number and name of every code, for the specification's test.
            pub const CODES: &'static [(u32, &'static str)] = &[ $( ($code, stringify!($name)) ),+ ];

            /// Returns what the code means, in words.
            pub fn text(self) -> &'static str {
                match self { $( Self::$name => $text ),+ }
            }

            /// Returns the code that `number` stands for; nothing if this version has no such code.
            pub fn from_number(number: u64) -> Option<Self> {
                match number { $( $code => Some(Self::$name), )+ _ => None }
            }
        }
    };
}

close_codes! {
    /// Everything was said: the end of a pairing.
    0x00 = Done, "done";
    /// The agent stops.
    0x01 = Shutdown, "the agent stops";
    /// A newer connection between the same two agents took this one's place.
    0x02 = Replaced, "a newer connection took its place";
    /// Both sides dialled at once and the other connection is kept.
    0x03 = Duplicate, "the connection dialled by the other side is kept";
    /// The peer's key is not, or no longer, paired here.
    0x04 = Unpaired, "the two agents are not paired any more";
    /// The two agents speak different versions of the protocol.
    0x05 = Version, "the two agents speak different versions of the protocol";
    /// Bytes that are no frame, or a frame out of place.
    0x06 = Malformed, "bytes that break the protocol";
    /// A frame was begun, or expected, and not completed in time.
    0x07 = TooSlow, "a frame was not completed in time";
    /// A stream that the protocol does not have.
    0x08 = Stream, "a stream that the protocol does not have";
    /// A message that no honest peer sends now.
    0x09 = Violation, "a message that has no place here";
    /// Two agents use the key of the one that is told; the link to both is held back.
    0x0a = TwoAgents, "two agents use this identity";
    /// No offer of a pairing is open any more.
    0x10 = PairNoOffer, "no pairing is offered";
    /// The proof of a pairing is wrong; the offer is void.
    0x11 = PairWrongProof, "the pairing code is wrong";
    /// The name for the new peer is taken or unusable where the pairing was offered.
    0x12 = PairName, "the peer's name is taken or cannot be used";
    /// The pairing could not be written to disk.
    0x13 = PairNotSaved, "the pairing could not be saved";
}

impl From<CloseCode> for quinn::VarInt {
    fn from(code: CloseCode) -> Self {
        quinn::VarInt::from_u32(code as u32)
    }
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
