//! Limits of memory and work.

/// Maximum opened content of one piece. 8 MiB: both sides hold one piece in memory, plain and compressed.
pub const PIECE_BYTES_MAX: usize = 8 << 20;
/// Maximum opened old content that a piece is compared with. 20 MiB: together with a piece, its compressed form and the
/// compressor's tables, the working set stays within 64 MiB.
pub const WINDOW_BYTES_MAX: usize = 20 << 20;
/// Maximum size of a piece's steps, about 100,000 of them.
pub const STEPS_BYTES_MAX: usize = 1 << 20;
/// Maximum opened bytes per byte of both blobs. More is a decompression bomb, or an archive of zeros.
pub(super) const WORK_RATIO_MAX: u64 = 64;
/// Opened bytes that are always allowed, so that small blobs of zeros do not count as bombs.
pub(super) const WORK_BYTES_MIN: u64 = 64 << 20;
