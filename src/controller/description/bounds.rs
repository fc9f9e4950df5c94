//! What of a document is read at all: its versions, and the limits that it must keep.

use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;
use serde_saphyr::Options;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

/// The oldest document version that is understood: Juju 3.x writes it.
pub const DOCUMENT_VERSION_MIN: u64 = 11;
/// The newest document version that is understood: Juju 4.0 writes it.
pub const DOCUMENT_VERSION_MAX: u64 = 14;
/// Levels of a description's nesting. Juju's own stay below 20; a charm's action schema may be deep.
pub(super) const DEPTH_MAX: usize = 64;
/// Scalars, lists and maps of a document. Juju's have one for every 13 bytes or more; what is denser is made
/// to fill memory, as a few bytes can ask for a machine.
pub(super) const NODES_MAX: usize = DESCRIPTION_BYTES_MAX as usize / 12;
/// The versions of the payload of Juju 4's envelopes that are understood.
pub(super) const PAYLOAD_VERSIONS: [&str; 2] = ["4.0.12", "4.1.0"];

/// Returns the limits, as the YAML reader takes them.
pub(super) fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            // Every node is one event, or two: its begin and its end.
            max_events: 2 * NODES_MAX,
            max_nodes: NODES_MAX,
            max_total_scalar_bytes: DESCRIPTION_BYTES_MAX as usize,
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_anchors: 0,
            max_aliases: 0,
            max_merge_keys: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        // What is not looked at is passed over, whatever it is; what is looked at says itself what it is.
        ignore_binary_tag_for_string: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        emit_comments: false,
        // A snippet would print what stands around the error, and that may be a secret.
        with_snippet: false,
    }
}
