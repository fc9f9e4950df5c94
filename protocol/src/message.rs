//! What two linked agents say to each other: control messages, and the chunks of the bulk streams.
//!
//! Each is the body of one frame: [`crate::frame`].

use crate::codec::{Bounded, Bytes, Decode, Encode, Text};
use crate::frame::frame_enum;
pub use crate::frame::{ChunkHeader, Encoding, FRAME_VERSION, FrameError, FrameHeader, KIND_CHUNK};
use crate::ids::{Epoch, JournalId, MigrationId, ModelUuid};
use crate::limits::*;
use crate::manifest::{Page, Ranges};
use crate::plan::{Answer, Question};
use crate::snapshot::{BlobRef, Name};
pub use crate::switch::message::*;
use crate::switch::{Cause, Head};
use crate::version::{FeatureNames, Versions};

/// What an agent tells about its controller.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ControllerCard {
    /// Its name, as its own operators call it.
    pub name: Name,
    /// Its UUID.
    pub uuid: ModelUuid,
    /// The Juju version it runs, or claims.
    pub version: Name,
    /// The cloud it runs in.
    pub cloud: Name,
    /// The cloud's region, empty where there is none.
    pub region: Name,
    /// The cloud's type, Juju's "substrate": `lxd`, `openstack`, `kubernetes`.
    pub cloud_type: Name,
    /// `host:port` of its API.
    pub addresses: Bounded<Name, ADDRESSES_MAX>,
    /// SHA-256 of its CA certificate's DER.
    pub ca_fingerprint: [u8; 32],
    /// That certificate, DER: users who are sent here are given it. Empty where it is not known.
    pub ca_cert: Bytes<CA_CERT_BYTES_MAX>,
}

/// First message on a control stream, from both sides. It is the same in every version of the protocol, so that agents of
/// two versions find the one that both speak: see [`crate::version::agree`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// The versions that the agent speaks.
    pub versions: Versions,
    /// The optional features that it has, by name. Names that the other side does not know mean nothing to it.
    pub features: FeatureNames,
    /// The agent's own version, for people.
    pub agent: Name,
    /// The agent's journal.
    pub journal: JournalId,
    /// The last sequence number of that journal.
    pub sequence: u64,
    /// The last sequence number this agent has seen of the peer's journal; 0 for none.
    pub sequence_seen: u64,
    /// The controller beside the agent.
    pub controller: ControllerCard,
}

/// What was seen of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Seen {
    /// The journal.
    pub journal: JournalId,
    /// Its last sequence number that was seen.
    pub sequence: u64,
}

/// What an agent has of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Claim {
    /// The model.
    pub model: ModelUuid,
    /// The largest epoch at which it is known to have been owned.
    pub epoch: Epoch,
    /// Whether it is in service there.
    pub live: bool,
}

/// How far an agent's journal is, what it has of the models that it ever exchanged with the peer, and what else it serves.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Claims {
    /// The last sequence number of its journal.
    pub sequence: u64,
    /// The last it has seen of the peer's journal, if it has seen any.
    pub seen: Option<Seen>,
    /// The models.
    pub claims: Bounded<Claim, CLAIMS_MAX>,
    /// Whether the sender has found its journal to have been set back, and has stopped acting.
    pub is_halted: bool,
}

/// Names a blob within one connection: numbers are the source's, and mean nothing on the next connection.
pub type Handle = u32;

/// Offers a blob.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct BlobOffer {
    /// The source's number for it.
    pub handle: Handle,
    /// The migration it is for.
    pub mid: MigrationId,
    /// The blob.
    pub blob: BlobRef,
    /// How the source cuts chunks: pages of one cutter mean nothing to another.
    pub cutter: u16,
}

/// Tells how much of a blob the target knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct BlobState {
    /// The source's number for it.
    pub handle: Handle,
    /// Whether all of it is held, proven and durable.
    pub held: bool,
    /// Manifest pages that need not be sent again, counted from the first.
    pub pages: u32,
    /// Bytes held already, durable.
    pub bytes_held: u64,
}

/// A page of a blob's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BlobPage {
    /// The source's number for the blob.
    pub handle: Handle,
    /// The page.
    pub page: Page,
}

/// Chunks of one page: those the target lacks, or those it holds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Chunks {
    /// The source's number for the blob.
    pub handle: Handle,
    /// The page.
    pub page: u32,
    /// The chunks.
    pub ranges: Ranges,
}

/// Why the target takes no chunks for now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Hold {
    /// In words, such as how much space is missing; empty when chunks are welcome again.
    pub reason: Cause,
}

/// Something that only this agent's peer can answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Ask {
    /// Chosen by who asks; the answer repeats it.
    pub id: u64,
    /// The question.
    pub question: Question,
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Told {
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
        0x03 = Ask(Ask),
        /// Both ways: its answer.
        0x04 = Told(Told),
        /// Both ways, first after Hello and after every record that the peer shares: journals and owners.
        0x05 = Claims(Claims),

        /// Both ways: the answer to the question of this id is not waited for any more. Of the feature `relay`.
        0x06 = Cancel(u64),

        /// Source to target: a model is offered.
        0x10 = Offer(Offer),
        /// Target to source: the offer stands; bytes arrive, or the copy is being staged.
        0x11 = Progress(Switch),
        /// Source to target: this is handed over; vote on it.
        0x12 = Seal(Sealed),
        /// Target to source: the vote.
        0x13 = Prepared(Vote),
        /// Source to target: decided, the model is yours.
        0x14 = Commit(Commit),
        /// Target to source: the model is live here.
        0x15 = Activated(Activated),
        /// Source to target: heard that; no need to repeat it.
        0x16 = Finished(Switch),
        /// Source to target: decided, the model stays.
        0x17 = Abort(End),
        /// Target to source: nothing is left here; the token is given back.
        0x18 = Dropped(End),
        /// Source to target: this journal cannot know; decides nothing.
        0x19 = Unknown(Switch),
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
    }
}

impl Message {
    /// Returns the migration that a switchover message is about; nothing for any other message.
    pub fn switch(&self) -> Option<Switch> {
        match self {
            Self::Offer(offer) => Some(offer.switch),
            Self::Seal(seal) => Some(seal.switch),
            Self::Prepared(vote) => Some(vote.switch),
            Self::Commit(commit) => Some(commit.switch),
            Self::Activated(activated) => Some(activated.switch),
            Self::Stage(stage) => Some(stage.switch),
            Self::Staged(staged) => Some(staged.switch),
            Self::Progress(switch) | Self::Finished(switch) | Self::Unknown(switch) => Some(*switch),
            Self::Abort(end) | Self::Dropped(end) | Self::Refused(end) => Some(end.switch),
            Self::Hello(_) | Self::Ask(_) | Self::Told(_) | Self::Claims(_) | Self::Cancel(_) => None,
            Self::BlobOffer(_) | Self::BlobState(_) | Self::BlobPage(_) => None,
            Self::Need(_) | Self::Held(_) | Self::BlobDone(_) | Self::Hold(_) => None,
        }
    }

    /// Makes the offer that `head` heads, still without the names that no record repeats.
    pub fn offer_of(head: &Head) -> Self {
        Self::Offer(Offer {
            switch: Switch::of(head),
            model: head.model,
            epoch_to: head.epoch_to,
            profile: head.profile,
            attempt: 0,
            name: Text::default(),
            owner: Text::default(),
        })
    }
}
