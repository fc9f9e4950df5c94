//! Views of the store.

use serde::{Deserialize, Serialize};

/// What the store holds, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoreView {
    /// Complete blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs of which some has arrived.
    pub partials: u64,
    /// The bytes that have.
    pub partial_bytes: u64,
    /// Bytes that can still be written to the disk.
    pub free_bytes: u64,
    /// How long what nobody needs is held, seconds.
    pub retention_s: u64,
    /// How many bytes of it at most; any amount if it is absent.
    pub quota_bytes: Option<u64>,
    /// Blobs that nobody needs, complete or not.
    pub idle_blobs: u64,
    /// Their bytes.
    pub idle_bytes: u64,
    /// Who needs what is held, the most bytes first. Some of it several may need.
    pub needed: Vec<NeedView>,
    /// Why nothing can be pruned: what these need cannot be told.
    pub trouble: Vec<String>,
    /// The blobs, the largest first, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<BlobView>,
    /// Blobs that the list leaves out because it would be too long.
    #[serde(default)]
    pub unlisted: u64,
}

/// Somebody who needs blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NeedView {
    /// Such as `model admin/prod`, `backup ID`, `migration ID`, `in use`.
    pub by: String,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of them that are here.
    pub bytes: u64,
}

/// A blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BlobView {
    /// Its BLAKE3.
    pub hash: String,
    /// All its bytes.
    pub bytes: u64,
    /// Bytes that are here.
    pub held: u64,
    /// Who needs it.
    pub needed_by: Vec<String>,
    /// Since when it is known that nobody does, Unix milliseconds.
    pub idle_since_ms: Option<u64>,
    /// When it may go, unless somebody needs it until then, Unix milliseconds.
    pub goes_ms: Option<u64>,
}

/// What a prune removed, or would remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PruneView {
    /// Whether nothing was removed.
    pub dry_run: bool,
    /// Blobs that went, complete or not.
    pub blobs: u64,
    /// The bytes that they took.
    pub bytes: u64,
    /// Blobs that nobody needs and that stay for now.
    pub idle_blobs: u64,
    /// Their bytes.
    pub idle_bytes: u64,
    /// The blobs that went, the longest unneeded first.
    pub list: Vec<BlobView>,
    /// Blobs that the list leaves out because it would be too long.
    pub unlisted: u64,
}

/// What the last automatic prune found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoreUse {
    /// When, Unix milliseconds.
    pub time_ms: u64,
    /// Bytes that were held afterwards, those of blobs on their way in included.
    pub bytes: u64,
    /// Of them, bytes that nobody needs.
    pub idle_bytes: u64,
    /// Why nothing could be removed, if that was so.
    pub trouble: Option<String>,
}
