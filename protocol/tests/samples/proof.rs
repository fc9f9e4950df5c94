//! A proof, signed by a key that everybody knows.

use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::proof::{Proof, Statement, Verdict, pin_of_key};
use ring::signature::{Ed25519KeyPair, KeyPair};

pub const MID: MigrationId = MigrationId([0x11; 16]);
pub const JOURNAL: JournalId = JournalId([0x22; 16]);
pub const MODEL: ModelUuid = ModelUuid([0x33; 16]);
pub const ROOT: Hash = Hash([0x44; 32]);

pub fn signed(statement: Statement, key: &Ed25519KeyPair) -> Proof {
    let signature = key.sign(&statement.signed_bytes()).as_ref().try_into().unwrap();
    Proof { statement, key: key.public_key().as_ref().try_into().unwrap(), signature }
}

pub fn key(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

pub fn pin(seed: u8) -> Pin {
    pin_of_key(key(seed).public_key().as_ref().try_into().unwrap())
}

/// The commit of a source whose seed is all 1, for a target whose seed is all 2.
pub fn committed() -> Proof {
    let statement = Statement {
        verdict: Verdict::Commit,
        mid: MID,
        model: MODEL,
        epoch_to: 2,
        root: Some(ROOT),
        source: pin(1),
        target: pin(2),
        journal: JOURNAL,
        time_ms: 1_767_225_600_000,
    };
    signed(statement, &key(1))
}
