//! Checks of charms and agent binaries as their bytes pass: whether a charm is a zip archive of a charm, by its ends, and
//! whether an agent binary is a gzip-compressed tar, by its beginning.

use std::io::Read;

use flate2::read::GzDecoder;

/// What the first file of an archive begins with.
const FILE_HEAD: &[u8] = b"PK\x03\x04";
/// What the record at an archive's end begins with.
const END_HEAD: &[u8] = b"PK\x05\x06";
/// Bytes of that record, without its comment.
const END_BYTES: usize = 22;
/// Bytes of an archive's end in which the record is: behind it there may be a comment of as many bytes as two can count.
const TAIL_BYTES: usize = END_BYTES + u16::MAX as usize;
/// What each entry of an archive's directory begins with.
const ENTRY_HEAD: &[u8] = b"PK\x01\x02";
/// Bytes of an entry, without the file's name and what follows it.
const ENTRY_BYTES: usize = 46;
/// Bytes of an archive's end that are kept. The directory of 40,000 files is about as long; of a longer one it is not
/// checked which files it names.
const KEPT_BYTES: usize = 4 << 20;
/// Files of which every charm has one: Juju reads the first, and charmcraft writes the first out of the second.
const OF_CHARMS: [&[u8]; 2] = [b"metadata.yaml", b"charmcraft.yaml"];
/// Bytes of an agent binary's beginning that are kept: enough to unpack the first block of a tar.
const HEAD_BYTES: usize = 16 << 10;
/// Bytes of a block of a tar.
const TAR_BLOCK_BYTES: usize = 512;
/// Where a tar's first block says that it is one.
const TAR_MAGIC_AT: usize = 257;

/// The ends of what has passed.
#[derive(Default)]
pub(super) struct ZipEnds {
    head: Vec<u8>,
    tail: Vec<u8>,
    bytes: u64,
}

impl ZipEnds {
    /// Takes what passes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let missing = FILE_HEAD.len() - self.head.len();
        self.head.extend(bytes.iter().take(missing));
        self.bytes += bytes.len() as u64;
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(KEPT_BYTES)..]);
        // Cut rarely, so that short reads do not move the whole tail each time.
        if self.tail.len() > 2 * KEPT_BYTES {
            self.tail.drain(..self.tail.len() - KEPT_BYTES);
        }
    }

    /// Returns what keeps the bytes, to their end, from being the archive of a charm.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.bytes == 0 {
            return Some("is empty");
        }
        if self.head != FILE_HEAD {
            return Some("is no zip archive");
        }
        let Some((at, end)) = self.end() else { return Some("is a zip archive without its end") };
        let word = |from: usize| u16::from_le_bytes([end[from], end[from + 1]]);
        let long = |from: usize| u32::from_le_bytes([end[from], end[from + 1], end[from + 2], end[from + 3]]);
        let (files, directory_bytes, directory_at) = (word(10), long(12), long(16));
        if files == 0 {
            return Some("is a zip archive with nothing in it");
        }
        // An archive of more than these can count tells it elsewhere.
        let told = directory_bytes != u32::MAX && directory_at != u32::MAX;
        if told && u64::from(directory_at) + u64::from(directory_bytes) > at {
            return Some("is a zip archive whose middle is missing");
        }
        let from = u64::from(directory_at).checked_sub(self.bytes - self.tail.len() as u64);
        match from.filter(|_| told).and_then(|from| self.tail.get(from as usize..)) {
            Some(directory) if !names_a_charms_file(directory) => {
                Some("is a zip archive without metadata.yaml: no charm")
            }
            _ => None,
        }
    }

    /// Returns the record at the end and where it begins: the last one whose comment ends with the bytes.
    fn end(&self) -> Option<(u64, &[u8])> {
        let tail = &self.tail[self.tail.len().saturating_sub(TAIL_BYTES)..];
        let ends_there = |at: &usize| {
            let comment = usize::from(u16::from_le_bytes([tail[at + 20], tail[at + 21]]));
            tail[*at..].starts_with(END_HEAD) && at + END_BYTES + comment == tail.len()
        };
        let at = (0..(tail.len() + 1).saturating_sub(END_BYTES)).rev().find(ends_there)?;
        Some((self.bytes - (tail.len() - at) as u64, &tail[at..]))
    }
}

/// Reports whether a zip archive's directory names a file that every charm has.
fn names_a_charms_file(mut directory: &[u8]) -> bool {
    while directory.starts_with(ENTRY_HEAD) && directory.len() >= ENTRY_BYTES {
        let word = |at: usize| usize::from(u16::from_le_bytes([directory[at], directory[at + 1]]));
        let (name, rest) = (word(28), word(30) + word(32));
        if directory.get(ENTRY_BYTES..ENTRY_BYTES + name).is_some_and(|name| OF_CHARMS.contains(&name)) {
            return true;
        }
        directory = directory.get(ENTRY_BYTES + name + rest..).unwrap_or_default();
    }
    false
}

/// The beginning of what has passed.
#[derive(Default)]
pub(super) struct GzippedTar(Vec<u8>);

impl GzippedTar {
    /// Takes what passes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        let missing = HEAD_BYTES - self.0.len();
        self.0.extend_from_slice(&bytes[..bytes.len().min(missing)]);
    }

    /// Returns what keeps the bytes from being a gzip-compressed tar.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if self.0.is_empty() {
            return Some("is empty");
        }
        let mut block = [0; TAR_BLOCK_BYTES];
        let unpacked = GzDecoder::new(self.0.as_slice()).read_exact(&mut block);
        let is_tar = unpacked.is_ok() && block[TAR_MAGIC_AT..].starts_with(b"ustar");
        (!is_tar).then_some("is no gzip-compressed tar")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::controller::description::sample::zipped;

    fn fault(bytes: &[u8], step: usize) -> Option<&'static str> {
        let mut ends = ZipEnds::default();
        bytes.chunks(step).for_each(|chunk| ends.update(chunk));
        ends.fault()
    }

    #[test]
    fn an_archive_is_known_by_its_ends_however_it_passes() {
        let zip = zipped("metadata.yaml", &vec![b'x'; 400_000]);
        for step in [1, 100, zip.len()] {
            assert_eq!(fault(&zip, step), None, "{step}");
        }
        let commented = [&zip[..zip.len() - 2], &7u16.to_le_bytes(), b"comment"].concat();
        assert_eq!(fault(&commented, 64), None);
    }

    #[test]
    fn what_is_no_whole_archive_is_told_from_one() {
        let zip = zipped("metadata.yaml", b"name: web\n");
        assert_eq!(fault(b"", 1), Some("is empty"));
        assert_eq!(fault(b"root:*:19000:0:99999:7:::\n", 5), Some("is no zip archive"));
        assert_eq!(fault(&zip[..zip.len() - 1], 9), Some("is a zip archive without its end"));
        assert_eq!(fault(b"PK\x03\x04", 1), Some("is a zip archive without its end"));
        let hollow = [&zip[..10], &zip[zip.len() - END_BYTES..]].concat();
        assert_eq!(fault(&hollow, 9), Some("is a zip archive whose middle is missing"));
        let mut nothing = zip.clone();
        let files = nothing.len() - END_BYTES + 10;
        nothing[files..files + 2].fill(0);
        assert_eq!(fault(&nothing, 9), Some("is a zip archive with nothing in it"));
    }

    /// The bug: a zip archive of anything was taken for a charm.
    #[test]
    fn an_archive_without_a_charms_metadata_is_no_charm() {
        for step in [1, 1000] {
            assert_eq!(fault(&zipped("charmcraft.yaml", b"name: web\n"), step), None);
            for name in ["README.md", "src/metadata.yaml", "metadata.yaml.orig"] {
                let why = fault(&zipped(name, &[b'x'; 5000]), step);
                assert_eq!(why, Some("is a zip archive without metadata.yaml: no charm"), "{name}");
            }
        }
    }

    /// The bug: where the description tells no hash, anything was taken for an agent binary.
    #[test]
    fn an_agent_binary_is_a_tar_that_gzip_has_compressed() {
        let fault = |bytes: &[u8]| {
            let mut head = GzippedTar::default();
            bytes.chunks(7).for_each(|chunk| head.update(chunk));
            head.fault()
        };
        let gzipped = |content: &[u8]| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(content).unwrap();
            gzip.finish().unwrap()
        };
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        let content: Vec<u8> =
            (0..40_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, "jujud", content.as_slice()).unwrap();
        let tar = tar.into_inner().unwrap();
        assert_eq!(fault(&gzipped(&tar)), None);
        assert_eq!(fault(b""), Some("is empty"));
        for wrong in [&b"#!/bin/sh\n"[..], &tar, &gzipped(&[b'x'; 4000]), &gzipped(b""), &gzipped(&tar)[..60]] {
            assert_eq!(fault(wrong), Some("is no gzip-compressed tar"), "{} bytes", wrong.len());
        }
    }
}
