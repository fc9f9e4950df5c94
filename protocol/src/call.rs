//! What a migration moves: calls as data.
//!
//! A [`Call`] is a verb of Juju's MigrationTarget facade. A source controller *yields* calls, a target
//! controller *performs* them; the agents carry them in between. The bulky arguments are blobs, named
//! by their hash; what no agent needs to understand travels as the controller wrote it.

use crate::codec::{Bytes, Decode, Encode, Text, wire_enum};
use crate::ids::Hash;
use crate::limits::{ACTIVATE_BYTES_MAX, PARAMS_BYTES_MAX, QUERY_BYTES_MAX, REPLY_BYTES_MAX, REPLY_KEPT_BYTES_MAX};
use crate::text::Cause;
pub use crate::text::Name;

/// Bytes that travel by chunk and are stored by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct BlobRef {
    /// BLAKE3 of the whole blob.
    pub hash: Hash,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A charm archive.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Charm {
    /// As the description has it: `ch:amd64/postgresql-843`, `local:noble/webapp-2`.
    pub url: Name,
    /// The name under which the source controller uploads it, as it wrote it: `postgresql-1a2b3c4`. Empty where the source
    /// has none; the target's controller is then told one that follows from the URL and the bytes.
    pub object: Name,
    /// The zip.
    pub blob: BlobRef,
}

impl Charm {
    /// Makes a charm without an object's name and without bytes.
    pub fn named(url: Name) -> Self {
        Self { url, object: Name::default(), blob: BlobRef::default() }
    }
}

/// An agent binary, a gzipped tar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct AgentBinary {
    /// As the description has it: `3.6.23-ubuntu-amd64`.
    pub version: Name,
    /// The gzipped tar.
    pub blob: BlobRef,
}

/// A resource of an application: a file, or the small JSON document that stands for an OCI image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Resource {
    /// The application it belongs to.
    pub application: Name,
    /// The resource's name in the charm.
    pub name: Name,
    /// The revision the description names.
    pub revision: i64,
    /// The query of the source controller's upload, as it wrote it, without `?`: origin, fingerprint, user and time are in
    /// there. Empty where the source has none; it is then made of what the description says.
    pub query: Query,
    /// Its bytes.
    pub blob: BlobRef,
}

/// What a controller exports of a model in place of a description, in a form that no agent understands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Opaque {
    /// Which form: `juju/8` is the envelope that version 8 of Juju's `MigrationTarget.Import` takes. A target's controller
    /// that does not know the kind refuses the import.
    pub kind: Name,
    /// The payload, as the controller wrote it.
    pub blob: BlobRef,
}

/// A piece of a model's log: whole lines, never changed once it is written. It is no part of what is voted on, and
/// follows the model when that is live on its target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct LogSegment {
    /// Names it within the model, and sorts it by the time of its first line.
    pub name: Name,
    /// Time of its last line, Unix milliseconds.
    pub until_ms: u64,
    /// How many lines it has.
    pub lines: u32,
    /// Its text.
    pub blob: BlobRef,
}

wire_enum! {
    /// A verb of the migration target, as data.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub enum Call {
        /// Imports the model description, in migration mode *importing*.
        0x01 = Import(BlobRef),
        /// Imports what was written to a model of an embedded controller: its numbered entries.
        0x02 = ImportEntries(BlobRef),
        /// Uploads a charm archive.
        0x03 = UploadCharm(Charm),
        /// Uploads an agent binary.
        0x04 = UploadAgentBinary(AgentBinary),
        /// Uploads a resource.
        0x05 = UploadResource(Resource),
        /// Compares the model's machines with the cloud's.
        0x06 = CheckMachines(Params),
        /// Takes the model into service. Where a Juju controller performs it, that is the point from which users write.
        0x07 = Activate(Arguments),
        /// Takes over the model's cloud resources, once the model is live.
        0x08 = AdoptResources(Params),
        /// Deletes the imported copy; refused once the model is live.
        0x09 = Abort,
        /// Imports what stands for a description, in place of [`Call::Import`].
        0x0a = ImportOpaque(Opaque),
    }
}

/// The parameters of Juju's `Activate` call as the source controller wrote them, JSON: its CA certificate and addresses,
/// and the models on the other side of relations. Empty where there are none: the target's adapter then makes them of what
/// it knows about the source's controller.
pub type Arguments = Bytes<ACTIVATE_BYTES_MAX>;
/// The parameters of another call that names hardly more than the model, as the source controller wrote them, JSON. Empty
/// where there are none, as in [`Arguments`].
pub type Params = Bytes<PARAMS_BYTES_MAX>;
/// A query of an upload.
pub type Query = Text<QUERY_BYTES_MAX>;
/// What a call returned, JSON as the controller wrote it. Empty where it returned nothing that anybody is to be told.
pub type Reply = Bytes<REPLY_BYTES_MAX>;
/// A [`Reply`] that a journal record holds.
pub type KeptReply = Bytes<REPLY_KEPT_BYTES_MAX>;

/// Returns a reply as a journal record holds it: nothing of one that is too long, as half a JSON document says nothing.
pub fn kept(reply: &Reply) -> KeptReply {
    KeptReply::new(reply.to_vec()).unwrap_or_default()
}

wire_enum! {
    /// What came of a call.
    #[derive(Debug, Clone, PartialEq, Eq, Hash)]
    pub enum Performed {
        /// It was performed, and returned this.
        0x01 = Done(Reply),
        /// The controller refused it, in its own words.
        0x02 = Failed(Cause),
    }
}

impl Call {
    /// Returns the blob this call needs, if it needs one.
    pub fn blob(&self) -> Option<BlobRef> {
        match self {
            Self::Import(blob) | Self::ImportEntries(blob) => Some(*blob),
            Self::UploadCharm(charm) => Some(charm.blob),
            Self::UploadAgentBinary(binary) => Some(binary.blob),
            Self::UploadResource(resource) => Some(resource.blob),
            Self::ImportOpaque(opaque) => Some(opaque.blob),
            Self::CheckMachines(_) | Self::Activate(_) | Self::AdoptResources(_) | Self::Abort => None,
        }
    }

    /// Reports whether this call uploads a binary.
    pub fn uploads(&self) -> bool {
        matches!(self, Self::UploadCharm(_) | Self::UploadAgentBinary(_) | Self::UploadResource(_))
    }

    /// Names the binary that this call uploads, for people: `charm ch:amd64/postgresql-843`, `agent binary 3.6.11-ubuntu-amd64`,
    /// `resource postgresql/wal-g`. Nothing if it uploads none.
    pub fn binary(&self) -> Option<String> {
        match self {
            Self::UploadCharm(charm) => Some(format!("charm {}", &*charm.url)),
            Self::UploadAgentBinary(binary) => Some(format!("agent binary {}", &*binary.version)),
            Self::UploadResource(resource) => Some(format!("resource {}/{}", &*resource.application, &*resource.name)),
            Self::Import(_)
            | Self::ImportEntries(_)
            | Self::ImportOpaque(_)
            | Self::CheckMachines(_)
            | Self::Activate(_)
            | Self::AdoptResources(_)
            | Self::Abort => None,
        }
    }

    /// Reports whether a snapshot may list this call: staging may, changing the owner may not.
    pub fn stages(&self) -> bool {
        !matches!(self, Self::Activate(_) | Self::AdoptResources(_) | Self::Abort)
    }

    /// Reports whether this call imports the model: the first of a snapshot, and none of the others.
    pub fn imports(&self) -> bool {
        matches!(self, Self::Import(_) | Self::ImportOpaque(_))
    }
}

/// Returns the blobs that `calls` need, each once, in the order of their first use.
pub fn distinct_blobs(calls: &[Call]) -> Vec<BlobRef> {
    let mut seen = std::collections::HashSet::new();
    calls.iter().filter_map(Call::blob).filter(|blob| seen.insert(*blob)).collect()
}
