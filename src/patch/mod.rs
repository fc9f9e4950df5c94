//! Patches: transfer a blob as its difference from a similar blob that the other side holds.
//!
//! A patch works on opened content. It inflates the members of a zip archive, or a gzip file, if zlib is proven to
//! reproduce the compressed bytes exactly. Other bytes stay as they are. Opened versions differ little, and each piece
//! is compressed with the matching part of the old version as a prefix. `protocol/SPEC.md` describes the format.
//!
//! The code is pure, bytes in and bytes out. [`PIECE_BYTES_MAX`] and [`WINDOW_BYTES_MAX`] bound its memory. The output
//! needs no trust, because the receiver checks the blob's hash.

mod apply;
mod bytes;
mod deflate;
mod error;
mod format;
mod layout;
mod limits;
mod make;
mod map;
mod survey;
#[cfg(test)]
mod tests;
mod window;
mod work;

pub use self::bytes::Bytes;
pub use apply::Applying;
pub use error::PatchError;
pub use format::MAGIC;
pub use limits::{PIECE_BYTES_MAX, STEPS_BYTES_MAX, WINDOW_BYTES_MAX};
pub use make::make;
pub use survey::{Survey, kinship, survey};
