//! Pairing: a one-time code, and the proofs that turn it into two pins.
//!
//! The code carries 80 random bits. Each side proves that it knows them, over the keying material that
//! TLS exported for this very connection and over both pins, so that nobody in between can pair.

use std::fmt;
use std::str::FromStr;

use ring::hmac;

use crate::codec::{Decode, Encode};
use crate::ids::Pin;
use crate::snapshot::Name;

/// Bytes of the secret in a code.
pub const SECRET_BYTES: usize = 10;
/// Bytes of exported keying material that a proof covers.
pub const EXPORTER_BYTES: usize = 32;
/// Label under which TLS exports it.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER modelferry-pair/1";
/// Seconds for which an offer is open.
pub const OFFER_SECONDS: u64 = 600;
/// Crockford's base 32 and, for the check character alone, five more.
const ALPHABET: &[u8; 37] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

/// A one-time pairing code: 16 characters in groups of four, and a check character.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code([u8; SECRET_BYTES]);

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A code in a log would pair whoever reads it.
        f.write_str("Code(…)")
    }
}

/// Text that is no pairing code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCode {
    /// It is too long or too short.
    #[error(
        "a pairing code has 16 characters and a check character, this has {0} in all; copy the whole line that `pair offer` printed"
    )]
    Length(usize),
    /// A character that no code has.
    #[error("`{0}` is in no pairing code; copy the line that `pair offer` printed")]
    Character(char),
    /// The check character does not fit: something was mistyped.
    #[error(
        "the pairing code is mistyped: its check character does not fit; compare it with what `pair offer` printed"
    )]
    Check,
}

impl Code {
    /// Makes a code of 80 random bits.
    pub fn new(secret: [u8; SECRET_BYTES]) -> Self {
        Self(secret)
    }

    fn number(&self) -> u128 {
        self.0.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    /// Returns the proof of `side` that it knows the code.
    ///
    /// `exporter`: what TLS exported under [`EXPORTER_LABEL`]. `offering`, `accepting`: the pins of the
    /// two sides as each sees them.
    pub fn proof(&self, side: Side, exporter: &[u8; EXPORTER_BYTES], offering: Pin, accepting: Pin) -> [u8; 32] {
        let tag = hmac::sign(&self.key(), &message(side, exporter, offering, accepting));
        tag.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    /// Reports, in constant time, whether `proof` is the one that `side` would give.
    pub fn verify(
        &self,
        proof: &[u8; 32],
        side: Side,
        exporter: &[u8; EXPORTER_BYTES],
        offering: Pin,
        accepting: Pin,
    ) -> bool {
        hmac::verify(&self.key(), &message(side, exporter, offering, accepting), proof).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

/// Which side of a pairing proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Ran `pair offer`.
    Offering,
    /// Ran `pair accept`. Proves first.
    Accepting,
}

fn message(side: Side, exporter: &[u8; EXPORTER_BYTES], offering: Pin, accepting: Pin) -> Vec<u8> {
    let context: &[u8] = match side {
        Side::Offering => b"modelferry-pair/1 offering\0",
        Side::Accepting => b"modelferry-pair/1 accepting\0",
    };
    [context, exporter, &offering.0, &accepting.0].concat()
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        for index in 0..16 {
            if index > 0 && index % 4 == 0 {
                f.write_str("-")?;
            }
            let digit = (number >> (75 - 5 * index)) as usize & 31;
            write!(f, "{}", ALPHABET[digit] as char)?;
        }
        write!(f, "-{}", ALPHABET[(number % 37) as usize] as char)
    }
}

impl FromStr for Code {
    type Err = BadCode;

    fn from_str(text: &str) -> Result<Self, BadCode> {
        let mut digits = Vec::new();
        for character in text.chars().filter(|character| !matches!(character, '-' | ' ' | '\t')) {
            let read = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let digit = ALPHABET.iter().position(|known| *known as char == read);
            digits.push(digit.ok_or(BadCode::Character(character))?);
        }
        let [secret @ .., check] = digits.as_slice() else { return Err(BadCode::Length(0)) };
        if secret.len() != 16 {
            return Err(BadCode::Length(digits.len()));
        }
        if secret.iter().any(|digit| *digit > 31) {
            return Err(BadCode::Check);
        }
        let number = secret.iter().fold(0_u128, |number, digit| number << 5 | *digit as u128);
        if (number % 37) as usize != *check {
            return Err(BadCode::Check);
        }
        let bytes = number.to_be_bytes();
        Ok(Self(bytes[bytes.len() - SECRET_BYTES..].try_into().expect("a slice of that length")))
    }
}

/// What the accepting side sends, alone on its stream, within one KiB.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PairRequest {
    /// What the accepting side suggests to be called.
    pub name: Name,
    /// The port at which it can be dialled.
    pub port: u16,
    /// Its proof.
    pub proof: [u8; 32],
}

/// What the offering side answers to a right proof; a wrong one ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct PairResponse {
    /// What the offering side suggests to be called.
    pub name: Name,
    /// Its proof.
    pub proof: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PINS: (Pin, Pin) = (Pin([1; 32]), Pin([2; 32]));

    proptest! {
        #[test]
        fn a_code_survives_being_typed(secret: [u8; SECRET_BYTES]) {
            let code = Code::new(secret);
            let typed = code.to_string().to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
            prop_assert_eq!(typed.parse::<Code>().unwrap(), code);
        }

        #[test]
        fn one_mistyped_character_is_noticed(secret: [u8; SECRET_BYTES], at in 0_usize..16, other in 0_usize..32) {
            let text = Code::new(secret).to_string();
            let at = at + at / 4;
            let mut mistyped: Vec<u8> = text.bytes().collect();
            prop_assume!(mistyped[at] != ALPHABET[other]);
            mistyped[at] = ALPHABET[other];
            prop_assert_eq!(String::from_utf8(mistyped).unwrap().parse::<Code>(), Err(BadCode::Check));
        }
    }

    #[test]
    fn a_code_has_16_characters_in_groups_and_a_check_character() {
        assert_eq!(Code::new([0; 10]).to_string(), "0000-0000-0000-0000-0");
        assert_eq!(Code::new([0xff; 10]).to_string().len(), 21);
    }

    #[test]
    fn a_code_never_reaches_a_log() {
        assert_eq!(format!("{:?}", Code::new([7; 10])), "Code(…)");
    }

    #[test]
    fn text_that_is_no_code_is_refused() {
        assert_eq!("".parse::<Code>(), Err(BadCode::Length(0)));
        assert_eq!("0000-0000".parse::<Code>(), Err(BadCode::Length(8)));
        assert_eq!("0000-0000-0000-000?-0".parse::<Code>(), Err(BadCode::Character('?')));
        assert_eq!("U000-0000-0000-0000-0".parse::<Code>(), Err(BadCode::Check));
    }

    #[test]
    fn a_proof_holds_for_one_connection_one_side_and_one_pair_of_pins() {
        let code = Code::new([3; 10]);
        let proof = code.proof(Side::Accepting, &[9; 32], PINS.0, PINS.1);
        assert!(code.verify(&proof, Side::Accepting, &[9; 32], PINS.0, PINS.1));
        assert!(!code.verify(&proof, Side::Offering, &[9; 32], PINS.0, PINS.1));
        assert!(!code.verify(&proof, Side::Accepting, &[8; 32], PINS.0, PINS.1));
        assert!(!code.verify(&proof, Side::Accepting, &[9; 32], PINS.1, PINS.0));
        assert!(!Code::new([4; 10]).verify(&proof, Side::Accepting, &[9; 32], PINS.0, PINS.1));
    }
}
