//! The bytes of every frame and record, kept for ever: another codec, compiler or machine must write
//! the same. `BLESS=1` writes files that are missing; it never changes one.

#[path = "samples/proof.rs"]
mod proof;
mod samples;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use modelferry_protocol::codec::{Decode, Encode, decode_canonical, encode};
use modelferry_protocol::ids::Pin;
use modelferry_protocol::limits::{CONTROL_FRAME_BYTES_MAX, FRAME_HEADER_BYTES};
use modelferry_protocol::message::{ChunkHeader, FrameHeader, KIND_CHUNK, Message, MigrationKey, Vote, seized_bytes};
use modelferry_protocol::plan::{Answer, Question};
use modelferry_protocol::record::{AlarmKind, Body, Entry, PrecopyState};
use modelferry_protocol::snapshot::{Call, Snapshot};
use modelferry_protocol::stream::StreamFrame;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{}.hex", name.to_lowercase()))
}

fn to_hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(32).map(line).collect()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).expect("a hexadecimal digit")).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// Returns the golden bytes of `name`, after comparing `bytes` with them.
fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = file(name);
    if std::env::var_os("BLESS").is_some() && !path.exists() {
        fs::write(&path, to_hex(bytes)).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(to_hex(bytes), text, "{name} is encoded otherwise than in {}", path.display());
    from_hex(&text)
}

fn stands<T: Encode + Decode<()> + PartialEq + Debug>(name: &str, value: &T) {
    let bytes = golden(name, &encode(value));
    assert_eq!(&decode_canonical::<T>(&bytes).unwrap(), value, "{name}");
}

fn header(frame: &[u8]) -> FrameHeader {
    let bytes = frame[..FRAME_HEADER_BYTES].try_into().unwrap();
    let header = FrameHeader::parse(bytes, CONTROL_FRAME_BYTES_MAX).unwrap();
    assert_eq!(header.body_bytes as usize, frame.len() - FRAME_HEADER_BYTES);
    header
}

/// A message's file: its kind, and the alternative inside where it has some.
fn message_name(message: &Message) -> String {
    let inside = match message {
        Message::Request(ask) => ask.question.name(),
        Message::Response(told) => told.answer.name(),
        Message::Offer(offer) => offer.profile.name(),
        Message::Staged(staged) => staged.outcome.name(),
        _ => return format!("message-{}", message.name()),
    };
    format!("message-{}-{inside}", message.name())
}

#[test]
fn every_message_is_encoded_as_ever() {
    for message in samples::messages() {
        let frame = golden(&message_name(&message), &message.to_frame());
        let back = Message::from_body(header(&frame).kind, &frame[FRAME_HEADER_BYTES..]).unwrap();
        assert_eq!(back, message);
    }
}

#[test]
fn every_kind_of_message_has_golden_bytes() {
    let written: BTreeSet<&str> = samples::messages().iter().map(Message::name).collect();
    assert_eq!(written, names(Message::KINDS));
}

#[test]
fn every_question_answer_call_and_state_has_golden_bytes() {
    assert_eq!(samples::questions().iter().map(Question::name).collect::<BTreeSet<_>>(), names(Question::TAGS));
    assert_eq!(samples::answers().iter().map(Answer::name).collect::<BTreeSet<_>>(), names(Answer::TAGS));
    let (mut bodies, mut sources, mut targets) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let (mut precopies, mut alarms) = (BTreeSet::new(), BTreeSet::new());
    for (_, body) in samples::bodies() {
        bodies.insert(body.name());
        match body {
            Body::Source(record) => sources.insert(record.state.name()),
            Body::Target(record) => targets.insert(record.state.name()),
            Body::Precopy(precopy) => precopies.insert(precopy.state.name()),
            Body::Alarm(alarm) => alarms.insert(alarm.kind.name()),
            Body::Terms(_)
            | Body::Note(_)
            | Body::Conflict(_)
            | Body::Orders(_)
            | Body::Acknowledged(_)
            | Body::Restored(_)
            | Body::Halted(_)
            | Body::Signed(_)
            | Body::Removed(_)
            | Body::Reimported(_)
            | Body::Tombstones(_)
            | Body::Destination(_)
            | Body::Discarded(_) => false,
        };
    }
    assert_eq!(bodies, names(Body::TAGS));
    assert_eq!(sources, names(SourceState::TAGS));
    assert_eq!(targets, names(TargetState::TAGS));
    assert_eq!(precopies, names(PrecopyState::TAGS));
    assert_eq!(alarms, names(AlarmKind::TAGS));
    let mut calls: BTreeSet<&str> = samples::snapshot().calls.iter().map(Call::name).collect();
    let others = samples::other_calls();
    calls.extend(others.iter().map(Call::name));
    assert_eq!(calls, names(Call::TAGS));
}

fn names(tags: &[(u8, &'static str)]) -> BTreeSet<&'static str> {
    let numbers: BTreeSet<u8> = tags.iter().map(|(tag, _)| *tag).collect();
    assert_eq!(numbers.len(), tags.len(), "a number is used twice");
    tags.iter().map(|(_, name)| *name).collect()
}

#[test]
fn every_call_that_the_snapshot_does_not_list_is_encoded_as_ever() {
    samples::other_calls().iter().for_each(|call| stands(&format!("call-{}", call.name()), call));
}

#[test]
fn chunk_headers_are_encoded_as_ever() {
    for chunk in samples::chunk_headers() {
        let frame = golden(&format!("chunk-{}", chunk.encoding.name()), &chunk.to_frame());
        assert_eq!(header(&frame).kind, KIND_CHUNK);
        assert_eq!(ChunkHeader::from_body(KIND_CHUNK, &frame[FRAME_HEADER_BYTES..]).unwrap(), chunk);
    }
}

#[test]
fn frames_of_byte_streams_are_encoded_as_ever() {
    let frames = samples::stream_frames();
    assert_eq!(frames.iter().map(StreamFrame::name).collect::<BTreeSet<_>>(), names(StreamFrame::KINDS));
    for stream in frames {
        let frame = golden(&format!("stream-{}", stream.name()), &stream.to_frame());
        assert_eq!(StreamFrame::from_body(header(&frame).kind, &frame[FRAME_HEADER_BYTES..]).unwrap(), stream);
    }
}

#[test]
fn every_record_is_encoded_as_ever() {
    for (name, body) in samples::bodies() {
        let entry = Entry { time_ms: 1_767_225_600_000, actor: samples::name("uid 0"), body };
        stands(&format!("entry-{name}"), &entry);
    }
}

#[test]
fn pairing_is_encoded_as_ever() {
    let (request, response) = samples::pairing();
    stands("pair-request", &request);
    stands("pair-response", &response);
}

#[test]
fn a_snapshot_and_its_root_are_what_they_were() {
    let (bytes, root) = samples::snapshot().seal().unwrap();
    assert_eq!(Snapshot::open(&golden("snapshot", &bytes), root).unwrap(), samples::snapshot());
    golden("snapshot-root", &root.0);
}

#[test]
fn a_vote_signs_the_same_bytes_as_ever() {
    let key = MigrationKey { mid: samples::MID, journal: samples::JOURNAL };
    golden("vote-signed", &Vote::signed_bytes(key, samples::ROOT));
}

#[test]
fn what_is_known_of_a_model_is_signed_as_ever() {
    golden("known-signed", &samples::knowledge().signed_bytes(samples::MODEL, Pin([0xbb; 32])));
}

#[test]
fn a_model_that_an_operator_has_seized_is_signed_as_ever() {
    golden("seized-signed", &seized_bytes(samples::MODEL, 1 << 32, Pin([0xbb; 32])));
}

#[test]
fn a_proof_is_signed_and_written_as_ever() {
    let proof = proof::committed();
    golden("proof-signed", &proof.statement.signed_bytes());
    let text = golden("proof-text", proof.to_string().as_bytes());
    assert_eq!(std::str::from_utf8(&text).unwrap().parse(), Ok(proof));
}

#[test]
fn no_golden_file_is_left_without_its_value() {
    let mut expected: BTreeSet<String> = [
        "known-signed",
        "pair-request",
        "pair-response",
        "proof-signed",
        "proof-text",
        "seized-signed",
        "snapshot",
        "snapshot-root",
        "vote-signed",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain(samples::messages().iter().map(message_name))
    .chain(samples::bodies().iter().map(|(name, _)| format!("entry-{name}")))
    .chain(samples::chunk_headers().iter().map(|chunk| format!("chunk-{}", chunk.encoding.name())))
    .chain(samples::stream_frames().iter().map(|frame| format!("stream-{}", frame.name())))
    .chain(samples::other_calls().iter().map(|call| format!("call-{}", call.name())))
    .map(|name| name.to_lowercase())
    .collect();
    for entry in fs::read_dir(file("x").parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(expected.remove(&stem), "{} belongs to nothing", path.display());
    }
    assert!(expected.is_empty(), "without golden bytes: {expected:?}");
}
