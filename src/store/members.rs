//! Finds the members of a zip archive. Cuts at member boundaries produce the same chunks for an unchanged member, even
//! if it moved or its header has another timestamp.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rawzip::{Error, ReaderAt, ZipLocator};

/// Smallest compressed size of a member that gets cuts of its own, 512 bytes. Smaller members stay in one piece with
/// the headers around them. Separate cuts for a member cost two more manifest rows of 36 bytes.
const MEMBER_BYTES_MIN: u64 = 512;
/// Maximum number of members, whose ranges take 2 MiB. An archive with more members is cut like any other file.
const MEMBERS_MAX: usize = 128 << 10;
/// Buffer for reading the central directory. Its longest possible entry has 196,651 bytes.
const LIST_BYTES: usize = 256 << 10;
/// Bytes at the end of a file to search for the end of the central directory, including the longest possible comment.
const SEARCHED_BYTES: u64 = 128 << 10;

/// Byte ranges of the members' compressed data, ascending and without overlaps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Members(Vec<Range<u64>>);

/// A file with positioned reads.
struct Reader<'a>(&'a File);

impl ReaderAt for Reader<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        FileExt::read_at(self.0, buffer, offset)
    }
}

impl Members {
    /// Finds the members of the archive in `file`, which has `bytes` bytes. Returns none if the file is not an archive,
    /// is inconsistent or has too many members; it is then cut like any other file. Ignores read errors, because the
    /// caller reads the same bytes next and reports the error.
    pub fn of(file: &File, bytes: u64) -> Self {
        Self::listed(file, bytes).ok().flatten().unwrap_or_default()
    }

    fn listed(file: &File, bytes: u64) -> Result<Option<Self>, Error> {
        let mut buffer = vec![0; LIST_BYTES];
        let locator = ZipLocator::new().max_search_space(SEARCHED_BYTES);
        let located = locator.locate_in_reader(Reader(file), &mut buffer, bytes);
        let archive = located.map_err(|(_, error)| error)?;
        let mut ranges = Vec::new();
        let mut entries = archive.entries(&mut buffer);
        let mut count = 0;
        while let Some(entry) = entries.next_entry()? {
            count += 1;
            if count > MEMBERS_MAX {
                return Ok(None);
            }
            if entry.compressed_size_hint() < MEMBER_BYTES_MIN {
                continue;
            }
            let (start, end) = archive.get_entry(entry.wayfinder())?.compressed_data_range();
            if end > bytes {
                return Ok(None);
            }
            ranges.push(start..end);
        }
        ranges.sort_unstable_by_key(|range| range.start);
        let overlap = ranges.windows(2).any(|pair| pair[1].start < pair[0].end);
        Ok((!overlap).then_some(Self(ranges)))
    }

    /// Returns the end of the stretch that contains offset `at`: the data of one member, or the bytes between two
    /// members. Returns `None` after the last member.
    pub fn stretch_end(&self, at: u64) -> Option<u64> {
        let next = self.0.get(self.0.partition_point(|range| range.end <= at))?;
        Some(if at < next.start { next.start } else { next.end })
    }
}
