//! The liar.

use std::time::Duration;

use modelferry_protocol::codec::{Bounded, Bytes};
use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid};
use modelferry_protocol::limits::ALPN_LINK;
use modelferry_protocol::message::{
    BlobNames, BlobOffer, ChunkHeader, Claim, Commit, Encoding, End, Handle, Hello, Message, MigrationKey, Offer,
    OwnershipReport, Request, Sealed, SignedCommit, SignedHead,
};
use modelferry_protocol::plan::{Answer, Question};
use modelferry_protocol::proof::Statement;
use modelferry_protocol::snapshot::{BlobRef, Call, Name, Params, Snapshot};
use modelferry_protocol::switch::{Cause, CommitStamp, Handover, Profile};
use quinn::{Connection, SendStream};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tokio::sync::{mpsc, watch};

use super::controller::MODEL;
use super::engines::Host;
use super::raw::{Raw, closed_with, try_read};
use super::support::{hello, soon, write_peer};

/// What the liar is called at the host that it is paired with.
pub const LIAR: &str = "raw";

/// How the liar says that it cuts.
const CUTTER: u16 = 0x8000;

/// Messages that wait to be looked at: more than any test lets come in between.
const HEARD_MAX: usize = 1 << 14;

/// A paired peer that says what it likes.
pub struct Liar {
    pub raw: Raw,
    /// Its journal: the one of its `Hello`.
    pub journal: JournalId,
    pub connection: Connection,
    send: SendStream,
    heard: mpsc::Receiver<Message>,
    is_reading: watch::Sender<bool>,
}

impl Raw {
    /// Signs with its key, which must be Ed25519.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.pair().sign(bytes).as_ref().try_into().unwrap()
    }

    /// Its Ed25519 key.
    pub fn public_key(&self) -> [u8; 32] {
        self.pair().public_key().as_ref().try_into().unwrap()
    }

    fn pair(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(self.key.secret_pkcs8_der()).unwrap()
    }
}

impl Liar {
    /// Pairs a liar with a host, whose agent starts anew, and has it say `Hello` and a first, harmless report.
    pub async fn beside(host: &mut Host) -> Self {
        let raw = Raw::new();
        host.stop();
        write_peer(&host.dir, raw.pin, raw.address());
        host.restart().await;
        Self::meet(raw, host).await
    }

    /// Ends the connection, and waits until the host knows: another connection beside a live one is a second agent's.
    pub async fn leave(self) -> Raw {
        self.connection.close(0u32.into(), b"");
        let raw = self.raw;
        soon(raw.endpoint.wait_idle()).await;
        raw
    }

    /// Connects anew.
    pub async fn meet(raw: Raw, host: &Host) -> Self {
        let journal = JournalId(raw.pin.0[..16].try_into().unwrap());
        Self::meet_with(raw, host, journal).await
    }

    /// Connects anew, with a journal of its choice.
    pub async fn meet_with(raw: Raw, host: &Host, journal: JournalId) -> Self {
        let connection = soon(raw.dial(host.link().local_addr(), ALPN_LINK)).await.unwrap();
        let (mut send, mut recv) = soon(connection.open_bi()).await.unwrap();
        let greeting = Message::Hello(Hello { journal, ..hello(raw.pin) });
        soon(send.write_all(&greeting.to_frame())).await.unwrap();
        let (hear, heard) = mpsc::channel(HEARD_MAX);
        let (is_reading, reads) = watch::channel(true);
        tokio::spawn(async move {
            while let Some(message) = try_read(&mut recv).await {
                let _ = hear.try_send(message);
                if !*reads.borrow() {
                    // The stream stays open: nothing more is read of it.
                    return std::future::pending().await;
                }
            }
        });
        let mut liar = Self { raw, journal, connection, send, heard, is_reading };
        liar.hear("a Hello", |message| matches!(message, Message::Hello(_)).then_some(())).await;
        liar.say(liar.report()).await;
        liar
    }

    /// A report that claims nothing.
    pub fn report(&self) -> Message {
        self.report_of(None, Vec::new())
    }

    /// A report with a head of the host's journal that it returns, and with claims.
    pub fn report_of(&self, seen: Option<SignedHead>, claims: Vec<Claim>) -> Message {
        self.report_with(SignedHead::new(self.journal, 1, |bytes| self.raw.sign(bytes)), seen, claims)
    }

    /// Reports a head that the liar chose as the head of its own journal.
    pub fn report_with(&self, head: SignedHead, seen: Option<SignedHead>, claims: Vec<Claim>) -> Message {
        let claims = Bounded::new(claims).unwrap();
        Message::OwnershipReport(OwnershipReport { head, seen, claims, is_halted: false })
    }

    /// Signs the commit of a migration of [`MODEL`] to a host, as its source.
    pub fn commit(&self, host: &Host, mid: MigrationId, root: Hash) -> Message {
        let unsigned = self.signed_commit(mid, root, 1, CommitStamp::default());
        let statement = Statement::of_commit(&unsigned, MODEL, self.raw.pin, host.link().pin());
        let stamp = CommitStamp { signature: self.raw.sign(&statement.signed_bytes()).into(), ..unsigned.stamp };
        let (key, handover) = (self.key(mid), Handover::default());
        Message::Commit(Commit { key, root, epoch_to: 1, handover, stamp })
    }

    /// A commit of a migration of [`MODEL`] in the liar's journal.
    pub fn signed_commit(&self, mid: MigrationId, root: Hash, epoch_to: u64, stamp: CommitStamp) -> SignedCommit {
        SignedCommit { mid, epoch_to, root, journal: self.journal, stamp }
    }

    /// Waits for a head of the host's journal that is as far as `sequence`, as the host has signed it.
    pub async fn head(&mut self, sequence: u64) -> SignedHead {
        self.hear("a head", |message| match message {
            Message::OwnershipReport(report) => (report.head.sequence >= sequence).then_some(report.head),
            _ => None,
        })
        .await
    }

    pub async fn say(&mut self, message: Message) {
        soon(self.send.write_all(&message.to_frame())).await.unwrap();
    }

    /// Says what is in a frame.
    pub async fn say_frame(&mut self, frame: &[u8]) {
        soon(self.send.write_all(frame)).await.unwrap();
    }

    /// Asks a question, and waits for the answer.
    pub async fn ask(&mut self, question: Question) -> Answer {
        let id = fastrand::u64(..);
        self.say(Message::Request(Request { id, question })).await;
        self.hear("an answer", |message| match message {
            Message::Response(told) if told.id == id => Some(told.answer.clone()),
            _ => None,
        })
        .await
    }

    /// Reads nothing more than the next message.
    pub fn stop_reading(&self) {
        self.is_reading.send_replace(false);
    }

    /// Says something, unless the host takes nothing more.
    pub async fn try_say(&mut self, message: Message) -> bool {
        let frame = message.to_frame();
        let said = self.send.write_all(&frame);
        tokio::time::timeout(Duration::from_millis(500), said).await.is_ok_and(|said| said.is_ok())
    }

    /// Waits for a message of which `pick` makes something.
    pub async fn hear<T>(&mut self, what: &str, pick: impl Fn(&Message) -> Option<T>) -> T {
        let wait = async {
            loop {
                let message = self.heard.recv().await.unwrap_or_else(|| panic!("no {what} before the end"));
                if let Some(picked) = pick(&message) {
                    return picked;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), wait).await {
            Ok(picked) => picked,
            Err(_) => panic!("no {what}"),
        }
    }

    /// The code and reason with which the host closes the connection.
    pub async fn closed(&self) -> (u64, String) {
        soon(closed_with(&self.connection)).await
    }

    pub fn key(&self, mid: MigrationId) -> MigrationKey {
        MigrationKey { mid, journal: self.journal }
    }

    /// An offer of a model at epoch 1.
    pub fn offer(&self, mid: MigrationId, model: ModelUuid) -> Message {
        Message::Offer(Offer {
            key: self.key(mid),
            model,
            epoch_to: 1,
            profile: Profile::Embedded,
            attempt: 0,
            name: Name::cut("shelf"),
            owner: Name::cut("admin"),
        })
    }

    /// Names blobs of a migration.
    pub fn names(&self, mid: MigrationId, blobs: &[BlobRef]) -> Message {
        Message::BlobNames(BlobNames { mid, blobs: Bounded::new(blobs.to_vec()).unwrap() })
    }

    /// Offers a blob of a migration.
    pub fn blob_offer(&self, handle: Handle, mid: MigrationId, blob: BlobRef) -> Message {
        Message::BlobOffer(BlobOffer { handle, mid, blob, cutter: CUTTER })
    }

    /// Sends one chunk of a page.
    pub async fn send_chunk(&self, handle: Handle, page: u32, index: u32, plain: &[u8]) {
        let wire = zstd::bulk::compress(plain, 1).unwrap();
        let header = ChunkHeader::of(handle, page, &[index], wire.len() as u32, Encoding::Zstd);
        let mut bulk = soon(self.connection.open_uni()).await.unwrap();
        soon(bulk.write_all(&[header.to_frame(), wire].concat())).await.unwrap();
        bulk.finish().unwrap();
    }

    /// Waits until the host asks for chunks of a blob, of which it knows the page by then.
    pub async fn is_asked_for(&mut self, handle: Handle) {
        self.hear("a Need", |message| matches!(message, Message::Need(need) if need.handle == handle).then_some(()))
            .await;
    }

    /// Waits until a blob is received whole.
    pub async fn is_done(&mut self, handle: Handle) {
        self.hear("the end of a blob", |message| (*message == Message::BlobDone(handle)).then_some(())).await;
    }

    /// Waits until the host has looked at an offer of a blob, and returns whether it holds the blob.
    pub async fn is_held(&mut self, handle: Handle) -> bool {
        self.hear("the state of a blob", |message| match message {
            Message::BlobState(state) if state.handle == handle => Some(state.held),
            Message::BlobState(state) => panic!("blob {} is taken", state.handle),
            _ => None,
        })
        .await
    }

    /// Waits until the host says why it takes nothing, or that it goes on.
    pub async fn hold(&mut self) -> String {
        self.hear("a Hold", |message| match message {
            Message::Hold(hold) => Some(hold.reason.to_string()),
            _ => None,
        })
        .await
    }

    /// Takes an offer back.
    pub fn abort(&self, mid: MigrationId) -> Message {
        Message::Abort(End { key: self.key(mid), cause: Cause::cut("never mind") })
    }

    /// Waits until the host has handled everything that was said before.
    pub async fn is_heard(&mut self) {
        self.ask(Question::Ping).await;
    }

    /// A snapshot with this description, and its root.
    pub fn snapshot(&self, mid: MigrationId, description: BlobRef) -> (Vec<u8>, Hash) {
        snapshot(mid, MODEL, description).seal().unwrap()
    }

    /// Seals such a snapshot.
    pub fn seal(&self, mid: MigrationId, description: BlobRef) -> (Message, Hash) {
        let (bytes, root) = self.snapshot(mid, description);
        let snapshot = Bytes::new(bytes).unwrap();
        (Message::Seal(Sealed { key: self.key(mid), root, nonce: 1, snapshot }), root)
    }

    /// Hands the model over up to the host's vote, and returns the root. The host's store has the description already.
    pub async fn voted(&mut self, host: &Host, mid: MigrationId) -> Hash {
        let description = host.put(b"writes: 0\n");
        self.say(self.offer(mid, MODEL)).await;
        let (seal, root) = self.seal(mid, description);
        self.say(seal).await;
        self.hear("a vote", |message| matches!(message, Message::Prepared(vote) if vote.root == root).then_some(()))
            .await;
        root
    }
}

/// A model that is a description and nothing else.
pub fn snapshot(mid: MigrationId, model: ModelUuid, description: BlobRef) -> Snapshot {
    let calls = vec![Call::Import(description), Call::CheckMachines(Params::default())];
    Snapshot {
        mid,
        model,
        epoch_to: 1,
        name: Name::cut("shelf"),
        owner: Name::cut("admin"),
        complete: true,
        calls: Bounded::new(calls).unwrap(),
    }
}

/// A model, by number.
pub fn model(number: u64) -> ModelUuid {
    ModelUuid(mid(number).0)
}

/// A migration's id, by number.
pub fn mid(number: u64) -> MigrationId {
    let mut id = [0x5a; 16];
    id[..8].copy_from_slice(&number.to_le_bytes());
    MigrationId(id)
}
