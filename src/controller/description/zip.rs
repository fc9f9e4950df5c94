//! Whether bytes that pass are a zip archive: looked at by both their ends, as that is where an archive says so.

/// What the first file of an archive begins with.
const FILE_HEAD: &[u8] = b"PK\x03\x04";
/// What the record at an archive's end begins with.
const END_HEAD: &[u8] = b"PK\x05\x06";
/// Bytes of that record, without its comment.
const END_BYTES: usize = 22;
/// Bytes of an archive's end in which the record is: behind it there may be a comment of as many bytes as two can count.
const TAIL_BYTES: usize = END_BYTES + u16::MAX as usize;

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
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        // Cut rarely, so that short reads do not move the whole tail each time.
        if self.tail.len() > 4 * TAIL_BYTES {
            self.tail.drain(..self.tail.len() - TAIL_BYTES);
        }
    }

    /// Tells what keeps the bytes, to their end, from being an archive with something in it.
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
        None
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

#[cfg(test)]
mod tests {
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
}
