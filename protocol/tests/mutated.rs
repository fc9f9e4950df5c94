//! Golden bytes, damaged: whatever a peer, a disk or a mail may have made of them is decoded or refused, and what decodes
//! has one form. The targets of `fuzz/` without a fuzzer: `MUTATIONS=n` for more, `SEED=n` for others.

use std::fs;
use std::path::Path;

use modelferry_protocol::codec::{decode, encode};
use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{CONTROL_FRAME_BYTES_MAX, FRAME_HEADER_BYTES};
use modelferry_protocol::message::{ChunkHeader, FrameHeader, Message};
use modelferry_protocol::proof::Proof;
use modelferry_protocol::record::Entry;
use modelferry_protocol::snapshot::Snapshot;
use modelferry_protocol::stream::StreamFrame;

/// Mutants that each of the decoders gets.
const MUTATIONS: u64 = 20_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What looks random follows from the seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }

    /// Damages `bytes` once: a bit, a byte, a length, a piece of it or of another.
    fn damage(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        match self.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 251, 252, 253, 255][self.below(8)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, self.below(256) as u8),
            4 if !bytes.is_empty() => drop(bytes.remove(at)),
            // A number of eight bytes, as bincode writes it: a length bomb where a length stood.
            5 => drop(bytes.splice(at..at, [&[253][..], &(1_u64 << self.below(64)).to_le_bytes()].concat())),
            _ => {
                let other = &others[self.below(others.len())];
                let from = self.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
        }
    }
}

/// Returns the golden bytes whose files begin so.
fn golden(prefix: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with(prefix));
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let digits: Vec<u32> = fs::read_to_string(path).unwrap().chars().filter_map(|c| c.to_digit(16)).collect();
        digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
    };
    files.iter().map(read).collect()
}

/// Gives `check` the golden bytes damaged up to four times, and counts what it still takes.
fn mutated(goldens: &[Vec<u8>], check: impl Fn(&[u8]) -> bool) {
    assert!(!goldens.is_empty());
    let (count, seed) = (number("MUTATIONS", MUTATIONS), number("SEED", 1));
    let (mut dice, mut taken) = (Dice(seed), 0);
    for _ in 0..count {
        let mut bytes = goldens[dice.below(goldens.len())].clone();
        for _ in 0..=dice.below(4) {
            dice.damage(&mut bytes, goldens);
        }
        taken += u64::from(check(&bytes));
    }
    // Neither nothing nor everything: else the mutants would tell of nothing.
    assert!(taken > 0 && taken < count, "{taken} of {count} were taken");
    println!("seed {seed}: {count} mutants, of which {taken} decode");
}

#[test]
fn a_mutated_frame_decodes_or_is_refused_and_has_one_value() {
    let mut goldens = golden("message-");
    goldens.extend(golden("chunk-"));
    goldens.extend(golden("stream-"));
    mutated(&goldens, |bytes| {
        let Some((header, body)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else { return false };
        let Ok(header) = FrameHeader::parse(*header, CONTROL_FRAME_BYTES_MAX) else { return false };
        let body = &body[..body.len().min(header.body_bytes as usize)];
        let message = Message::from_body(header.kind, body).ok();
        if let Some(message) = &message {
            let again = message.to_frame();
            assert_eq!(&Message::from_body(header.kind, &again[FRAME_HEADER_BYTES..]).unwrap(), message);
        }
        let chunk = ChunkHeader::from_body(header.kind, body).ok();
        if let Some(chunk) = &chunk {
            let again = chunk.to_frame();
            assert_eq!(&ChunkHeader::from_body(header.kind, &again[FRAME_HEADER_BYTES..]).unwrap(), chunk);
        }
        let stream = StreamFrame::from_body(header.kind, body).ok();
        if let Some(stream) = &stream {
            let again = stream.to_frame();
            assert_eq!(&StreamFrame::from_body(header.kind, &again[FRAME_HEADER_BYTES..]).unwrap(), stream);
        }
        message.is_some() || chunk.is_some() || stream.is_some()
    });
}

#[test]
fn a_mutated_record_decodes_or_is_refused_and_has_one_value() {
    mutated(&golden("entry-"), |bytes| {
        let entry = decode::<Entry>(bytes).ok();
        if let Some(entry) = &entry {
            assert_eq!(&decode::<Entry>(&encode(entry)).unwrap(), entry);
        }
        entry.is_some()
    });
}

#[test]
fn a_mutated_snapshot_or_proof_is_what_it_was_or_is_refused() {
    mutated(&golden("snapshot."), |bytes| {
        let opened = Snapshot::open(bytes, Hash::of(bytes)).ok();
        if let Some(snapshot) = &opened {
            assert_eq!(snapshot.seal().unwrap().0, bytes, "what is hashed has no second form");
        }
        opened.is_some()
    });
    mutated(&golden("proof-text"), |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        text.parse::<Proof>().is_ok()
    });
}
