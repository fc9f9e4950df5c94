//! Texts of bounded length.

use crate::codec::Text;
use crate::limits::{NAME_BYTES_MAX, TEXT_BYTES_MAX};

/// A name: of a model, user, controller, charm, application.
pub type Name = Text<NAME_BYTES_MAX>;

/// Why something ended, in words for people. The first cause of a migration is never overwritten.
pub type Cause = Text<TEXT_BYTES_MAX>;
