//! Archives: whole or refused, whatever was done to them.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::{Hash, ModelUuid};
use modelferry_protocol::snapshot::BlobRef;

use super::archive::OpenFile;
use super::*;
use crate::controller::port::ControllerError;

fn content(path: &str) -> Vec<u8> {
    path.bytes().cycle().take(700).collect()
}

fn manifest() -> Manifest {
    let paths = [DESCRIPTION_FILE, ENTRIES_FILE, "charms/ch:amd64_postgresql-843", "tools/3.6.23-ubuntu-amd64"];
    let file = |path: &&str| File::new(*path, BlobRef { hash: Hash::of(&content(path)), bytes: 700 });
    let origin = Origin { name: "src".into(), uuid: ModelUuid([1; 16]) };
    Manifest::new(origin, (ModelUuid([2; 16]), "prod", "admin"), true, paths.iter().map(file).collect()).unwrap()
}

fn open(file: &File) -> Result<Box<dyn Read>, ControllerError> {
    Ok(Box::new(Cursor::new(content(&file.path))))
}

fn create(path: &Path, force: bool, manifest: &Manifest, open: &mut OpenFile<'_>) -> Result<(), ControllerError> {
    let draft = Draft::begin(path, force)?;
    write(&mut draft.file().unwrap(), manifest, open, path)?;
    Ok(draft.place()?)
}

struct Made {
    _dir: tempfile::TempDir,
    path: PathBuf,
    manifest: Manifest,
}

fn made() -> Made {
    let (dir, manifest) = (tempfile::tempdir().unwrap(), manifest());
    let path = dir.path().join("prod.tar.zst");
    create(&path, false, &manifest, &mut open).unwrap();
    Made { _dir: dir, path, manifest }
}

/// Reads an archive to its end.
fn read(path: &std::path::Path) -> Result<Vec<(String, Vec<u8>)>, ControllerError> {
    let mut found = Vec::new();
    Archive::open(path)?.each(&mut |file, bytes| {
        let mut content = Vec::new();
        bytes.read_to_end(&mut content).map_err(ControllerError::storage)?;
        found.push((file.path.clone(), content));
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn what_was_written_is_read_again() {
    let made = made();
    let expected: Vec<_> = made.manifest.files.iter().map(|file| (file.path.clone(), content(&file.path))).collect();
    assert_eq!(read(&made.path).unwrap(), expected);
    assert_eq!(read_manifest(&made.path).unwrap().0, made.manifest);
}

#[test]
fn an_archive_is_for_its_owners_eyes_alone_and_nothing_is_left_beside_it() {
    use std::os::unix::fs::PermissionsExt;
    let made = made();
    assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(made.path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn an_archive_is_a_zstd_and_a_tar_to_every_other_program() {
    let made = made();
    // As `zstd -d` does: frame after frame, and over what can be skipped.
    let mut plain = Vec::new();
    zstd::Decoder::new(fs::File::open(&made.path).unwrap()).unwrap().read_to_end(&mut plain).unwrap();
    let mut tar = tar::Archive::new(&*plain);
    let names: Vec<String> =
        tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    let files = made.manifest.files.iter().map(|file| file.path.clone());
    assert_eq!(names, std::iter::once("manifest.json".to_owned()).chain(files).collect::<Vec<_>>());
}

#[test]
fn every_flipped_byte_of_an_archive_is_noticed() {
    let made = made();
    let whole = fs::read(&made.path).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&made.path, flipped).unwrap();
        assert!(Archive::open(&made.path).is_err(), "byte {at} of {}", whole.len());
    }
}

#[test]
fn an_archive_that_is_cut_short_anywhere_or_goes_on_is_refused() {
    let made = made();
    let whole = fs::read(&made.path).unwrap();
    for bytes in 0..whole.len() {
        fs::write(&made.path, &whole[..bytes]).unwrap();
        let error = Archive::open(&made.path).unwrap_err();
        assert!(matches!(error, BackupError::CutShort(_) | BackupError::NotABackup { .. }), "{bytes}: {error}");
    }
    fs::write(&made.path, [whole.as_slice(), b"x"].concat()).unwrap();
    assert!(matches!(Archive::open(&made.path), Err(BackupError::CutShort(_))));
}

#[test]
fn garbage_and_other_files_are_no_backups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for content in [&b""[..], b"version: 12\n", &[0; 4096], &zstd::encode_all(&[7; 5000][..], 3).unwrap()] {
        fs::write(&path, content).unwrap();
        let error = Archive::open(&path).unwrap_err();
        assert!(matches!(error, BackupError::NotABackup { .. } | BackupError::CutShort(_)), "{error}");
    }
    assert!(matches!(Archive::open(dir.path()), Err(BackupError::NotABackup { .. } | BackupError::Unreadable { .. })));
    assert!(matches!(Archive::open(&dir.path().join("nothing")), Err(BackupError::Unreadable { .. })));
}

#[test]
fn a_file_that_is_there_is_replaced_only_if_told_so() {
    let made = made();
    let before = fs::read(&made.path).unwrap();
    let other = manifest();
    let error = create(&made.path, false, &other, &mut open).unwrap_err();
    assert!(error.to_string().ends_with("exists already"), "{error}");
    assert_eq!(fs::read(&made.path).unwrap(), before);
    create(&made.path, true, &other, &mut open).unwrap();
    assert_eq!(read_manifest(&made.path).unwrap().0, other);
}

#[test]
fn a_file_that_is_not_what_the_manifest_says_leaves_no_archive() {
    let (dir, manifest) = (tempfile::tempdir().unwrap(), manifest());
    let path = dir.path().join("prod.tar.zst");
    for wrong in [&b"short"[..], &[0; 700], &[0; 701]] {
        let mut open = |file: &File| -> Result<Box<dyn Read>, ControllerError> {
            if file.path == ENTRIES_FILE { Ok(Box::new(Cursor::new(wrong.to_vec()))) } else { open(file) }
        };
        assert!(create(&path, false, &manifest, &mut open).unwrap_err().to_string().contains(ENTRIES_FILE));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

/// A disk with so many bytes left.
struct Small(usize);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.0);
        self.0 -= count;
        if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_said_at_whatever_byte_it_is_full() {
    let manifest = manifest();
    let mut whole = Vec::new();
    let bytes = write(&mut whole, &manifest, &mut open, "x".as_ref()).unwrap();
    assert_eq!(bytes, whole.len() as u64);
    for room in 0..whole.len() {
        let error = write(&mut Small(room), &manifest, &mut open, "/backups/prod".as_ref()).unwrap_err().to_string();
        assert!(error.contains("cannot write /backups/prod") && error.contains("free some space"), "{room}: {error}");
    }
}

#[test]
fn a_manifest_that_leads_elsewhere_or_repeats_itself_is_refused() {
    let spoilt = |spoil: fn(&mut Manifest)| {
        let mut manifest = manifest();
        spoil(&mut manifest);
        Manifest::parse(&manifest.to_json()).unwrap_err().to_string()
    };
    assert!(spoilt(|manifest| manifest.files[2].path = "../../etc/passwd".into()).contains("leads elsewhere"));
    assert!(spoilt(|manifest| manifest.files[2].path = "/etc/passwd".into()).contains("leads elsewhere"));
    assert!(spoilt(|manifest| manifest.files[2].path = ENTRIES_FILE.into()).contains("twice"));
    assert!(spoilt(|manifest| manifest.files.swap(0, 1)).contains("not its first file"));
    assert!(spoilt(|manifest| manifest.files[0].bytes = 1 << 40).contains("claims"));
    assert!(spoilt(|manifest| manifest.files.clear()).contains("no files"));
}

#[test]
fn a_later_version_is_named_as_such() {
    let json = String::from_utf8(manifest().to_json()).unwrap().replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(Manifest::parse(json.as_bytes()), Err(BackupError::Version(2))));
}

/// Seals what a forger has made: the hash at the end proves bytes, and nobody's good will.
fn forged(manifest: &Manifest, in_it: &Manifest) -> ControllerError {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("forged.tar.zst");
    create(&path, false, in_it, &mut open).unwrap();
    let mut archive = Archive::open(&path).unwrap();
    archive.pretend(manifest.clone());
    archive.each(&mut |_, _| Ok(())).unwrap_err()
}

#[test]
fn an_archive_with_other_files_than_its_manifest_is_refused() {
    let told = manifest();
    let (mut fewer, mut other, mut longer) = (told.clone(), told.clone(), told.clone());
    fewer.files.pop();
    assert!(forged(&fewer, &told).to_string().contains("does not name"));
    assert!(forged(&told, &fewer).to_string().contains("is not where"));
    other.files[2].blake3 = Hash([0; 32]);
    assert!(forged(&other, &told).to_string().contains("were expected"));
    longer.files[3].bytes = 9;
    assert!(forged(&longer, &told).to_string().contains("no file of 9 bytes"));
}
