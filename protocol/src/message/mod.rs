//! What two linked agents say to each other: control messages, and the chunks of the bulk streams.
//!
//! Each is the body of one frame: [`crate::frame`].

mod blob;
mod hello;
mod ownership;
mod switchover;

pub use self::blob::{BlobNames, BlobOffer, BlobPage, BlobState, Chunks, Hold};
pub use self::hello::{Agreed, Hello, NoCommonVersion, agree};
pub use self::ownership::{Claim, OwnershipReport, SignedCommit, SignedHead, seized_bytes};
pub use self::switchover::{Activated, Commit, End, MigrationKey, Offer, Sealed, Stage, Staged, Vote};
pub use crate::card::ControllerCard;
use crate::codec::{Decode, Encode, Text};
use crate::frame::frame_enum;
pub use crate::frame::{ChunkHeader, Encoding, FRAME_VERSION, FrameError, FrameHeader, Handle, KIND_CHUNK};
use crate::migration::Head;
use crate::plan::{Answer, Question};

/// Something that only this agent's peer can answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Request {
    /// Chosen by who asks; the answer repeats it.
    pub id: u64,
    /// The question.
    pub question: Question,
}

/// The answer to an [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Response {
    /// Of the question.
    pub id: u64,
    /// The answer, or why there is none.
    pub answer: Answer,
}

frame_enum! {
    /// A control message.
    pub enum Message {
        /// Both ways, first on the control stream.
        0x01 = Hello(Hello),
        /// Both ways: a question.
        0x03 = Request(Request),
        /// Both ways: its answer.
        0x04 = Response(Response),
        /// Both ways, first after Hello and after every record that the peer shares: journals and owners.
        0x05 = OwnershipReport(OwnershipReport),

        /// Both ways: the answer to the question of this id is not waited for any more. Of the feature `relay`.
        0x06 = Cancel(u64),

        /// Source to target: a model is offered.
        0x10 = Offer(Offer),
        /// Target to source: the offer stands; bytes arrive, or the copy is being staged.
        0x11 = Progress(MigrationKey),
        /// Source to target: this is handed over; vote on it.
        0x12 = Seal(Sealed),
        /// Target to source: the vote.
        0x13 = Prepared(Vote),
        /// Source to target: decided, the model is yours.
        0x14 = Commit(Commit),
        /// Target to source: the model is live here.
        0x15 = Activated(Activated),
        /// Source to target: heard that; no need to repeat it.
        0x16 = Finished(MigrationKey),
        /// Source to target: decided, the model stays.
        0x17 = Abort(End),
        /// Target to source: nothing is left here; the token is given back.
        0x18 = Dropped(End),
        /// Source to target: this journal cannot know; decides nothing.
        0x19 = Unknown(MigrationKey),
        /// Target to source: the offer is not accepted; decides nothing.
        0x1a = Refused(End),
        /// Source to target: perform this call that stages, as soon as you hold its blob.
        0x1b = Stage(Stage),
        /// Target to source: what came of it.
        0x1c = Staged(Staged),

        /// Source to target: a blob.
        0x20 = BlobOffer(BlobOffer),
        /// Target to source: how much of it is known.
        0x21 = BlobState(BlobState),
        /// Source to target: a page of its manifest.
        0x22 = BlobPage(BlobPage),
        /// Target to source: chunks of a page that are to be sent.
        0x23 = Need(Chunks),
        /// Target to source: chunks of a page that are durable now.
        0x24 = Held(Chunks),
        /// Target to source: the whole blob is proven and durable.
        0x25 = BlobDone(Handle),
        /// Target to source: no chunks for now, or again.
        0x26 = Hold(Hold),
        /// Source to target: the blobs that will be offered.
        0x27 = BlobNames(BlobNames),
    }
}

impl Message {
    /// Returns the migration that a switchover message is about; nothing for any other message.
    pub fn key(&self) -> Option<MigrationKey> {
        match self {
            Self::Offer(offer) => Some(offer.key),
            Self::Seal(seal) => Some(seal.key),
            Self::Prepared(vote) => Some(vote.key),
            Self::Commit(commit) => Some(commit.key),
            Self::Activated(activated) => Some(activated.key),
            Self::Stage(stage) => Some(stage.key),
            Self::Staged(staged) => Some(staged.key),
            Self::Progress(key) | Self::Finished(key) | Self::Unknown(key) => Some(*key),
            Self::Abort(end) | Self::Dropped(end) | Self::Refused(end) => Some(end.key),
            Self::Hello(_) | Self::Request(_) | Self::Response(_) | Self::OwnershipReport(_) | Self::Cancel(_) => None,
            Self::BlobNames(_) | Self::BlobOffer(_) | Self::BlobState(_) | Self::BlobPage(_) => None,
            Self::Need(_) | Self::Held(_) | Self::BlobDone(_) | Self::Hold(_) => None,
        }
    }

    /// Makes the offer that `head` heads, still without the names that no record repeats.
    pub fn offer_of(head: &Head) -> Self {
        Self::Offer(Offer {
            key: MigrationKey::of(head),
            model: head.model,
            epoch_to: head.epoch_to,
            profile: head.profile,
            attempt: 0,
            name: Text::default(),
            owner: Text::default(),
        })
    }
}
