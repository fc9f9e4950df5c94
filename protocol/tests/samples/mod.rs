//! One value of everything that crosses the wire or lies in a journal, by name.

mod records;

use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::manifest::{ChunkRange, ChunkRef, Page};
use modelferry_protocol::message::*;
use modelferry_protocol::plan::{
    Answer, BackupRequest, Finding, Hurdle, Knowledge, Level, LogTaking, ModelFacts, NetworkSubnet, Networks,
    OfferUser, Payload, Precopying, Question, Rebuilding, Room, Verbatim, VerbatimReply,
};
use modelferry_protocol::snapshot::{
    AgentBinary, BlobRef, Call, Charm, LogSegment, Name, Opaque, Performed, Resource, Snapshot,
};
use modelferry_protocol::stream::{Open, StreamFrame, StreamPurpose};
use modelferry_protocol::switch::{CommitStamp, Handover, Profile};
use modelferry_protocol::version::Versions;

pub use records::{bodies, pairing};

pub const MID: MigrationId = MigrationId([0x11; 16]);
pub const JOURNAL: JournalId = JournalId([0x22; 16]);
pub const MODEL: ModelUuid = ModelUuid([0x33; 16]);
pub const ROOT: Hash = Hash([0x44; 32]);
const KEY: MigrationKey = MigrationKey { mid: MID, journal: JOURNAL };
const BLOB: BlobRef = BlobRef { hash: Hash([0x55; 32]), bytes: 300_000 };

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn list<T, const N: usize>(items: Vec<T>) -> Bounded<T, N> {
    Bounded::new(items).unwrap()
}

pub fn handover() -> Handover {
    let bytes = |text: &str| text.as_bytes().to_vec();
    Handover {
        activate: Bytes::new(bytes(r#"{"controller-tag":"controller-1"}"#)).unwrap(),
        adopt: Bytes::new(bytes(r#"{"source-controller-version":"3.6.9"}"#)).unwrap(),
    }
}

pub fn stamp() -> CommitStamp {
    CommitStamp { time_ms: 1_767_225_600_000, signature: [0xee; 64].into() }
}

fn claims() -> Vec<Claim> {
    let commit = SignedCommit { mid: MID, epoch_to: 2, root: ROOT, journal: JOURNAL, stamp: stamp() };
    let proven = Claim { model: MODEL, epoch: 2, live: true, commit: Some(commit), seized: Some([0xff; 64].into()) };
    vec![Claim { commit: None, seized: None, live: false, ..proven.clone() }, proven]
}

pub fn card() -> ControllerCard {
    ControllerCard {
        name: name("src"),
        uuid: ModelUuid([0x66; 16]),
        version: name("3.6.9"),
        cloud: name("lxd"),
        region: name("default"),
        cloud_type: name("lxd"),
        addresses: list(vec![name("10.0.0.1:17070")]),
        ca_fingerprint: [0x77; 32],
        ca_cert: Bytes::new(vec![0x30, 0x82]).unwrap(),
    }
}

fn facts() -> ModelFacts {
    ModelFacts {
        mid: Some(MID),
        uuid: MODEL,
        name: name("prod"),
        owner: name("admin"),
        agent_version: name("3.6.9"),
        document_version: 12,
        cloud: name("lxd"),
        region: name("default"),
        cloud_type: name("lxd"),
        users: list(vec![name("admin"), name("bob@external")]),
        credential: name("admin/lxd/default"),
        secret_backends: list(vec![name("internal")]),
        storage_pools: list(vec![name("fast:lxd")]),
        charms_without_manifest: list(vec![name("ch:old-1")]),
        fan: Text::default(),
        controller_version: name("3.6.9"),
        identity_url: Text::new("https://id.example").unwrap(),
        bytes_total: 1 << 33,
        machines_live: true,
        offer_users: list(vec![OfferUser { user: name("erik"), offer: name("web"), access: name("read") }]),
        sections: list(vec![name("applications:13")]),
        hurdles: list(vec![Hurdle {
            kind: name("integer-settings"),
            things: Text::new("web: port").unwrap(),
            fix: Text::new("juju config web").unwrap(),
        }]),
    }
}

pub fn questions() -> Vec<Question> {
    vec![
        Question::Prechecks(Box::new(facts())),
        Question::Held(list(vec![BLOB])),
        Question::Query(Text::new("models").unwrap()),
        Question::Ping,
        Question::Networks,
        Question::LatestLogTime(MID),
        Question::TakeLog(LogTaking {
            mid: MID,
            segment: LogSegment {
                name: name("1767225600000-1a2b.log"),
                until_ms: 1_767_225_601_000,
                lines: 2,
                blob: BLOB,
            },
        }),
        Question::Keep(BackupRequest {
            taken_s: 1_767_225_600,
            root: ROOT,
            snapshot: Bytes::new(vec![0xaa; 40]).unwrap(),
        }),
        Question::DryRun(Bytes::new(vec![0xbb; 40]).unwrap()),
        Question::Precopy(Box::new(Precopying {
            mid: MID,
            model: MODEL,
            name: name("prod"),
            owner: name("admin"),
            blobs: list(vec![BLOB]),
        })),
        Question::GiveUp(MID),
        Question::HeldEach(list(vec![BLOB])),
        Question::Rebuild(Rebuilding { mid: MID, blob: BLOB, base: BLOB, patch: BLOB }),
        Question::Known(MODEL),
        Question::Relay(Box::new(verbatim(Payload::Inline(Bytes::new(b"{}".to_vec()).unwrap())))),
    ]
}

pub fn knowledge() -> Knowledge {
    let signature = Bytes::new(vec![0x99; 64]).unwrap();
    Knowledge { epoch: 2, attempt_free: 3, handed_to: Some(Pin([0xaa; 32])), is_present: true, signature }
}

fn verbatim(params: Payload) -> Verbatim {
    let (facade, method) = (name("MigrationTarget"), name("Prechecks"));
    Verbatim { id: MID, model: MODEL, facade, version: 6, method, params }
}

pub fn answers() -> Vec<Answer> {
    let finding = |level| Finding {
        level,
        check: Text::new("users").unwrap(),
        text: Text::new("user bob is missing").unwrap(),
        fix: Text::new("modelferry embedded user add bob").unwrap(),
    };
    vec![
        Answer::Failed(Text::new("not running").unwrap()),
        Answer::Findings(list(vec![finding(Level::Pass), finding(Level::Warn), finding(Level::Fail)])),
        Answer::Bytes(4096),
        Answer::Json(Bytes::new(b"{}".to_vec()).unwrap()),
        Answer::LogTime(1_767_225_601_000),
        Answer::HeldEach(list(vec![4096, 0])),
        Answer::Known(Box::new(knowledge())),
        Answer::Relayed(Box::new(VerbatimReply::Response(Payload::Blob(BLOB)))),
        Answer::Room(Room { bytes_held: 4096, bytes_free: 1 << 40, bytes_kept: 64 << 20 }),
        Answer::Networks(Box::new(Networks {
            told: true,
            spaces: list(vec![name("alpha"), name("internal")]),
            subnets: list(vec![NetworkSubnet {
                cidr: Text::new("10.64.0.0/16").unwrap(),
                provider_id: name("subnet-internal"),
                zone: name("zone-a"),
                space: name("internal"),
            }]),
        })),
    ]
}

/// Every kind of message, the ones with alternatives inside in every alternative.
pub fn messages() -> Vec<Message> {
    let end = || End { key: KEY, cause: Text::new("disk full").unwrap() };
    let chunks = || Chunks {
        handle: 3,
        page: 1,
        ranges: list(vec![ChunkRange { start: 0, end: 2 }, ChunkRange { start: 7, end: 300 }]),
    };
    let offer = |profile| Offer {
        key: KEY,
        model: MODEL,
        epoch_to: 2,
        profile,
        attempt: 1,
        name: name("prod"),
        owner: name("admin"),
    };
    let page = Page {
        index: 1,
        offset: 1 << 20,
        last: true,
        chunks: list(vec![ChunkRef { hash: Hash([0x88; 32]), bytes: 32 << 10 }]),
    };
    let mut messages = vec![
        Message::Hello(Hello {
            versions: Versions { oldest: 1, newest: 1 },
            features: list(vec![Text::new("patches").unwrap()]),
            agent: name("0.1.0"),
            journal: JOURNAL,
            sequence: 251,
            sequence_seen: 65_536,
            controller: card(),
        }),
        Message::OwnershipReport(OwnershipReport {
            head: SignedHead { journal: JOURNAL, sequence: 251, signature: [0xdd; 64] },
            seen: Some(SignedHead { journal: JOURNAL, sequence: 65_536, signature: [0xee; 64] }),
            claims: list(claims()),
            is_halted: true,
        }),
        Message::Offer(offer(Profile::Embedded)),
        Message::Offer(offer(Profile::Gateway)),
        Message::Progress(KEY),
        Message::Seal(Sealed {
            key: KEY,
            root: ROOT,
            nonce: u64::MAX,
            snapshot: Bytes::new(snapshot().seal().unwrap().0).unwrap(),
        }),
        Message::Prepared(Vote {
            key: KEY,
            root: ROOT,
            nonce: u64::MAX,
            signature: Bytes::new(vec![0x99; 64]).unwrap(),
        }),
        Message::Commit(Commit { key: KEY, root: ROOT, epoch_to: 2, handover: handover(), stamp: stamp() }),
        Message::Activated(Activated { key: KEY, root: ROOT, reply: Bytes::new(b"{}".to_vec()).unwrap() }),
        Message::Finished(KEY),
        Message::Abort(end()),
        Message::Dropped(end()),
        Message::Unknown(KEY),
        Message::Refused(end()),
        Message::Stage(Stage { key: KEY, id: 9, call: Call::Import(BLOB) }),
        Message::Staged(Staged { key: KEY, id: 9, outcome: Performed::Done(Bytes::new(b"{}".to_vec()).unwrap()) }),
        Message::Staged(Staged {
            key: KEY,
            id: 10,
            outcome: Performed::Failed(Text::new("machine sanity check failed").unwrap()),
        }),
        Message::BlobNames(BlobNames { mid: MID, blobs: list(vec![BLOB]) }),
        Message::BlobOffer(BlobOffer { handle: 3, mid: MID, blob: BLOB, cutter: 1 }),
        Message::BlobState(BlobState { handle: 3, held: false, pages: 1, bytes_held: 1 << 20 }),
        Message::BlobPage(BlobPage { handle: 3, page }),
        Message::Need(chunks()),
        Message::Held(chunks()),
        Message::BlobDone(3),
        Message::Cancel(5),
        Message::Hold(Hold { reason: Text::new("7 GiB are missing").unwrap() }),
    ];
    let asks = questions().into_iter().map(|question| Message::Request(Request { id: 5, question }));
    let tolds = answers().into_iter().map(|answer| Message::Response(Response { id: 5, answer }));
    messages.extend(asks.chain(tolds));
    messages
}

pub fn stream_frames() -> Vec<StreamFrame> {
    let head = Bytes::new(b"GET /migrate/logtransfer HTTP/1.1\r\n\r\n".to_vec()).unwrap();
    vec![
        StreamFrame::Open(Open { purpose: StreamPurpose::Log, mid: MID, model: MODEL, head }),
        StreamFrame::Data(Bytes::new(b"{}\n".to_vec()).unwrap()),
        StreamFrame::Credit(251),
        StreamFrame::End(Text::new("the model is gone").unwrap()),
    ]
}

pub fn chunk_headers() -> Vec<ChunkHeader> {
    vec![
        ChunkHeader::of(3, 1, &[1023], 31_000, Encoding::Stored),
        ChunkHeader::of(3, 1, &[1, 3, 4, 1023], 31_000, Encoding::Zstd),
    ]
}

/// The calls that no snapshot lists beside those above: what takes the description's place, and what changes the owner.
pub fn other_calls() -> Vec<Call> {
    vec![
        Call::Activate(handover().activate),
        Call::AdoptResources(handover().adopt),
        Call::Abort,
        Call::ImportOpaque(Opaque { kind: name("juju/8"), blob: BLOB }),
    ]
}

/// Every call that stages something.
pub fn snapshot() -> Snapshot {
    let blob = |byte| BlobRef { hash: Hash([byte; 32]), bytes: u64::from(byte) << 20 };
    Snapshot {
        mid: MID,
        model: MODEL,
        epoch_to: 2,
        name: name("prod"),
        owner: name("admin"),
        complete: true,
        calls: list(vec![
            Call::Import(blob(1)),
            Call::ImportEntries(blob(2)),
            Call::UploadCharm(Charm {
                url: name("ch:amd64/postgresql-843"),
                object: name("postgresql-1a2b3c4"),
                blob: blob(3),
            }),
            Call::UploadAgentBinary(AgentBinary { version: name("3.6.9-ubuntu-amd64"), blob: blob(4) }),
            Call::UploadResource(Resource {
                application: name("postgresql"),
                name: name("snap"),
                revision: -1,
                query: Text::new("application=postgresql&name=snap&origin=upload").unwrap(),
                blob: blob(5),
            }),
            Call::CheckMachines(handover().adopt),
        ]),
    }
}
