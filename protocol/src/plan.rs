//! What is asked before anything changes: the facts about a model, and what speaks against moving it.

use crate::call::{BlobRef, LogSegment};
use crate::codec::{Bounded, Bytes, Decode, Encode, Text, wire_enum};
use crate::ids::{Epoch, Hash, MigrationId, ModelUuid, Pin};
use crate::limits::{
    ANSWER_BYTES_MAX, CALLS_MAX, CIDR_BYTES_MAX, FINDINGS_MAX, HURDLE_BYTES_MAX, HURDLES_MAX, NAME_BYTES_MAX,
    OFFER_USERS_MAX, SECTIONS_MAX, SNAPSHOT_BYTES_MAX, SPACES_MAX, SUBNETS_MAX, TEXT_BYTES_MAX, USERS_MAX,
    VERBATIM_FRAME_BYTES_MAX,
};
use crate::migration::Signature;
use crate::text::Name;

/// What a target must know about a model, and about the controller it comes from, to judge it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ModelFacts {
    /// The migration these facts belong to, if one runs: its own leftovers are no clash.
    pub mid: Option<MigrationId>,
    /// The model's UUID.
    pub uuid: ModelUuid,
    /// Its name.
    pub name: Name,
    /// Its owner.
    pub owner: Name,
    /// The agent version it runs; may be empty in a description.
    pub agent_version: Name,
    /// Version of the description document; 0 where it is not known.
    pub document_version: u16,
    /// The cloud it lives in.
    pub cloud: Name,
    /// The region, empty where there is none.
    pub region: Name,
    /// The cloud's type on the source controller.
    pub cloud_type: Name,
    /// Users with access to the model, external ones with their domain.
    pub users: Bounded<Name, USERS_MAX>,
    /// `owner/cloud/name` of its credential, empty where it has none.
    pub credential: Name,
    /// Ids of the secret back-ends its secrets refer to.
    pub secret_backends: Bounded<Name, 64>,
    /// `name:provider` of the storage pools it uses.
    pub storage_pools: Bounded<Name, 256>,
    /// Charms without a manifest.
    pub charms_without_manifest: Bounded<Name, 256>,
    /// The setting by which the model uses fan networking, empty where it does not.
    pub fan: Text<1024>,
    /// Version of the source controller.
    pub controller_version: Name,
    /// Identity provider of the source controller, empty where there is none.
    pub identity_url: Text<1024>,
    /// Bytes of the description and of every binary.
    pub bytes_total: u64,
    /// Whether machines run the model: true of every model of a real controller.
    pub machines_live: bool,
    /// Users who have no access to the model but to something that it offers, each with one such offer.
    pub offer_users: Bounded<OfferUser, OFFER_USERS_MAX>,
    /// `name:version` of the description's sections.
    pub sections: Bounded<Name, SECTIONS_MAX>,
    /// What is in the model that some versions of Juju refuse to import, each kind once.
    pub hurdles: Bounded<Hurdle, HURDLES_MAX>,
}

/// A user of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct OfferUser {
    /// The user, an external one with its domain.
    pub user: Name,
    /// The offer's name.
    pub offer: Name,
    /// `read`, `consume` or `admin`.
    pub access: Name,
}

/// Something in a model that some versions of Juju refuse to import.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Hurdle {
    /// What kind of thing: a word of the table of refusals. A target passes over words that it does not know.
    pub kind: Name,
    /// Which things, for people; the first few.
    pub things: Text<HURDLE_BYTES_MAX>,
    /// The commands that mend them, or that show them where nothing mends them.
    pub fix: Text<HURDLE_BYTES_MAX>,
}

wire_enum! {
    /// How grave a finding is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Level {
        /// Nothing speaks against it.
        0x01 = Pass,
        /// The migration can go on; somebody should look.
        0x02 = Warn,
        /// The migration cannot go on.
        0x03 = Fail,
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Finding {
    /// How it ended.
    pub level: Level,
    /// What was checked, a stable word for scripts: `version`, `users`, `name`.
    pub check: Text<64>,
    /// What was found, in Juju's words where Juju has them.
    pub text: Text<TEXT_BYTES_MAX>,
    /// The command that mends it, or nothing.
    pub fix: Text<TEXT_BYTES_MAX>,
}

/// A subnet that a controller's cloud has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct NetworkSubnet {
    /// Its addresses, such as `10.0.0.0/24`.
    pub cidr: Text<CIDR_BYTES_MAX>,
    /// The cloud's own id of it, empty where that is not known.
    pub provider_id: Name,
    /// Its availability zone, empty where there is none.
    pub zone: Name,
    /// The space it belongs to.
    pub space: Name,
}

/// The spaces and subnets that a controller knows in its cloud and region.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Networks {
    /// Whether it knows: without, nothing that is missing below says anything.
    pub told: bool,
    /// Names of the spaces.
    pub spaces: Bounded<Name, SPACES_MAX>,
    /// The subnets.
    pub subnets: Bounded<NetworkSubnet, SUBNETS_MAX>,
}

/// How a target is placed to take some blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Room {
    /// Bytes of them that it holds already, durable.
    pub bytes_held: u64,
    /// Bytes that are free on its disk.
    pub bytes_free: u64,
    /// Bytes of the disk that it always keeps free.
    pub bytes_kept: u64,
}

/// A copy of a model that a peer is to keep.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct BackupRequest {
    /// When it was taken, Unix seconds.
    pub taken_s: u64,
    /// BLAKE3 of the snapshot's bytes.
    pub root: Hash,
    /// What is in it. Its migration's id is the copy's, under which its blobs are offered; its epoch is 0.
    pub snapshot: Bytes<SNAPSHOT_BYTES_MAX>,
}

/// The bytes of a live model that a peer is to hold ahead of a migration that may come.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Precopying {
    /// The pre-copy: what its blobs are offered under.
    pub mid: MigrationId,
    /// The model.
    pub model: ModelUuid,
    /// The model's name, for people.
    pub name: Name,
    /// The model's owner, for people.
    pub owner: Name,
    /// Its blobs, each once.
    pub blobs: Bounded<BlobRef, CALLS_MAX>,
}

/// A piece of a log, and the migration that it follows.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LogTaking {
    /// The migration.
    pub mid: MigrationId,
    /// The piece.
    pub segment: LogSegment,
}

/// A blob that is to be made of another one and of a patch, both of which the target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Rebuilding {
    /// The migration that needs it.
    pub mid: MigrationId,
    /// What is to be made.
    pub blob: BlobRef,
    /// What it is made of.
    pub base: BlobRef,
    /// What differs: a blob that is needed for nothing else.
    pub patch: BlobRef,
}

/// What a target's journal and controller know of a model that may come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Knowledge {
    /// The largest epoch at which its journal proves the model to have been owned; 0 for none.
    pub epoch: Epoch,
    /// The first attempt number that none of its migrations of the model has, nor any larger one.
    pub attempt_free: u32,
    /// The agent to which it handed the model at that epoch, if it did.
    pub handed_to: Option<Pin>,
    /// Whether its controller has a copy of the model, in service or not.
    pub is_present: bool,
    /// Ed25519 by its identity key over [`Knowledge::signed_bytes`].
    pub signature: Signature,
}

impl Knowledge {
    /// Returns the bytes that are signed. `asker`: the pin of the agent that asked.
    pub fn signed_bytes(&self, model: ModelUuid, asker: Pin) -> Vec<u8> {
        let handed_to = self.handed_to.unwrap_or_default();
        [
            &b"modelferry/1 known\0"[..],
            &model.0,
            &asker.0,
            &self.epoch.to_le_bytes(),
            &self.attempt_free.to_le_bytes(),
            &handed_to.0,
            &[u8::from(self.is_present)],
        ]
        .concat()
    }
}

wire_enum! {
    /// JSON that no agent has to understand.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Payload {
        /// The bytes themselves.
        0x01 = Inline(Bytes<VERBATIM_FRAME_BYTES_MAX>),
        /// A blob of at most [`VERBATIM_BYTES_MAX`] bytes, offered under the call's id.
        ///
        /// [`VERBATIM_BYTES_MAX`]: crate::limits::VERBATIM_BYTES_MAX
        0x02 = Blob(BlobRef),
    }
}

/// A call to the peer's controller that the agents pass on as it is.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Verbatim {
    /// Names the call: blobs of its parameters and of its reply are offered under it. Random, no migration's.
    pub id: MigrationId,
    /// The model that the call is about; all zeros for none.
    pub model: ModelUuid,
    /// The facade, as Juju has it: `MigrationTarget`.
    pub facade: Name,
    /// The facade's version.
    pub version: u32,
    /// The method.
    pub method: Name,
    /// The parameters.
    pub params: Payload,
}

wire_enum! {
    /// What the controller said to a [`Verbatim`] call.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum VerbatimReply {
        /// The response.
        0x01 = Response(Payload),
        /// The error, an object with Juju's keys `error`, `error-code` and `error-info`.
        0x02 = Error(Payload),
    }
}

wire_enum! {
    /// What an agent asks its peer.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Question {
        /// Would this model be accepted? Answered by [`Answer::Findings`].
        0x01 = Prechecks(Box<ModelFacts>),
        /// How much of these blobs is held already, and is there room for the rest? Answered by [`Answer::Room`].
        0x02 = Held(Bounded<BlobRef, CALLS_MAX>),
        /// A command of the control socket that only reads, as JSON. Answered by [`Answer::Json`].
        0x03 = Query(Text<NAME_BYTES_MAX>),
        /// Measures the round trip, and compares the clocks. Answered by [`Answer::Bytes`] of the Unix milliseconds there; 0
        /// for a clock before 1970.
        0x04 = Ping,
        /// Which networks does the controller know? Answered by [`Answer::Networks`].
        0x05 = Networks,
        /// Keep a copy of this model until somebody removes it. Its blobs are offered right behind the question, and
        /// the answer, [`Answer::Bytes`] of all of them, comes when they and the copy are durable.
        0x06 = Keep(BackupRequest),
        /// Try whatever of this snapshot's staging can be tried before the model is frozen: above all, prove the
        /// binaries. It is not what will be handed over, and its blobs have been sent. Answered by [`Answer::Bytes`] of
        /// all of them.
        0x07 = DryRun(Bytes<SNAPSHOT_BYTES_MAX>),
        /// How far is the log of the model that this migration brought? Juju's `LatestLogTime`. Answered by
        /// [`Answer::LogTime`].
        0x08 = LatestLogTime(MigrationId),
        /// Take this piece of the log, whose bytes are held. Taken already: nothing changes. Answered by
        /// [`Answer::LogTime`].
        0x09 = TakeLog(LogTaking),
        /// Take these blobs in: a migration may come that needs them. Nothing is reserved or promised by it. They are
        /// offered right behind the question, and the answer, [`Answer::Bytes`] of all of them, comes when they are
        /// durable. A source asks this for one pre-copy at a time; the next question ends the one before.
        0x0a = Precopy(Box<Precopying>),
        /// Wait no longer for what [`Question::Precopy`] asked for under this id; what has arrived stays. Answered by
        /// [`Answer::Bytes`] of 0.
        0x0b = GiveUp(MigrationId),
        /// How much of each of these blobs is held already? Answered by [`Answer::HeldEach`].
        0x0c = HeldEach(Bounded<BlobRef, CALLS_MAX>),
        /// Make a blob of a base and a patch. Answered by [`Answer::Bytes`] of the blob once it is proven and durable; if
        /// it is not made, nothing is lost: it is sent as any other. The patch is removed in either case.
        0x0d = Rebuild(Rebuilding),
        /// What is known of this model's ownership? Answered by [`Answer::Known`].
        0x0e = Known(ModelUuid),
        /// Call your controller, and say what it said. A blob of parameters is offered right behind the question. Answered
        /// by [`Answer::Relayed`]; a blob in that is offered right behind the answer. Of the feature `relay`.
        0x0f = Relay(Box<Verbatim>),
    }
}

wire_enum! {
    /// What the peer answers.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Answer {
        /// There is no answer, and why.
        0x00 = Failed(Text<TEXT_BYTES_MAX>),
        /// What speaks for and against a model.
        0x01 = Findings(Bounded<Finding, FINDINGS_MAX>),
        /// A number of bytes.
        0x02 = Bytes(u64),
        /// What the control socket would have answered: a zstd frame of at most [`ANSWER_PLAIN_BYTES_MAX`] bytes of
        /// JSON.
        ///
        /// [`ANSWER_PLAIN_BYTES_MAX`]: crate::limits::ANSWER_PLAIN_BYTES_MAX
        0x03 = Json(Bytes<ANSWER_BYTES_MAX>),
        /// What is held, and what there is room for.
        0x04 = Room(Room),
        /// What the controller knows of its networks.
        0x05 = Networks(Box<Networks>),
        /// Time of the last log line that the migration has brought, Unix milliseconds; 0 for none.
        0x06 = LogTime(u64),
        /// For each blob that was asked about, the bytes that are held and durable.
        0x0c = HeldEach(Bounded<u64, CALLS_MAX>),
        /// What is known of a model's ownership, signed.
        0x0d = Known(Box<Knowledge>),
        /// What the controller said.
        0x0e = Relayed(Box<VerbatimReply>),
    }
}
