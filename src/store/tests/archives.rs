//! Tests of cuts that follow the members of zip archives.

use std::collections::HashSet;
use std::io::{Cursor, Write};
use std::sync::Arc;

use fastcdc::v2020::StreamCDC;
use modelferry_protocol::limits::{CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};
use proptest::prelude::*;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::super::cut::Cutting;
use super::super::members::Members;
use super::*;

/// Options for writing a test archive.
#[derive(Debug, Clone, Copy)]
struct Way {
    year: u16,
    level: i64,
    /// Whether sizes follow the data, as in an archive written to a stream.
    is_streamed: bool,
    is_zip64: bool,
    /// Bytes before the archive.
    junk_bytes: usize,
}

const PLAIN: Way = Way { year: 2025, level: 6, is_streamed: false, is_zip64: false, junk_bytes: 0 };

/// Returns the files of a charm: many small text files, some libraries, one large file.
fn tree() -> Vec<(String, Vec<u8>)> {
    let text = |n: u64, bytes: usize| -> Vec<u8> {
        let words =
            noise(n, bytes).into_iter().flat_map(|byte| format!("def f{byte}(self): return {n}\n").into_bytes());
        words.take(bytes).collect()
    };
    let small = (0..150_u64).map(|n| (format!("lib/m{n}.py"), text(n, 3_000 + 290 * n as usize)));
    let tiny = (0..30_u64).map(|n| (format!("lib/empty{n}/__init__.py"), text(n, 40)));
    let large = [("lib/a.so".to_owned(), noise(900, 700_000)), ("lib/b.so".to_owned(), text(901, 2_000_000))];
    small.chain(tiny).chain(large).collect()
}

fn fill<W: Write + std::io::Seek>(mut writer: ZipWriter<W>, files: &[(String, Vec<u8>)], way: Way) -> ZipWriter<W> {
    for (n, (name, content)) in files.iter().enumerate() {
        let time = DateTime::from_date_and_time(way.year, 1 + n as u8 % 12, 7, n as u8 % 24, 30, 0).unwrap();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(way.level))
            .last_modified_time(time)
            .large_file(way.is_zip64);
        writer.start_file(name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer
}

fn zipped(files: &[(String, Vec<u8>)], way: Way) -> Vec<u8> {
    let archive = match way.is_streamed {
        true => fill(ZipWriter::new_stream(Vec::new()), files, way).finish().map(StreamWriter::into_inner).unwrap(),
        false => fill(ZipWriter::new(Cursor::new(Vec::new())), files, way).finish().unwrap().into_inner(),
    };
    [noise(7, way.junk_bytes), archive].concat()
}

fn chunks(content: &[u8]) -> Vec<ChunkRef> {
    let (_dir, store) = store();
    let blob = store.put_bytes(content).unwrap();
    all_pages(&store, blob).iter().flat_map(|page| page.chunks.to_vec()).collect()
}

/// Returns the fraction of the bytes of `new` that occur in chunks of `old`.
fn shared(old: &[u8], new: &[u8]) -> f64 {
    let held: HashSet<Hash> = chunks(old).iter().map(|chunk| chunk.hash).collect();
    let found = chunks(new).iter().filter(|chunk| held.contains(&chunk.hash)).map(|chunk| chunk.bytes as usize).sum();
    let found: usize = found;
    found as f64 / new.len() as f64
}

/// Returns the cuts of a file that is not an archive.
fn plain_cuts(content: &[u8]) -> Vec<ChunkRef> {
    let (least, average, most) = (CHUNK_BYTES_MIN, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MAX);
    let chunks = StreamCDC::new(content, least as usize, average as usize, most as usize);
    chunks.map(|chunk| chunk_ref(&chunk.unwrap().data)).collect()
}

#[test]
fn an_archive_written_again_with_other_times_shares_its_members() {
    let files = tree();
    for way in [
        PLAIN,
        Way { level: 9, ..PLAIN },
        Way { is_streamed: true, ..PLAIN },
        Way { is_zip64: true, ..PLAIN },
        Way { junk_bytes: 1000, ..PLAIN },
    ] {
        let again = Way { year: 2026, junk_bytes: way.junk_bytes * 2, ..way };
        let (old, new) = (zipped(&files, way), zipped(&files, again));
        assert!(shared(&old, &new) >= 0.96, "{way:?}: {}", shared(&old, &new));
    }
}

#[test]
fn an_archive_with_one_changed_file_shares_the_others() {
    let old = tree();
    let mut new = old.clone();
    new[75].1.extend(b"# a line more\n");
    let part = shared(&zipped(&old, PLAIN), &zipped(&new, PLAIN));
    assert!(part >= 0.965, "{part}");
}

#[test]
fn members_too_small_for_a_line_of_their_own_stay_together() {
    let files: Vec<_> = (0..5_000).map(|n| (format!("empty/{n}"), noise(n, 60))).collect();
    let archive = zipped(&files, PLAIN);
    assert!(chunks(&archive).len() <= archive.len() / CHUNK_BYTES_MIN as usize + 1);
}

#[test]
fn what_is_no_archive_is_cut_as_ever() {
    let content = noise(3, 900_000);
    assert!(chunks(&content) == plain_cuts(&content));
    let archive = zipped(&tree(), PLAIN);
    // Without its end the archive has no list of members. Without its beginning, some members are missing.
    for part in [&archive[..archive.len() - 100], &archive[300_000..]] {
        assert!(chunks(part) == plain_cuts(part));
    }
}

#[test]
fn an_archive_whose_members_overlap_is_cut_as_ever() {
    let files: Vec<_> = (0..3).map(|n| (format!("f{n}"), noise(n, 50_000))).collect();
    let mut archive = zipped(&files, PLAIN);
    let entry = |archive: &[u8], from: usize| {
        let found = archive[from..].windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        from + found
    };
    let first = entry(&archive, 0);
    let second = entry(&archive, first + 4);
    // Point the second central directory entry at the first entry's local header.
    archive.copy_within(first + 42..first + 46, second + 42);
    assert!(chunks(&archive) == plain_cuts(&archive));
}

#[test]
fn an_archive_of_many_pages_is_cut_the_same_from_any_of_them() {
    let files: Vec<_> = (0..1_200).map(|n| (format!("f{n}"), noise(n, 700))).collect();
    let (dir, store) = store();
    let blob = store.put_bytes(&zipped(&files, PLAIN)).unwrap();
    let pages = all_pages(&store, blob);
    assert!(pages.len() > 2);
    drop(store);
    fs::remove_file(dir.path().join("state.redb")).unwrap();
    for (index, page) in pages.iter().enumerate() {
        // A reopened store has no cached archive members.
        assert_eq!(open(dir.path()).page(blob, index as u32).unwrap(), *page);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_archive_is_cut_whole(cut_at in 0.0..=1.0_f64, damage in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 0..40)) {
        let files: Vec<_> = (0..12).map(|n| (format!("f{n}"), noise(n, 900))).collect();
        let mut archive = zipped(&files, PLAIN);
        archive.truncate((archive.len() as f64 * cut_at.sqrt().sqrt()) as usize);
        // Put most of the damage into the central directory.
        let begin = archive.len() * 4 / 5;
        for (at, byte) in damage {
            let at = begin + ((archive.len() - begin) as f64 * at) as usize;
            if let Some(damaged) = archive.get_mut(at) {
                *damaged = byte;
            }
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&archive).unwrap();
        let members = Arc::new(Members::of(&file, archive.len() as u64));
        let page = Cutting::begin(&file, Path::new("archive"), blob_of(&archive), members).page(0, 0).unwrap();
        prop_assert!(page.last && page.check(0, 0, archive.len() as u64).is_ok());
    }
}
