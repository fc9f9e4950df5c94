//! Splits a blob into parts: the members of a zip archive, the stream of a gzip file, and the bytes in between.

use std::collections::HashMap;
use std::io;

use rawzip::{CompressionMethod, Error, ReaderAt, ZipLocator};

use super::bytes::Bytes;
use super::error::PatchError;

/// Maximum number of members to open, whose parts take about 20 MiB. A larger archive stays one raw part.
const MEMBERS_MAX: usize = 128 << 10;
/// Buffer for reading the central directory. Its longest possible entry has 196,651 bytes.
const LIST_BYTES: usize = 256 << 10;
/// Bytes at the end of a file to search for the end of the central directory, including the longest possible comment.
const SEARCHED_BYTES: u64 = 128 << 10;
/// Maximum size of a gzip header.
const GZIP_HEADER_BYTES_MAX: u64 = 64 << 10;
/// Size of a gzip trailer: checksum and length.
const GZIP_TRAILER_BYTES: u64 = 8;

/// The content of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes without a known structure.
    Raw,
    /// Bytes between members: headers, and the central directory at the end.
    Between,
    /// A deflated stream, with its size and checksum from the archive.
    Deflated { plain_bytes: u64, checksum: u32 },
}

/// A part of a blob. Together the parts cover the blob without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub start: u64,
    pub bytes: u64,
    pub kind: Kind,
    /// Hash of the name, which finds the same part in another version.
    pub name: u64,
    /// Like `name`, but all numbers in the name count as equal.
    pub loose_name: u64,
}

/// Names for a blob without members, and for the bytes after the last member.
const WHOLE: &str = "";
const TAIL: &str = "/";

/// Returns the parts of a blob.
pub(super) fn parts(blob: &(impl Bytes + ?Sized)) -> Result<Vec<Part>, PatchError> {
    let bytes = blob.size()?;
    // An inconsistent archive stays one raw part.
    let members = match members(blob, bytes) {
        Ok(Some(members)) => members,
        _ => gzip(blob, bytes)?.into_iter().collect(),
    };
    let mut parts = Vec::with_capacity(2 * members.len() + 1);
    let mut end = 0;
    for member in members {
        if member.start > end {
            let (start, bytes, between) = (end, member.start - end, Kind::Between);
            // Give the member's header a name derived from the member's.
            let (name, loose_name) = (!member.name, !member.loose_name);
            parts.push(Part { start, bytes, kind: between, name, loose_name });
        }
        end = member.start + member.bytes;
        parts.push(member);
    }
    if bytes > end {
        let (kind, name) = if end > 0 { (Kind::Between, TAIL) } else { (Kind::Raw, WHOLE) };
        parts.push(Part { start: end, bytes: bytes - end, kind, name: hash(name), loose_name: hash(name) });
    }
    Ok(parts)
}

/// An archive with positioned reads.
struct Reader<'a, B: ?Sized>(&'a B, u64);

impl<B: Bytes + ?Sized> ReaderAt for Reader<'_, B> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let some = (buffer.len() as u64).min(self.1.saturating_sub(offset)) as usize;
        self.0.fill_at(&mut buffer[..some], offset)?;
        Ok(some)
    }
}

fn members(blob: &(impl Bytes + ?Sized), bytes: u64) -> Result<Option<Vec<Part>>, Error> {
    let mut buffer = vec![0; LIST_BYTES];
    let locator = ZipLocator::new().max_search_space(SEARCHED_BYTES);
    let archive = locator.locate_in_reader(Reader(blob, bytes), &mut buffer, bytes).map_err(|(_, error)| error)?;
    let (mut members, mut count) = (Vec::new(), 0);
    let mut entries = archive.entries(&mut buffer);
    while let Some(entry) = entries.next_entry()? {
        count += 1;
        if count > MEMBERS_MAX {
            return Ok(None);
        }
        let path = entry.file_path();
        let (name, loose_name) = (hash(path.as_ref()), loose(path.as_ref()));
        let (checksum, plain_bytes) = (entry.crc32(), entry.uncompressed_size_hint());
        let kind = match entry.compression_method() {
            CompressionMethod::DEFLATE => Kind::Deflated { plain_bytes, checksum },
            _ => Kind::Raw,
        };
        let (start, end) = archive.get_entry(entry.wayfinder())?.compressed_data_range();
        if end > bytes {
            return Ok(None);
        }
        if end > start {
            members.push(Part { start, bytes: end - start, kind, name, loose_name });
        }
    }
    members.sort_unstable_by_key(|member| member.start);
    let overlap = members.windows(2).any(|pair| pair[1].start < pair[0].start + pair[0].bytes);
    Ok((!overlap).then_some(members))
}

/// Finds the stream of a gzip file. A file of several streams is found too, but its proof fails later.
fn gzip(blob: &(impl Bytes + ?Sized), bytes: u64) -> Result<Option<Part>, PatchError> {
    let mut header = vec![0; bytes.min(GZIP_HEADER_BYTES_MAX) as usize];
    blob.fill_at(&mut header, 0)?;
    let Some(start) = gzip_header_bytes(&header) else { return Ok(None) };
    let Some(stream) = bytes.checked_sub(start + GZIP_TRAILER_BYTES).filter(|stream| *stream > 0) else {
        return Ok(None);
    };
    let mut trailer = [0; GZIP_TRAILER_BYTES as usize];
    blob.fill_at(&mut trailer, start + stream)?;
    let [a, b, c, d, e, f, g, h] = trailer;
    let (checksum, plain_bytes) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]).into());
    let kind = Kind::Deflated { plain_bytes, checksum };
    Ok(Some(Part { start, bytes: stream, kind, name: hash(WHOLE), loose_name: hash(WHOLE) }))
}

fn gzip_header_bytes(header: &[u8]) -> Option<u64> {
    let (fixed, mut rest) = header.split_at_checked(10)?;
    let [0x1f, 0x8b, 8, flags, ..] = *fixed else { return None };
    if flags & 4 != 0 {
        let (length, after) = rest.split_at_checked(2)?;
        rest = after.get(usize::from(u16::from_le_bytes([length[0], length[1]]))..)?;
    }
    // Skip the name and the comment.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = &rest[rest.iter().position(|byte| *byte == 0)? + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some((header.len() - rest.len()) as u64)
}

fn hash(name: impl AsRef<[u8]>) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(name.as_ref()).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Hashes a name with every number replaced by the same digit.
fn loose(name: &[u8]) -> u64 {
    let mut squeezed: Vec<u8> = name.iter().map(|byte| if byte.is_ascii_digit() { b'0' } else { *byte }).collect();
    squeezed.dedup_by(|next, before| *next == b'0' && *before == b'0');
    hash(squeezed)
}

/// The parts of a base, indexed by name and content.
pub(super) struct PartIndex<'a> {
    pub parts: &'a [Part],
    names: HashMap<u64, usize>,
    loose_names: HashMap<u64, usize>,
    contents: HashMap<(u64, u64, u32), usize>,
}

impl<'a> PartIndex<'a> {
    pub fn of(parts: &'a [Part]) -> Self {
        let (mut names, mut loose_names, mut contents) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (index, part) in parts.iter().enumerate() {
            names.entry(part.name).or_insert(index);
            loose_names.entry(part.loose_name).or_insert(index);
            if let Some(content) = content(part) {
                contents.entry(content).or_insert(index);
            }
        }
        Self { parts, names, loose_names, contents }
    }

    /// Returns a part with the same checksum and sizes.
    pub fn same(&self, part: &Part) -> Option<&'a Part> {
        Some(&self.parts[*self.contents.get(&content(part)?)?])
    }

    /// Returns another version of a part, by its name.
    pub fn version(&self, part: &Part) -> Option<&'a Part> {
        let index = self.names.get(&part.name).or_else(|| self.loose_names.get(&part.loose_name))?;
        Some(&self.parts[*index])
    }
}

fn content(part: &Part) -> Option<(u64, u64, u32)> {
    match part.kind {
        Kind::Deflated { plain_bytes, checksum } => Some((part.bytes, plain_bytes, checksum)),
        Kind::Raw | Kind::Between => None,
    }
}
