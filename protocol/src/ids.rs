//! Identities: of migrations, models, journals, agents and content.

use std::fmt;
use std::str::FromStr;

use crate::codec::{Decode, Encode};

/// Text that is no identity of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct BadId {
    /// What was given.
    pub text: String,
    /// What would have been right, with its article.
    pub expected: &'static str,
}

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn parse_hex<const N: usize>(text: &str, expected: &'static str) -> Result<[u8; N], BadId> {
    let bad = || BadId { text: text.chars().take(80).collect(), expected };
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return Err(bad());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| (digit as char).to_digit(16).ok_or_else(bad);
        *byte = (nibble(pair[0])? << 4 | nibble(pair[1])?) as u8;
    }
    Ok(bytes)
}

macro_rules! hex_id {
    ($(#[$meta:meta])* $name:ident, $bytes:literal, $expected:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
        pub struct $name(pub [u8; $bytes]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(f, &self.0[..4])
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                parse_hex(text, $expected).map(Self)
            }
        }
    };
}

hex_id!(
    /// Names one migration for ever: 16 random bytes, never reused. Short form in prose: `mid`.
    MigrationId, 16, "a migration id of 32 hexadecimal digits");
hex_id!(
    /// Names one journal: 16 random bytes made with it, so that a lost or replaced one is noticed.
    JournalId, 16, "a journal id of 32 hexadecimal digits");
hex_id!(
    /// BLAKE3 of some bytes: of a chunk, a blob, or (as root) of a sealed snapshot.
    Hash, 32, "a BLAKE3 hash of 64 hexadecimal digits");
hex_id!(
    /// SHA-256 of an agent's public key (SubjectPublicKeyInfo): what pairing pins.
    Pin, 32, "a pin of 64 hexadecimal digits");

impl Hash {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl From<blake3::Hash> for Hash {
    fn from(hash: blake3::Hash) -> Self {
        Self(*hash.as_bytes())
    }
}

/// A model's UUID, printed as Juju prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct ModelUuid(pub [u8; 16]);

impl fmt::Display for ModelUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, group) in [0..4, 4..6, 6..8, 8..10, 10..16].into_iter().enumerate() {
            if index > 0 {
                f.write_str("-")?;
            }
            write_hex(f, &self.0[group])?;
        }
        Ok(())
    }
}

impl fmt::Debug for ModelUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ModelUuid {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        const EXPECTED: &str = "a UUID such as d1924666-1b00-4805-89b5-5ed5a6744426";
        let bad = || BadId { text: text.chars().take(80).collect(), expected: EXPECTED };
        let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        if text.len() != 36 || dashes != [8, 13, 18, 23] {
            return Err(bad());
        }
        parse_hex(&text.replace('-', ""), EXPECTED).map(Self).map_err(|_| bad())
    }
}

/// Counts changes of a model's ownership, per model: its owner holds it at some epoch, a migration
/// offers the next.
pub type Epoch = u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_printed_as_it_was_read() {
        let text = "d1924666-1b00-4805-89b5-5ed5a6744426";
        assert_eq!(text.parse::<ModelUuid>().unwrap().to_string(), text);
    }

    #[test]
    fn a_uuid_with_dashes_out_of_place_is_refused() {
        for text in
            ["", "d19246661b00480589b55ed5a6744426", "d192466-61b00-4805-89b5-5ed5a6744426", "é".repeat(18).as_str()]
        {
            assert!(text.parse::<ModelUuid>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_hash_is_printed_as_it_was_read() {
        let hash = Hash::of(b"model");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("é".repeat(32).parse::<Hash>().is_err());
    }
}
