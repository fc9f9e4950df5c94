//! Tests that a patch and its base reproduce the blob exactly, for any two blobs, and that invalid patches are refused.

use std::io::{self, Cursor, Read, Write};
use std::sync::atomic::AtomicBool;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

static GOES_ON: AtomicBool = AtomicBool::new(false);

fn patch(new: &[u8], base: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let bytes = make(new, base, &mut out, u64::MAX, &GOES_ON).unwrap();
    assert_eq!(bytes, out.len() as u64);
    out
}

fn apply(patch: &[u8], base: &[u8], bytes: usize) -> io::Result<Vec<u8>> {
    let mut new = Vec::new();
    Applying::begin(base, patch, bytes as u64, &GOES_ON)?.read_to_end(&mut new)?;
    Ok(new)
}

fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new_derive_key("modelferry test noise").update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

/// Returns text that deflate compresses to a third.
fn lines(seed: u64, bytes: usize) -> Vec<u8> {
    let line = |byte: u8| format!("self.field_{byte} = config.get(\"{}\")\n", byte % 7).into_bytes();
    noise(seed, bytes / 16).into_iter().flat_map(line).take(bytes).collect()
}

/// Returns an archive of these members, deflated at `level`; 0 stores them.
fn zip(members: &[(String, Vec<u8>)], level: i64) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let method = if level == 0 { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default().compression_method(method);
        let options = if level == 0 { options } else { options.compression_level(Some(level)) };
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::new(level));
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

fn tree(seed: u64) -> Vec<(String, Vec<u8>)> {
    (0..30).map(|n| (format!("lib/m{n}.py"), lines(seed + n, 20_000))).collect()
}

#[test]
fn an_archive_packed_again_at_another_level_costs_next_to_nothing() {
    let (base, new) = (zip(&tree(1), 6), zip(&tree(1), 9));
    let made = patch(&new, &base);
    assert_eq!(apply(&made, &base, new.len()).unwrap(), new);
    assert!(made.len() * 50 < new.len(), "{} of {}", made.len(), new.len());
    assert!(survey(&new[..], &base[..]).unwrap().opened >= 20 * 30_000);
}

#[test]
fn a_changed_line_costs_a_line_also_in_a_gzip_file() {
    let old = lines(1, 3 << 20);
    let new = [&old[..1 << 20], b"another line\n", &old[1 << 20..]].concat();
    let (base, new) = (gzip(&old, 6), gzip(&new, 6));
    let made = patch(&new, &base);
    assert_eq!(apply(&made, &base, new.len()).unwrap(), new);
    assert!(made.len() < 1000, "{} of {}", made.len(), new.len());
}

#[test]
fn what_zlib_does_not_make_is_taken_as_it_is() {
    // A stored block between deflated ones: no level of zlib produces that for such content.
    let mut foreign = DeflateEncoder::new(Vec::new(), Compression::new(6));
    foreign.write_all(&lines(1, 50_000)).unwrap();
    foreign.flush().unwrap();
    foreign.write_all(&lines(2, 50_000)).unwrap();
    let stream = foreign.finish().unwrap();
    let new = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &stream, &[0; 8]].concat();
    let base = [&new[..500], &[1, 2, 3], &new[500..]].concat();
    let made = patch(&new, &base);
    assert_eq!(apply(&made, &base, new.len()).unwrap(), new);
    assert!(made.len() < 500, "{}", made.len());
}

#[test]
fn content_that_moved_far_within_a_large_part_is_found_again() {
    let (first, second) = (noise(1, 12 << 20), noise(2, 12 << 20));
    // With pieces of 8 MiB and a window of 24 MiB, no byte would be next to its old position.
    let old = [&first[..], &second].concat();
    let new = [&noise(3, 5 << 20)[..], &first, &noise(4, 3 << 20), &second].concat();
    let made = patch(&new, &old);
    assert_eq!(apply(&made, &old, new.len()).unwrap(), new);
    assert!(made.len() < 9 << 20, "{}", made.len());
}

#[test]
fn an_archive_of_zeros_is_refused_on_both_sides() {
    let zeros: Vec<_> = (0..100).map(|n| (format!("m{n}"), vec![n as u8; 4 << 20])).collect();
    let bomb = zip(&zeros, 9);
    let mut out = Vec::new();
    assert!(matches!(make(&bomb[..], &b"base"[..], &mut out, u64::MAX, &GOES_ON), Err(PatchError::Bomb)));
    // A tiny patch that would make the target compress for hours.
    let mut made = format::MAGIC.to_vec();
    let plain = zstd::bulk::compress(&vec![0; PIECE_BYTES_MAX], 1).unwrap();
    let mut writer = format::StepWriter::default();
    writer.push(format::Step::Deflate { level: 9, bytes: PIECE_BYTES_MAX as u64, ends: true });
    let steps = zstd::bulk::compress(&writer.bytes, 1).unwrap();
    for _ in 0..1000 {
        let head = format::Head {
            steps: writer.bytes.len(),
            steps_wire: steps.len(),
            plain: PIECE_BYTES_MAX,
            plain_wire: plain.len(),
        };
        head.write(&mut made);
        made.extend(steps.iter().chain(&plain));
    }
    let refused = apply(&made, b"base", 50_000).unwrap_err();
    assert!(refused.to_string().contains("times as large") || refused.to_string().contains("more than"), "{refused}");
}

#[test]
fn a_patch_that_may_not_be_so_large_is_given_up() {
    let (base, new) = (noise(1, 100_000), noise(2, 100_000));
    let mut out = Vec::new();
    let refused = make(&new[..], &base[..], &mut out, 50_000, &GOES_ON);
    assert!(matches!(refused, Err(PatchError::TooLarge { bytes_max: 50_000 })));
    assert!(out.len() <= 50_000);
}

#[test]
fn work_that_nobody_waits_for_ends() {
    let (base, new) = (zip(&tree(1), 6), zip(&tree(1), 9));
    let stopped = AtomicBool::new(true);
    let mut out = Vec::new();
    assert!(matches!(make(&new[..], &base[..], &mut out, u64::MAX, &stopped), Err(PatchError::Stopped)));
    let made = patch(&new, &base);
    let mut applying = Applying::begin(&base[..], &made[..], new.len() as u64, &stopped).unwrap();
    assert!(applying.read_to_end(&mut Vec::new()).is_err());
}

#[test]
fn another_base_makes_another_blob_or_none() {
    let (base, new) = (zip(&tree(1), 6), zip(&tree(1), 9));
    let made = patch(&new, &base);
    assert!(apply(&made, &zip(&tree(2), 6), new.len()).map_or(true, |other| other != new));
    assert!(apply(&made, &base[..base.len() / 2], new.len()).is_err());
    assert!(apply(&made[..made.len() - 1], &base, new.len()).is_err());
    assert!(apply(&made, &base, new.len() - 1).is_err());
    assert!(apply(&made, &base, new.len() + 1).is_err());
    assert!(apply(b"PK\x03\x04", &base, new.len()).is_err());
}

/// Mutates patches in a few places: bits, bytes, numbers that are bombs, ends, repeated pieces.
#[test]
fn a_damaged_patch_makes_something_else_or_nothing() {
    let small = |seed: u64| (0..6).map(|n| (format!("lib/m{n}.py"), lines(seed + n, 4000))).collect::<Vec<_>>();
    let (base, new) = (zip(&small(1), 6), zip(&small(2), 9));
    let made = patch(&new, &base);
    let dice = noise(7, 12 * 2000);
    let (mut taken, mut refused) = (0, 0);
    for dice in dice.chunks(12) {
        let mut mutant = made.clone();
        for dice in dice.chunks(4).take(1 + usize::from(dice[0] % 3)) {
            // Mostly near the beginning, where the steps are.
            let place = usize::from(u16::from_le_bytes([dice[0], dice[1]]));
            let at = if dice[2] % 2 == 0 { place % mutant.len().min(200) } else { place % mutant.len() };
            match dice[3] % 6 {
                0 => mutant.truncate(at.max(8)),
                1 => mutant[at] = [0, 1, 0x7f, 0x80, 0xff][usize::from(dice[2] % 5)],
                2 => drop(mutant.splice(at..at, [0xff; 9])),
                3 => drop(mutant.remove(at)),
                4 => mutant.extend_from_within(at..),
                _ => mutant[at] ^= 1 << (dice[2] % 8),
            }
        }
        // No panic, and no more bytes than requested.
        match apply(&mutant, &base, new.len()) {
            Ok(other) => {
                assert_eq!(other.len(), new.len());
                taken += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(taken > 0 && refused > taken, "{taken} taken, {refused} refused");
}

/// Generates contents, some of which resemble others.
fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        (0..4_u64, 0..60_000_usize).prop_map(|(seed, bytes)| lines(seed, bytes)),
        (0..4_u64, 0..60_000_usize).prop_map(|(seed, bytes)| noise(seed, bytes)),
    ]
}

fn members() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    prop::collection::btree_map("[a-c]{1,2}[0-9]", content(), 0..6).prop_map(|members| members.into_iter().collect())
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    let whole = prop_oneof![
        content(),
        (members(), 0..=9_i64).prop_map(|(members, level)| zip(&members, level)),
        (content(), 0..=9_u32).prop_map(|(content, level)| gzip(&content, level)),
    ];
    // Damages some: archives that are inconsistent or truncated.
    (whole, any::<prop::sample::Index>(), 0..6_u8).prop_map(|(mut bytes, at, damage)| {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            match damage {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 0x41,
                _ => {}
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn any_blob_comes_out_of_any_base_and_its_patch(new in blob(), base in blob()) {
        let mut made = Vec::new();
        // The opened content may exceed the limit. Nothing else may prevent a patch.
        match make(&new[..], &base[..], &mut made, u64::MAX, &GOES_ON) {
            Err(PatchError::Bomb) => {}
            outcome => {
                outcome.unwrap();
                prop_assert_eq!(apply(&made, &base, new.len()).unwrap(), new);
            }
        }
    }

    #[test]
    fn zlib_makes_the_same_however_it_is_fed(content in content(), level in 1..=9_u8, feeds in prop::collection::vec(1..9000_usize, 1..20)) {
        let deflated = |feeds: &mut dyn Iterator<Item = usize>| {
            let mut deflating = deflate::Deflating::at(level);
            let (mut rest, mut out) = (&content[..], Vec::new());
            loop {
                let some = feeds.next().unwrap_or(usize::MAX).min(rest.len());
                let (now, later) = rest.split_at(some);
                rest = later;
                deflating.feed(now, rest.is_empty(), |made| { out.extend_from_slice(made); Ok(true) }).unwrap();
                if rest.is_empty() {
                    return out;
                }
            }
        };
        prop_assert_eq!(deflated(&mut feeds.into_iter()), deflated(&mut std::iter::empty()));
    }
}
