//! The archive: a tar inside one zstd frame, with the manifest first. A skippable frame after it holds the hash of that
//! frame. zstd and tar ignore skippable frames, so `tar --zstd -xf` unpacks a backup.

use std::fs::File as Opened;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::limits::{CALLS_MAX, ZSTD_WINDOW_LOG_MAX};
use modelferry_protocol::snapshot::BlobRef;

use super::{BackupError, File, Manifest, Source, Take};
use crate::controller::port::ControllerError;

/// The manifest's name in the archive.
const MANIFEST_FILE: &str = "manifest.json";
/// Bytes of a manifest: every file with the longest path, and its hash.
const MANIFEST_BYTES_MAX: u64 = 1024 * (CALLS_MAX as u64 + 1);
/// What a zstd frame begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// What the end begins with: the magic of a skippable frame, its length, and a word of ours.
const SEAL_HEAD: [u8; 24] = *b"\x5e\x2a\x4d\x18\x30\0\0\0modelferry/bkp/1";
/// Bytes of the end: its head, and the BLAKE3 of every byte before it.
const SEAL_BYTES: u64 = SEAL_HEAD.len() as u64 + 32;
/// Compression. 3 keeps up with a fast disk; most of a model is compressed already.
const ZSTD_LEVEL: i32 = 3;
/// Bytes read at once where a whole file is hashed.
const READ_BYTES: usize = 256 << 10;
/// Bytes of a tar beyond its last file: two blocks of zeros, and what rounds up to a record.
const TAR_END_BYTES_MAX: u64 = 64 << 10;

/// Opens one of a backup's files.
pub type OpenFile<'a> = dyn FnMut(&File) -> Result<Box<dyn Read>, ControllerError> + 'a;

/// Writes an archive's bytes, and returns how many there are. `path` is only named in errors.
///
/// Errors: [`BackupError::Unwritable`], [`BackupError::Stored`] for a file that is not what the manifest says; whatever
/// `open` answers.
pub fn write(
    to: &mut dyn Write,
    manifest: &Manifest,
    open: &mut OpenFile<'_>,
    path: &Path,
) -> Result<u64, ControllerError> {
    let unwritable = |source| BackupError::Unwritable { path: path.to_owned(), source };
    let mut frame = zstd::Encoder::new(Hashing::new(&mut *to), ZSTD_LEVEL).map_err(unwritable)?;
    frame.include_checksum(true).map_err(unwritable)?;
    let mut tar = tar::Builder::new(frame);
    let taken = manifest.taken.parse::<jiff::Timestamp>().map_or(0, |taken| taken.as_second());
    let header = |bytes: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(taken).unwrap_or(0));
        header
    };
    let json = manifest.to_json();
    tar.append_data(&mut header(json.len() as u64), MANIFEST_FILE, &*json).map_err(unwritable)?;
    for file in &manifest.files {
        let mut proving = Proving::new(file, open(file)?);
        let appended = tar.append_data(&mut header(file.bytes), &file.path, &mut proving);
        // What the store gives wrongly is the store's fault, not the disk's.
        if let Some(source) = proving.failure() {
            return Err(ControllerError::storage(source));
        }
        appended.map_err(unwritable)?;
        proving.finish_stored()?;
    }
    let frame = tar.into_inner().map_err(unwritable)?;
    let Hashing { hasher, bytes, .. } = frame.finish().map_err(unwritable)?;
    to.write_all(&SEAL_HEAD).and_then(|()| to.write_all(hasher.finalize().as_bytes())).map_err(unwritable)?;
    to.flush().map_err(unwritable)?;
    Ok(bytes + SEAL_BYTES)
}

/// Hashes and counts what passes.
struct Hashing<T> {
    inner: T,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl<T> Hashing<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), bytes: 0 }
    }
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads one of a backup's files, and proves it at the end.
pub(in crate::controller) struct Proving<'a, R> {
    file: &'a File,
    source: io::Take<R>,
    hasher: blake3::Hasher,
    bytes: u64,
    failure: Option<io::Error>,
}

impl<'a, R: Read> Proving<'a, R> {
    pub(in crate::controller) fn new(file: &'a File, source: R) -> Self {
        // One byte more than there should be, so that a file that is too long is noticed as well.
        let source = source.take(file.bytes + 1);
        Self { file, source, hasher: blake3::Hasher::new(), bytes: 0, failure: None }
    }

    /// Returns why reading failed, if it did.
    pub(in crate::controller) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// Reads what is left, and tells whether all of it was what the manifest says.
    ///
    /// Errors: [`BackupError::File`].
    pub(in crate::controller) fn finish(self) -> Result<(), ControllerError> {
        Ok(self.proved()??)
    }

    /// As [`Proving::finish`], for a file that the store of this host holds.
    ///
    /// Errors: [`BackupError::Stored`], which says what to do.
    pub(in crate::controller) fn finish_stored(self) -> Result<(), ControllerError> {
        let (file, hash) = (self.file.path.clone(), self.file.blake3);
        Ok(self.proved()?.map_err(|_| BackupError::Stored { file, hash })?)
    }

    fn proved(mut self) -> Result<Result<(), BackupError>, ControllerError> {
        io::copy(&mut self, &mut io::sink()).map_err(ControllerError::storage)?;
        let Self { file, hasher, bytes, .. } = self;
        let actual = Hash::from(hasher.finalize());
        if (BlobRef { hash: actual, bytes }) == file.blob() {
            return Ok(Ok(()));
        }
        let (expected_bytes, expected) = (file.bytes, file.blake3);
        Ok(Err(BackupError::File { file: file.path.clone(), bytes, actual, expected_bytes, expected }))
    }
}

impl<R: Read> Read for Proving<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read(buffer) {
            Ok(count) => {
                self.hasher.update(&buffer[..count]);
                self.bytes += count as u64;
                Ok(count)
            }
            Err(error) => {
                self.failure = Some(io::Error::new(error.kind(), error.to_string()));
                Err(error)
            }
        }
    }
}

/// An archive whose bytes have been proven.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    file: Opened,
    bytes: u64,
    manifest: Manifest,
}

impl Archive {
    /// Opens an archive: all of it is hashed before any of it is believed.
    ///
    /// Errors: [`BackupError`].
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        Self::of(Opened::open(path).map_err(unreadable(path))?, path)
    }

    /// Likewise of a file that is open. `path` is only named in errors.
    ///
    /// Errors: [`BackupError`].
    pub fn of(file: Opened, path: &Path) -> Result<Self, BackupError> {
        let (file, bytes) = sealed(file, path)?;
        prove(&file, bytes, path)?;
        let manifest = first(&file, bytes, path)?;
        Ok(Self { path: path.to_owned(), file, bytes, manifest })
    }

    /// Takes another manifest than its own, as a forger would write one.
    #[cfg(test)]
    pub(super) fn pretend(&mut self, manifest: Manifest) {
        self.manifest = manifest;
    }

    /// Reads the model's description, and nothing behind it.
    ///
    /// Errors: [`ControllerError::Refused`] for an archive that is not as its manifest says.
    pub fn description(&self) -> Result<Vec<u8>, ControllerError> {
        let mut tar = unpack(&self.file, self.bytes).map_err(broken(&self.path))?;
        let entry = tar.entries().and_then(|mut entries| entries.nth(1).transpose()).map_err(broken(&self.path))?;
        let (Some(entry), Some(file)) = (entry, self.manifest.files.first()) else {
            return Err(BackupError::Malformed("it has no description".into()).into());
        };
        let (mut proving, mut description) = (Proving::new(file, entry), Vec::new());
        proving.read_to_end(&mut description).map_err(broken(&self.path))?;
        proving.finish().map(|()| description)
    }

    /// Returns the archive's bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Reads an archive's manifest alone. It is only proven by an archive's opening.
///
/// Errors: [`BackupError`].
pub fn read_manifest(path: &Path) -> Result<(Manifest, u64), BackupError> {
    // A named pipe would wait for its writer.
    if !path.metadata().map_err(unreadable(path))?.is_file() {
        return Err(BackupError::NotABackup { path: path.to_owned(), why: "it is no regular file" });
    }
    let (file, bytes) = sealed(Opened::open(path).map_err(unreadable(path))?, path)?;
    Ok((first(&file, bytes, path)?, bytes))
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Unreadable { path: path.clone(), source }
}

/// Looks whether a file begins and ends as an archive does, and returns it with its size.
fn sealed(mut file: Opened, path: &Path) -> Result<(Opened, u64), BackupError> {
    let no_backup = |why| BackupError::NotABackup { path: path.to_owned(), why };
    let metadata = file.metadata().map_err(unreadable(path))?;
    if !metadata.is_file() {
        return Err(no_backup("it is no regular file"));
    }
    let (bytes, mut magic) = (metadata.len(), [0; ZSTD_MAGIC.len()]);
    if bytes < magic.len() as u64 {
        return Err(no_backup("it is next to empty"));
    }
    file.read_exact(&mut magic).map_err(unreadable(path))?;
    if magic != ZSTD_MAGIC {
        return Err(no_backup("it does not begin as one does"));
    }
    let cut_short = || BackupError::CutShort(path.to_owned());
    let mut head = [0; SEAL_HEAD.len()];
    let at = bytes.checked_sub(SEAL_BYTES).ok_or_else(cut_short)?;
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut head)).map_err(unreadable(path))?;
    if head == SEAL_HEAD {
        Ok((file, bytes))
    } else if begins_as_one(&mut file).map_err(unreadable(path))? {
        Err(cut_short())
    } else {
        Err(no_backup("it is compressed, and holds something else; unpack it first, with `zstd -d`"))
    }
}

/// Reports whether what is compressed begins with a manifest, as in an archive whose end is missing.
fn begins_as_one(file: &mut Opened) -> io::Result<bool> {
    file.seek(SeekFrom::Start(0))?;
    let mut frame = zstd::Decoder::new(file)?;
    frame.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    let mut name = [0; MANIFEST_FILE.len()];
    // What breaks off before the first name may have been one.
    Ok(frame.read_exact(&mut name).is_err() || name == *MANIFEST_FILE.as_bytes())
}

/// Hashes everything before the end, and compares it with what the end says.
fn prove(mut file: &Opened, bytes: u64, path: &Path) -> Result<(), BackupError> {
    file.seek(SeekFrom::Start(0)).map_err(unreadable(path))?;
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; READ_BYTES]);
    let mut body = file.take(bytes - SEAL_BYTES);
    loop {
        match body.read(&mut buffer).map_err(unreadable(path))? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        };
    }
    let mut expected = [0; 32];
    file.seek(SeekFrom::End(-(expected.len() as i64)))
        .and_then(|_| file.read_exact(&mut expected))
        .map_err(unreadable(path))?;
    let (actual, expected) = (Hash::from(hasher.finalize()), Hash(expected));
    let path = path.to_owned();
    if actual == expected { Ok(()) } else { Err(BackupError::Damaged { path, actual, expected }) }
}

type Unpacked<'a> = tar::Archive<zstd::Decoder<'static, io::BufReader<io::Take<&'a Opened>>>>;

fn unpack(mut file: &Opened, bytes: u64) -> io::Result<Unpacked<'_>> {
    file.seek(SeekFrom::Start(0))?;
    let mut frame = zstd::Decoder::new(file.take(bytes - SEAL_BYTES))?.single_frame();
    frame.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(tar::Archive::new(frame))
}

/// A part of the archive that does not decompress, or is no tar.
fn broken(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| {
        // What the system says is for people; what its unpackers say is not.
        let why = match error.raw_os_error() {
            Some(_) => error.to_string(),
            None => "it is cut, or its packing is damaged; take another copy of the archive".to_owned(),
        };
        tracing::debug!("`{}`: {error}", path.display());
        BackupError::Malformed(format!("{}: {why}", path.display()))
    }
}

fn first(file: &Opened, bytes: u64, path: &Path) -> Result<Manifest, BackupError> {
    let mut tar = unpack(file, bytes).map_err(broken(path))?;
    let mut entries = tar.entries().map_err(broken(path))?;
    let Some(entry) = entries.next() else { return Err(BackupError::Malformed("it is empty".into())) };
    manifest_of(entry.map_err(broken(path))?, path)
}

fn manifest_of(entry: tar::Entry<'_, impl Read>, path: &Path) -> Result<Manifest, BackupError> {
    if &*entry.path_bytes() != MANIFEST_FILE.as_bytes() || entry.size() > MANIFEST_BYTES_MAX {
        return Err(BackupError::Malformed(format!("{MANIFEST_FILE} is not its first file")));
    }
    let mut json = Vec::new();
    entry.take(MANIFEST_BYTES_MAX).read_to_end(&mut json).map_err(broken(path))?;
    Manifest::parse(&json)
}

impl Source for Archive {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn each(&mut self, take: &mut Take<'_>) -> Result<(), ControllerError> {
        let malformed = |what: String| Err(BackupError::Malformed(what).into());
        let mut tar = unpack(&self.file, self.bytes).map_err(broken(&self.path))?;
        let mut entries = tar.entries().map_err(broken(&self.path))?;
        // Proven when the archive was opened.
        entries.next().transpose().map_err(broken(&self.path))?;
        for file in &self.manifest.files {
            let entry = entries.next().transpose().map_err(broken(&self.path))?;
            let Some(entry) = entry.filter(|entry| *entry.path_bytes() == *file.path.as_bytes()) else {
                return malformed(format!("{} is not where its manifest says", file.path));
            };
            if !entry.header().entry_type().is_file() || entry.size() != file.bytes {
                return malformed(format!("{} is no file of {} bytes", file.path, file.bytes));
            }
            let mut proving = Proving::new(file, entry);
            take(file, &mut proving)?;
            proving.finish()?;
        }
        if entries.next().is_some() {
            return malformed("it has a file that its manifest does not name".into());
        }
        // What is left is the tar's own end; anything else would be bytes that nothing speaks for.
        let rest =
            io::copy(&mut tar.into_inner().take(TAR_END_BYTES_MAX), &mut io::sink()).map_err(broken(&self.path))?;
        if rest < TAR_END_BYTES_MAX { Ok(()) } else { malformed("something stands behind its last file".into()) }
    }
}
