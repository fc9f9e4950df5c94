//! The peer: turns bytes into messages, some of which fit together, and says them.

use std::time::Duration;

use bytes::Bytes as Wire;
use modelferry::link::{Link as Connections, NewSession, Session, Urgency};
use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::frame::Encoding;
use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid};
use modelferry_protocol::manifest::{ChunkRef, Page};
use modelferry_protocol::message::{
    BlobNames, BlobOffer, BlobPage, ChunkHeader, Claim, Commit, End, Message, MigrationKey, Offer, OwnershipReport, Request,
    Sealed, SignedCommit, SignedHead, Stage, seized_bytes,
};
use modelferry_protocol::plan::{BackupRequest, LogTaking, Payload, Precopying, Question, Rebuilding, Verbatim};
use modelferry_protocol::snapshot::{BlobRef, Call, Charm, LogSegment, Name, Params, Snapshot};
use modelferry_protocol::proof::{Statement, Verdict};
use modelferry_protocol::switch::{Cause, CommitStamp, Handover, Profile};
use tempfile::TempDir;

use super::controller::MODEL;
use super::host::{PeerDir, connections};
use super::wire::Link;

const JOURNAL: JournalId = JournalId([0xee; 16]);
/// Messages of one sequence, at most.
const MESSAGES_MAX: usize = 64;
/// Migrations and models that a sequence speaks of.
const NUMBERS: u8 = 4;
/// Between two messages: enough for an answer.
const PAUSE: Duration = Duration::from_millis(4);

/// Reads the input; at its end it yields zeros.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        // Small ones, and the borders.
        match self.byte() {
            small @ 0..=250 => u64::from(small),
            251 => u64::MAX,
            252 => u64::MAX - 1,
            253 => 1 << 62,
            254 => 1 << 48,
            255 => 1 << 32,
        }
    }

    fn bytes(&mut self, bytes_max: usize) -> &'a [u8] {
        let wanted = (usize::from(self.byte()) << 8 | usize::from(self.byte())) % (bytes_max + 1);
        let (taken, rest) = self.0.split_at(wanted.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn mid(&mut self) -> MigrationId {
        MigrationId([self.byte() % NUMBERS + 1; 16])
    }

    fn model(&mut self) -> ModelUuid {
        let number = self.byte() % NUMBERS;
        if number == 0 { MODEL } else { ModelUuid([number; 16]) }
    }
}

pub struct Peer {
    _dir: TempDir,
    link: Connections,
    session: Session,
    /// The last blob whose bytes the host was offered.
    blob: BlobRef,
    /// The last snapshot that was sealed.
    root: Hash,
    handle: u32,
}

impl Peer {
    pub async fn meet(link: &Link, dir: PeerDir) -> Self {
        let dir = dir.0;
        let (link, mut sessions) = connections(link, 1, dir.path(), JOURNAL).await;
        let NewSession { session, mut inbox, chunks, streams } = sessions.recv().await.expect("the host answers");
        tokio::spawn(async move {
            // What is said to it is read and means nothing.
            while inbox.recv().await.is_some() {}
            drop((chunks, streams));
        });
        // Connections that replace the first are left alone.
        tokio::spawn(async move { while sessions.recv().await.is_some() {} });
        let blob = BlobRef { hash: Hash::of(b""), bytes: 0 };
        let peer = Self { _dir: dir, link, session, blob, root: Hash::of(b""), handle: 0 };
        peer.say(peer.report(Vec::new(), None, 1)).await;
        peer
    }

    async fn say(&self, message: Message) {
        let _ = self.session.send(message).await;
    }

    fn report(&self, claims: Vec<Claim>, seen: Option<SignedHead>, sequence: u64) -> Message {
        let head = SignedHead::new(JOURNAL, sequence, |bytes| self.link.sign(bytes));
        let claims = Bounded::truncated(claims);
        Message::OwnershipReport(OwnershipReport { head, seen, claims, is_halted: false })
    }

    /// Says what the bytes amount to.
    pub async fn say_all(&mut self, bytes: &[u8]) {
        let mut cursor = Cursor(bytes);
        for _ in 0..MESSAGES_MAX {
            if cursor.0.is_empty() || self.session.close_reason().is_some() {
                break;
            }
            self.act(&mut cursor).await;
            let steps = cursor.byte();
            // Now and then long enough for every timer.
            let long = if steps == u8::MAX { Duration::from_secs(60) } else { Duration::ZERO };
            tokio::time::sleep(PAUSE * u32::from(steps % 4) + long).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    async fn act(&mut self, cursor: &mut Cursor<'_>) {
        let key = MigrationKey { mid: cursor.mid(), journal: JOURNAL };
        let message = match cursor.byte() % 12 {
            0 | 1 => self.offer(key, cursor),
            2 => self.seal(key, cursor),
            3 => {
                let (root, epoch_to, model) = (self.root, cursor.number(), cursor.model());
                let stamp = self.stamp(key.mid, model, epoch_to);
                Message::Commit(Commit { key, root, epoch_to, handover: Handover::default(), stamp })
            }
            4 => self.word(key, cursor),
            5 => {
                let call = self.call(cursor);
                Message::Stage(Stage { key, id: cursor.number(), call })
            }
            6 => {
                let claims = vec![self.claim(key.mid, cursor)];
                let seen = SignedHead::new(JOURNAL, cursor.number(), |bytes| self.link.sign(bytes));
                let sequence = cursor.number();
                self.report(claims, (cursor.byte() % 4 == 0).then_some(seen), sequence)
            }
            7 => {
                let question = self.question(key.mid, cursor);
                Message::Request(Request { id: cursor.number(), question })
            }
            8 | 9 => return self.blob(key.mid, cursor).await,
            _ => match self.raw(key, cursor) {
                Some(message) => message,
                None => return,
            },
        };
        self.say(message).await;
    }

    /// A source's signature under a commit: its own.
    fn stamp(&self, mid: MigrationId, model: ModelUuid, epoch_to: u64) -> CommitStamp {
        let statement = Statement {
            verdict: Verdict::Commit,
            mid,
            model,
            epoch_to,
            root: Some(self.root),
            source: self.link.pin(),
            target: self.session.peer(),
            journal: JOURNAL,
            time_ms: 0,
        };
        CommitStamp { time_ms: 0, signature: self.link.sign(&statement.signed_bytes()).into() }
    }

    /// A claim of a model: with a signature of its own in the place of the host's, with its operator's word, or with nothing.
    fn claim(&self, mid: MigrationId, cursor: &mut Cursor<'_>) -> Claim {
        let (model, epoch, proof) = (cursor.model(), cursor.number(), cursor.byte());
        let stamp = self.stamp(mid, model, epoch);
        let commit = SignedCommit { mid, epoch_to: epoch, root: self.root, journal: JOURNAL, stamp };
        let seized = self.link.sign(&seized_bytes(model, epoch, self.session.peer()));
        Claim {
            model,
            epoch,
            live: proof & 1 == 0,
            commit: (proof & 2 != 0).then_some(commit),
            seized: (proof & 4 != 0).then(|| seized.into()),
        }
    }

    fn offer(&self, key: MigrationKey, cursor: &mut Cursor<'_>) -> Message {
        let profile = if cursor.byte() % 4 == 0 { Profile::Gateway } else { Profile::Embedded };
        let (model, epoch_to) = (cursor.model(), cursor.number());
        let (name, owner) = (Name::cut("shelf"), Name::cut("admin"));
        Message::Offer(Offer { key, model, epoch_to, profile, attempt: u32::from(cursor.byte()), name, owner })
    }

    fn snapshot(&self, mid: MigrationId, cursor: &mut Cursor<'_>) -> Vec<u8> {
        let mut calls = vec![Call::Import(self.blob)];
        calls.extend((0..cursor.byte() % 3).map(|_| self.call(cursor)));
        calls.push(Call::CheckMachines(Params::default()));
        let (model, epoch_to) = (cursor.model(), cursor.number());
        let (name, owner) = (Name::cut("shelf"), Name::cut("admin"));
        let snapshot =
            Snapshot { mid, model, epoch_to, name, owner, complete: true, calls: Bounded::truncated(calls) };
        snapshot.seal().map(|(bytes, _)| bytes).unwrap_or_default()
    }

    fn seal(&mut self, key: MigrationKey, cursor: &mut Cursor<'_>) -> Message {
        let bytes = self.snapshot(key.mid, cursor);
        self.root = Hash::of(&bytes);
        let nonce = cursor.number();
        Message::Seal(Sealed { key, root: self.root, nonce, snapshot: Bytes::new(bytes).expect("it is small") })
    }

    fn call(&self, cursor: &mut Cursor<'_>) -> Call {
        let nowhere = BlobRef { hash: Hash::of(b"nowhere"), bytes: cursor.number() };
        match cursor.byte() % 6 {
            0 => Call::Import(self.blob),
            1 => Call::Import(nowhere),
            2 => Call::UploadCharm(Charm { blob: self.blob, ..Charm::named(Name::cut("ch:shelf")) }),
            3 => Call::CheckMachines(Params::default()),
            4 => Call::Abort,
            _ => Call::ImportEntries(self.blob),
        }
    }

    /// A word about a migration that needs nothing else.
    fn word(&self, key: MigrationKey, cursor: &mut Cursor<'_>) -> Message {
        let end = End { key, cause: Cause::cut("never mind") };
        match cursor.byte() % 6 {
            0 => Message::Abort(end),
            1 => Message::Dropped(end),
            2 => Message::Refused(end),
            3 => Message::Progress(key),
            4 => Message::Finished(key),
            _ => Message::Unknown(key),
        }
    }

    fn question(&self, mid: MigrationId, cursor: &mut Cursor<'_>) -> Question {
        let (model, blobs) = (cursor.model(), || Bounded::truncated(vec![self.blob]));
        let (name, owner) = (Name::cut("shelf"), Name::cut("admin"));
        match cursor.byte() % 12 {
            0 => Question::Held(blobs()),
            1 => Question::HeldEach(blobs()),
            2 => Question::Known(model),
            3 => Question::Query(Text::cut("{}")),
            4 => Question::DryRun(Bytes::new(self.snapshot(mid, cursor)).expect("it is small")),
            5 => {
                let bytes = self.snapshot(mid, cursor);
                let (root, snapshot) = (Hash::of(&bytes), Bytes::new(bytes).expect("it is small"));
                Question::Keep(BackupRequest { taken_s: cursor.number(), root, snapshot })
            }
            6 => Question::Precopy(Box::new(Precopying { mid, model, name, owner, blobs: blobs() })),
            7 => Question::GiveUp(mid),
            8 => Question::LatestLogTime(mid),
            9 => {
                let segment = LogSegment { name, until_ms: cursor.number(), lines: 1, blob: self.blob };
                Question::TakeLog(LogTaking { mid, segment })
            }
            10 => Question::Rebuild(Rebuilding { mid, blob: self.blob, base: self.blob, patch: self.blob }),
            _ => {
                let params = if cursor.byte() % 2 == 0 {
                    Payload::Blob(self.blob)
                } else {
                    Payload::Inline(Bytes::new(b"{}".to_vec()).expect("it is small"))
                };
                let (facade, method) = (Name::cut("MigrationTarget"), Name::cut("Prechecks"));
                Question::Relay(Box::new(Verbatim { id: mid, model, facade, version: 1, method, params }))
            }
        }
    }

    /// Offers a blob of one chunk, and sends it; which of the three steps are wrong, or left out, the input says.
    async fn blob(&mut self, mid: MigrationId, cursor: &mut Cursor<'_>) {
        let (wrong, mut plain) = (cursor.byte(), b"writes: ".to_vec());
        plain.extend_from_slice(cursor.bytes(200));
        let (hash, bytes) = (Hash::of(&plain), plain.len() as u64);
        self.blob = BlobRef { hash, bytes: bytes + u64::from(wrong & 1) };
        self.handle += u32::from(wrong & 2 == 0);
        let handle = self.handle;
        if cursor.byte() % 4 != 1 {
            self.say(Message::BlobNames(BlobNames { mid, blobs: Bounded::truncated(vec![self.blob]) })).await;
        }
        if wrong & 4 == 0 {
            let cutter = u16::from(wrong & 8 == 0) * 2;
            self.say(Message::BlobOffer(BlobOffer { handle, mid, blob: self.blob, cutter })).await;
            tokio::time::sleep(PAUSE).await;
        }
        if wrong & 16 == 0 {
            let chunks = Bounded::truncated(vec![ChunkRef { hash, bytes: bytes as u32 }]);
            let page = Page { index: u32::from(wrong & 32 != 0), offset: 0, last: true, chunks };
            self.say(Message::BlobPage(BlobPage { handle, page })).await;
            tokio::time::sleep(PAUSE).await;
        }
        if wrong & 64 == 0
            && let Ok(mut bulk) = self.session.open_bulk(Urgency::Due).await
        {
            let encoding = if wrong & 128 == 0 { Encoding::Stored } else { Encoding::Zstd };
            let (others, wire_bytes) = (Bytes::default(), plain.len() as u32);
            let header = ChunkHeader { handle, page: 0, index: 0, others, wire_bytes, encoding };
            let _ = bulk.send(header, Wire::from(plain)).await;
        }
    }

    /// Any message that decodes; about one of the migrations, if it is about one.
    fn raw(&self, key: MigrationKey, cursor: &mut Cursor<'_>) -> Option<Message> {
        let (kind, body) = (cursor.byte(), cursor.bytes(2048));
        let mut message = Message::from_body(kind, body).ok()?;
        match &mut message {
            // It is said by the link, once.
            Message::Hello(_) => return None,
            Message::Offer(offer) => offer.key = key,
            Message::Seal(seal) => seal.key = key,
            Message::Prepared(vote) => vote.key = key,
            Message::Commit(commit) => commit.key = key,
            Message::Activated(activated) => activated.key = key,
            Message::Stage(stage) => stage.key = key,
            Message::Staged(staged) => staged.key = key,
            Message::Progress(about) | Message::Finished(about) | Message::Unknown(about) => *about = key,
            Message::Abort(end) | Message::Dropped(end) | Message::Refused(end) => end.key = key,
            _ => {}
        }
        Some(message)
    }
}
