//! Bytes from a peer that means harm.

mod samples;

use modelferry_protocol::codec::{Bounded, Bytes, CodecError, Text, decode, decode_canonical, encode};
use modelferry_protocol::limits::*;
use modelferry_protocol::message::{ChunkHeader, Encoding, FrameError, FrameHeader, KIND_CHUNK, Message};
use modelferry_protocol::pairing::{PairRequest, PairResponse};
use modelferry_protocol::record::Entry;
use modelferry_protocol::snapshot::Snapshot;
use modelferry_protocol::stream::StreamFrame;
use proptest::prelude::*;

/// A varint of eight bytes: the length that a bomb claims.
fn length(count: u64) -> Vec<u8> {
    [&[253][..], &count.to_le_bytes()].concat()
}

#[test]
fn a_length_bomb_is_refused_by_its_claim_alone() {
    for count in [u64::MAX, 1 << 40, 17] {
        let claims = [
            decode::<Bounded<u8, 16>>(&length(count)).err(),
            decode::<Bounded<u64, 16>>(&length(count)).err(),
            decode::<Text<16>>(&length(count)).err(),
            decode::<Bytes<16>>(&length(count)).err(),
        ];
        for claim in claims {
            let told = claim.expect("refused").to_string();
            assert!(told.contains(&format!("{count} elements are more than the 16 allowed")), "{told}");
        }
    }
}

#[test]
fn a_length_within_bounds_whose_bytes_never_come_is_refused() {
    let bytes = [length(ANSWER_BYTES_MAX as u64), vec![0; 100]].concat();
    assert!(matches!(decode::<Bytes<ANSWER_BYTES_MAX>>(&bytes), Err(CodecError::Malformed(_))));
    assert!(matches!(decode::<Bounded<u8, ANSWER_BYTES_MAX>>(&bytes), Err(CodecError::Malformed(_))));
}

#[test]
fn bytes_beyond_the_limit_are_refused_before_they_are_looked_at() {
    let bytes = vec![0; CONTROL_FRAME_BYTES_MAX as usize + 1];
    assert!(matches!(decode::<u8>(&bytes), Err(CodecError::TooLarge { .. })));
}

#[test]
fn bytes_after_the_value_are_refused() {
    assert!(matches!(decode::<u8>(&[5, 0]), Err(CodecError::Trailing { extra: 1 })));
    for message in samples::messages() {
        let frame = [&message.to_frame()[..], &[0]].concat();
        let refused = Message::from_body(frame[0], &frame[FRAME_HEADER_BYTES..]);
        assert!(matches!(refused, Err(FrameError::Body { .. })), "{}", message.name());
    }
}

#[test]
fn a_longer_form_of_a_number_is_refused_where_bytes_are_hashed() {
    assert_eq!(decode::<u64>(&length(5)).unwrap(), 5, "bincode takes it, hence the check");
    assert!(matches!(decode_canonical::<u64>(&length(5)), Err(CodecError::NotCanonical)));
    assert_eq!(decode_canonical::<u64>(&encode(&5_u64)).unwrap(), 5);
}

#[test]
fn text_that_is_not_utf8_is_refused() {
    assert!(decode::<Text<16>>(&[2, 0xc3, 0x28]).is_err());
}

#[test]
fn an_unknown_tag_is_refused_by_its_number() {
    let refused = decode::<Encoding>(&[0x7f]).unwrap_err().to_string();
    assert!(refused.contains("unknown tag 127 of Encoding"), "{refused}");
}

#[test]
fn an_unknown_kind_is_refused() {
    for kind in 0..=u8::MAX {
        let known = Message::KINDS.iter().any(|(number, _)| *number == kind);
        let refused = matches!(Message::from_body(kind, &[]), Err(FrameError::UnknownKind(_)));
        assert_eq!(refused, !known, "{kind:#04x}");
        let refused = matches!(ChunkHeader::from_body(kind, &[]), Err(FrameError::UnknownKind(_)));
        assert_eq!(refused, kind != KIND_CHUNK, "{kind:#04x}");
        let known = StreamFrame::KINDS.iter().any(|(number, _)| *number == kind);
        let refused = matches!(StreamFrame::from_body(kind, &[]), Err(FrameError::UnknownKind(_)));
        assert_eq!(refused, !known, "{kind:#04x}");
    }
}

#[test]
fn a_header_that_claims_too_much_or_another_version_is_refused() {
    let header = |version: u8, bytes: u32| {
        let [a, b, c, d] = bytes.to_le_bytes();
        FrameHeader::parse([0x10, version, a, b, c, d], CONTROL_FRAME_BYTES_MAX)
    };
    assert_eq!(header(1, CONTROL_FRAME_BYTES_MAX).unwrap().body_bytes, CONTROL_FRAME_BYTES_MAX);
    assert!(matches!(header(1, CONTROL_FRAME_BYTES_MAX + 1), Err(FrameError::TooLong { .. })));
    assert!(matches!(header(1, u32::MAX), Err(FrameError::TooLong { .. })));
    assert!(matches!(header(2, 0), Err(FrameError::Version { actual: 2 })));
}

#[test]
fn a_chunk_longer_than_any_is_refused_by_its_header() {
    let mut header = samples::chunk_headers().remove(0);
    let body = |header: &ChunkHeader| header.to_frame()[FRAME_HEADER_BYTES..].to_vec();
    header.wire_bytes = CHUNK_WIRE_BYTES_MAX;
    assert!(ChunkHeader::from_body(KIND_CHUNK, &body(&header)).is_ok());
    header.wire_bytes += 1;
    assert!(matches!(ChunkHeader::from_body(KIND_CHUNK, &body(&header)), Err(FrameError::ChunkTooLong(_))));
}

/// Bodies of everything that is decoded, to be damaged.
fn originals() -> Vec<Vec<u8>> {
    let messages = samples::messages().into_iter().map(|message| message.to_frame()[FRAME_HEADER_BYTES..].to_vec());
    let entries = samples::bodies()
        .into_iter()
        .map(|(_, body)| encode(&Entry { time_ms: 1, actor: samples::name("agent"), body }));
    let (request, response) = samples::pairing();
    let streams = samples::stream_frames().into_iter().map(|frame| frame.to_frame()[FRAME_HEADER_BYTES..].to_vec());
    let calls = samples::other_calls().into_iter().map(|call| encode(&call));
    messages
        .chain(streams)
        .chain(calls)
        .chain(entries)
        .chain([encode(&request), encode(&response), encode(&samples::snapshot())])
        .collect()
}

/// Decodes `body` as everything there is. What decodes must have exactly one canonical form.
fn decode_as_everything(body: &[u8]) {
    for (kind, _) in Message::KINDS {
        if let Ok(message) = Message::from_body(*kind, body) {
            let again = message.to_frame();
            assert_eq!(Message::from_body(*kind, &again[FRAME_HEADER_BYTES..]).unwrap(), message);
        }
    }
    if let Ok(header) = ChunkHeader::from_body(KIND_CHUNK, body) {
        assert!(header.to_frame().len() <= FRAME_HEADER_BYTES + CHUNK_HEADER_BYTES_MAX as usize);
    }
    for (kind, _) in StreamFrame::KINDS {
        if let Ok(stream) = StreamFrame::from_body(*kind, body) {
            let again = stream.to_frame();
            assert_eq!(StreamFrame::from_body(*kind, &again[FRAME_HEADER_BYTES..]).unwrap(), stream);
        }
    }
    if let Ok(entry) = decode_canonical::<Entry>(body) {
        assert_eq!(encode(&entry), body);
    }
    let _: (Result<PairRequest, _>, Result<PairResponse, _>) = (decode(body), decode(body));
    let _: Result<Snapshot, _> = decode_canonical(body);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_a_decoder(body in proptest::collection::vec(any::<u8>(), 0..600)) {
        decode_as_everything(&body);
    }

    #[test]
    fn damaged_bytes_never_panic_a_decoder(
        original in proptest::sample::select(originals()),
        at: proptest::sample::Index,
        byte: u8,
        end: proptest::sample::Index,
    ) {
        let mut body = original;
        let (at, end) = (at.index(body.len()), end.index(body.len() + 1));
        body[at] = byte;
        decode_as_everything(&body);
        body.truncate(end);
        decode_as_everything(&body);
    }
}
