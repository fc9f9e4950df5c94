//! The switchover: two machines, one on each side, as pure functions of their last durable record.
//!
//! `next(record)` is the command to carry out, `says(record)` the message to repeat while nothing
//! changes, `on(record, input)` what an input leads to. A crash loses nothing but the input: after it
//! the same functions go on from the same record, so recovery is normal progress.
//!
//! The design, its promises and its invariants: `SPEC.md`, "Switchover".

pub mod last_record;
pub mod offer;
mod outcome;
pub mod relay;
pub mod source;
pub mod table;
pub mod target;

pub use self::outcome::{Ignored, Outcome};
pub use crate::migration::{CommitStamp, Handover, Head, Profile, Root, Signature, Terms};
pub use crate::text::Cause;
