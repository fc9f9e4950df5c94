//! Where the members of a zip archive lie. Cuts that follow them find a member again wherever it has moved, and
//! whatever time its header says.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rawzip::{Error, ReaderAt, ZipLocator};

/// Compressed bytes of a member that gets cuts of its own; smaller ones stay with the headers around them. 512: a
/// member of its own costs two more lines of a manifest, 36 bytes each.
const MEMBER_BYTES_MIN: u64 = 512;
/// Members of an archive that are followed, 2 MiB of ranges: an archive with more of them is cut as any other file.
const MEMBERS_MAX: usize = 128 << 10;
/// Bytes read at a time where an archive lists its members; the longest line of such a list has 196,651.
const LIST_BYTES: usize = 256 << 10;
/// Bytes at the end of a file in which an archive says where its list is: that, and the longest comment behind it.
const SEARCHED_BYTES: u64 = 128 << 10;

/// Where the compressed data of an archive's members lies: ascending, not overlapping.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Members(Vec<Range<u64>>);

/// A file, read where it is asked for.
struct Reader<'a>(&'a File);

impl ReaderAt for Reader<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        FileExt::read_at(self.0, buffer, offset)
    }
}

impl Members {
    /// Finds the members of the archive in `file`, of `bytes` bytes. None for a file that is no archive, contradicts
    /// itself, or has too many: such a one is cut like any other, and what cannot be read here is met again by
    /// whoever reads the bytes.
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

    /// Returns where the stretch ends in which `at` lies: a member's data, or what is between two of them. Nothing
    /// after the last of them.
    pub fn stretch_end(&self, at: u64) -> Option<u64> {
        let next = self.0.get(self.0.partition_point(|range| range.end <= at))?;
        Some(if at < next.start { next.start } else { next.end })
    }
}
