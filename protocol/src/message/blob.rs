//! The messages by which a blob travels.

use crate::call::BlobRef;
use crate::codec::{Bounded, Decode, Encode};
use crate::frame::Handle;
use crate::ids::MigrationId;
use crate::limits::CALLS_MAX;
use crate::manifest::{Page, Ranges};
use crate::text::Cause;

/// Names blobs that the source is about to offer. The target receives no other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode)]
pub struct BlobNames {
    /// The migration they are for, or the id of the question that they belong to.
    pub mid: MigrationId,
    /// The blobs, in addition to those named before.
    pub blobs: Bounded<BlobRef, CALLS_MAX>,
}

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
