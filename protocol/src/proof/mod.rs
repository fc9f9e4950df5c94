//! Proofs: a decision as signed text, so that a person can carry what the link does not.
//!
//! Carrying a proof is the same as delivering the message: it is checked, turned into the message, and
//! given to the machine. Nothing is trusted but the signature and the pins.

mod armour;
mod check;
mod statement;

pub use self::armour::BadArmour;
pub use self::check::ProofRefused;
pub use self::statement::{CONTEXT, ED25519_SPKI_BEGIN, Proof, Statement, Verdict, pin_of_key};
