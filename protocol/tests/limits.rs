//! Every limit at once: the largest value of each kind fits what carries it, and comes out again.

use modelferry_protocol::codec::{Bounded, Bytes, Text, decode, encode};
use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::limits::*;
use modelferry_protocol::manifest::{ChunkRange, ChunkRef, Page};
use modelferry_protocol::message::*;
use modelferry_protocol::pairing::PairRequest;
use modelferry_protocol::plan::{
    Answer, Finding, Hurdle, Level, ModelFacts, NetworkSubnet, Networks, OfferUser, Payload, Question, Room, Verbatim,
    VerbatimReply,
};
use modelferry_protocol::record::{Body, Entry, Note};
use modelferry_protocol::snapshot::{BlobRef, Call, Name, Performed, Resource};
use modelferry_protocol::stream::{Open, StreamFrame, StreamPurpose};
use modelferry_protocol::switch::source::{Committed, Reclaiming, SourceRecord, SourceState};
use modelferry_protocol::switch::target::{Activating, Active, Live, TargetRecord, TargetState};
use modelferry_protocol::switch::{CommitStamp, Handover, Head, Profile, Terms};
use modelferry_protocol::version::Versions;

fn text<const N: usize>() -> Text<N> {
    Text::new("x".repeat(N)).unwrap()
}

fn full<T: Clone, const N: usize>(item: T) -> Bounded<T, N> {
    Bounded::new(vec![item; N]).unwrap()
}

const MID: MigrationId = MigrationId([0xff; 16]);
const JOURNAL: JournalId = JournalId([0xff; 16]);
const MODEL: ModelUuid = ModelUuid([0xff; 16]);
const ROOT: Hash = Hash([0xff; 32]);
const BLOB: BlobRef = BlobRef { hash: Hash([0xff; 32]), bytes: u64::MAX };

fn handover() -> Handover {
    Handover {
        activate: Bytes::new(vec![0xff; ACTIVATE_BYTES_MAX]).unwrap(),
        adopt: Bytes::new(vec![0xff; PARAMS_BYTES_MAX]).unwrap(),
    }
}

fn card() -> ControllerCard {
    ControllerCard {
        name: text(),
        uuid: ModelUuid([0xff; 16]),
        version: text(),
        cloud: text(),
        region: text(),
        cloud_type: text(),
        addresses: full(text()),
        ca_fingerprint: [0xff; 32],
        ca_cert: Bytes::new(vec![0xff; CA_CERT_BYTES_MAX]).unwrap(),
    }
}

fn facts() -> ModelFacts {
    ModelFacts {
        mid: Some(MID),
        uuid: MODEL,
        name: text(),
        owner: text(),
        agent_version: text(),
        document_version: u16::MAX,
        cloud: text(),
        region: text(),
        cloud_type: text(),
        users: full(text()),
        credential: text(),
        secret_backends: full(text()),
        storage_pools: full(text()),
        charms_without_manifest: full(text()),
        fan: text(),
        controller_version: text(),
        identity_url: text(),
        bytes_total: u64::MAX,
        machines_live: true,
        offer_users: full(OfferUser { user: text(), offer: text(), access: text() }),
        sections: full(text()),
        hurdles: full(Hurdle { kind: text(), things: text(), fix: text() }),
    }
}

fn stamp() -> CommitStamp {
    CommitStamp { time_ms: u64::MAX, signature: [0xff; 64].into() }
}

fn claims() -> OwnershipReport {
    let head = SignedHead { journal: JOURNAL, sequence: u64::MAX, signature: [0xff; 64] };
    let commit = SignedCommit { mid: MID, epoch_to: u64::MAX, root: ROOT, journal: JOURNAL, stamp: stamp() };
    let (commit, seized) = (Some(commit), Some([0xff; 64].into()));
    let claims = full(Claim { model: MODEL, epoch: u64::MAX, live: true, commit, seized });
    OwnershipReport { head, seen: Some(head), claims, is_halted: true }
}

#[test]
fn the_largest_message_of_each_shape_fits_a_control_frame() {
    let key = MigrationKey { mid: MID, journal: JOURNAL };
    let finding = Finding { level: Level::Fail, check: text(), text: text(), fix: text() };
    let subnet = NetworkSubnet { cidr: text(), provider_id: text(), zone: text(), space: text() };
    let page = Page {
        index: u32::MAX,
        offset: u64::MAX,
        last: true,
        chunks: full(ChunkRef { hash: Hash([0xff; 32]), bytes: u32::MAX }),
    };
    let ask = |question| Message::Request(Request { id: u64::MAX, question });
    let told = |answer| Message::Response(Response { id: u64::MAX, answer });
    let largest = [
        Message::Hello(Hello {
            versions: Versions { oldest: u16::MAX, newest: u16::MAX },
            features: full(text()),
            agent: text(),
            journal: JOURNAL,
            sequence: u64::MAX,
            sequence_seen: u64::MAX,
            controller: card(),
        }),
        ask(Question::Prechecks(Box::new(facts()))),
        ask(Question::Held(full(BLOB))),
        ask(Question::Relay(Box::new(Verbatim {
            id: MID,
            model: MODEL,
            facade: text(),
            version: u32::MAX,
            method: text(),
            params: Payload::Inline(Bytes::new(vec![0; VERBATIM_FRAME_BYTES_MAX]).unwrap()),
        }))),
        told(Answer::Relayed(Box::new(VerbatimReply::Error(Payload::Inline(
            Bytes::new(vec![0; VERBATIM_FRAME_BYTES_MAX]).unwrap(),
        ))))),
        told(Answer::Findings(full(finding))),
        told(Answer::Room(Room { bytes_held: u64::MAX, bytes_free: u64::MAX, bytes_kept: u64::MAX })),
        told(Answer::Networks(Box::new(Networks { told: true, spaces: full(text()), subnets: full(subnet) }))),
        told(Answer::Json(Bytes::new(vec![0; ANSWER_BYTES_MAX]).unwrap())),
        Message::Seal(Sealed {
            key,
            root: ROOT,
            nonce: u64::MAX,
            snapshot: Bytes::new(vec![0; SNAPSHOT_BYTES_MAX]).unwrap(),
        }),
        Message::Abort(End { key, cause: text() }),
        Message::Commit(Commit { key, root: ROOT, epoch_to: u64::MAX, handover: handover(), stamp: stamp() }),
        Message::OwnershipReport(claims()),
        Message::Stage(Stage {
            key,
            id: u64::MAX,
            call: Call::UploadResource(Resource {
                application: text(),
                name: text(),
                revision: i64::MIN,
                query: text(),
                blob: BLOB,
            }),
        }),
        Message::Staged(Staged {
            key,
            id: u64::MAX,
            outcome: Performed::Done(Bytes::new(vec![0; REPLY_BYTES_MAX]).unwrap()),
        }),
        Message::BlobPage(BlobPage { handle: u32::MAX, page }),
        Message::Need(Chunks {
            handle: u32::MAX,
            page: u32::MAX,
            ranges: full(ChunkRange { start: u32::MAX, end: u32::MAX }),
        }),
    ];
    for message in largest {
        let frame = message.to_frame();
        assert!(frame.len() - FRAME_HEADER_BYTES <= CONTROL_FRAME_BYTES_MAX as usize, "{}", message.name());
        assert_eq!(Message::from_body(frame[0], &frame[FRAME_HEADER_BYTES..]).unwrap(), message);
    }
}

#[test]
fn the_largest_frame_of_a_byte_stream_fits() {
    let head = Bytes::new(vec![0; STREAM_HEAD_BYTES_MAX]).unwrap();
    for largest in [
        StreamFrame::Open(Open { purpose: StreamPurpose::Api, mid: MID, model: MODEL, head }),
        StreamFrame::Data(Bytes::new(vec![0; STREAM_PIECE_BYTES_MAX]).unwrap()),
        StreamFrame::Credit(u32::MAX),
        StreamFrame::End(text()),
    ] {
        let frame = largest.to_frame();
        assert!(frame.len() - FRAME_HEADER_BYTES <= STREAM_FRAME_BYTES_MAX as usize, "{}", largest.name());
        assert_eq!(StreamFrame::from_body(frame[0], &frame[FRAME_HEADER_BYTES..]).unwrap(), largest);
    }
}

#[test]
fn the_largest_record_of_each_shape_fits_the_journal() {
    let terms = Terms {
        mid: MID,
        model: MODEL,
        attempt: u32::MAX,
        name: text(),
        owner: text(),
        peer: text(),
        controller: card(),
        freeze_ms_max: u64::MAX,
        skip_log: true,
        reap_hold_ms: u64::MAX,
    };
    let head = Head {
        mid: MID,
        model: MODEL,
        epoch_to: u64::MAX,
        peer: Pin([0xff; 32]),
        journal: JOURNAL,
        profile: Profile::Gateway,
    };
    let state = SourceState::Reclaiming(Reclaiming { root: ROOT, cause: text() });
    let vote = Bytes::new(vec![0xff; 64]).unwrap();
    let committed = SourceState::Committed(Committed { root: ROOT, vote, handover: handover() });
    let activating = TargetState::Activating(Activating { root: ROOT, handover: handover(), stamp: stamp() });
    let live = TargetState::Live(Live { root: ROOT, adopt: handover().adopt, forced: Some(text()) });
    let reply = Bytes::new(vec![0; REPLY_KEPT_BYTES_MAX]).unwrap();
    let bodies = [
        Body::Terms(terms),
        Body::Note(Note { mid: MID, text: text() }),
        Body::Source(SourceRecord { head, state }),
        Body::Source(SourceRecord { head, state: committed }),
        Body::Target(TargetRecord { head, state: activating }),
        Body::Target(TargetRecord { head, state: live }),
        Body::Target(TargetRecord { head, state: TargetState::Active(Active { root: ROOT, reply }) }),
    ];
    for body in bodies {
        let entry = Entry { time_ms: u64::MAX, actor: text::<NAME_BYTES_MAX>(), body };
        let bytes = encode(&entry);
        assert!(bytes.len() <= RECORD_BYTES_MAX, "a record of {} bytes", bytes.len());
        assert_eq!(decode::<Entry>(&bytes).unwrap(), entry);
    }
}

#[test]
fn the_largest_chunk_header_and_pairing_fit() {
    let header = ChunkHeader {
        handle: u32::MAX,
        page: u32::MAX,
        index: u32::MAX,
        others: Bytes::new(vec![u8::MAX; CHUNK_OTHERS_BYTES_MAX]).unwrap(),
        wire_bytes: u32::MAX,
        encoding: Encoding::Zstd,
    };
    assert!(encode(&header).len() <= CHUNK_HEADER_BYTES_MAX as usize);
    let name: Name = text();
    let request = PairRequest { name, port: u16::MAX, proof: [0xff; 32] };
    assert!(encode(&request).len() <= 1024, "a pairing frame is at most one KiB");
}
