//! Models in and out of files, and every way in which the files are wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::controller::files::OwnFiles;

/// Returns what is under `dir`: relative paths and contents.
pub(super) fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                files.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Imports a sample from files that `spoil` has changed, and returns the refusal.
fn refusal(spoil: impl FnOnce(&Path)) -> String {
    let rig = EmbeddedRig::start("src");
    let files = rig.files(&Sample::default());
    spoil(&files);
    let error = rig.embedded.import(&files.join("model.yaml"), &Blobs::Dir(files), &mut OwnFiles).unwrap_err();
    assert!(matches!(error, ControllerError::Refused(_)), "{error:?}");
    assert_eq!(rig.embedded.models().unwrap().len(), 1, "something else than the controller's own model is here");
    error.to_string()
}

#[test]
fn export_and_import_are_inverse() {
    let source = EmbeddedRig::start("src");
    source.with_model();
    let first = source.dir.path().join("first");
    let exported = source.embedded.export("prod", &first, &mut OwnFiles).unwrap();
    assert_eq!(exported.files, 7);
    let target = EmbeddedRig::start("dst");
    let imported =
        target.embedded.import(&first.join("model.yaml"), &Blobs::Dir(first.clone()), &mut OwnFiles).unwrap();
    assert_eq!((imported.binaries, imported.entries, imported.incomplete), (5, 3, false));
    let second = target.dir.path().join("second");
    target.embedded.export("prod", &second, &mut OwnFiles).unwrap();
    assert_eq!(tree(&first), tree(&second));
    assert_eq!(tree(&second)[Path::new("model.yaml")], Sample::default().yaml().into_bytes());
    assert_eq!(target.embedded.get("prod").unwrap(), source.embedded.get("prod").unwrap());
}

#[test]
fn a_description_alone_makes_an_incomplete_model() {
    let rig = EmbeddedRig::start("src");
    let files = rig.files(&Sample::default());
    let imported = rig.embedded.import(&files.join("model.yaml"), &Blobs::Without, &mut OwnFiles).unwrap();
    assert!(imported.incomplete);
    let details = rig.embedded.model("prod").unwrap();
    assert!(details.row.incomplete);
    assert_eq!((details.binaries, details.binaries_held), (5, 0));
}

#[test]
fn an_exported_description_is_for_its_owners_eyes_alone() {
    use std::os::unix::fs::PermissionsExt;
    let rig = EmbeddedRig::start("src");
    rig.with_model();
    let dir = rig.dir.path().join("out");
    rig.embedded.export("prod", &dir, &mut OwnFiles).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&dir), mode(&dir.join("model.yaml"))), (0o700, 0o600));
    assert_eq!(mode(&rig.dir.path().join("controller.redb")), 0o600);
}

#[test]
fn an_export_never_writes_over_what_is_there() {
    let rig = EmbeddedRig::start("src");
    rig.with_model();
    let dir = rig.dir.path().join("out");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("model.yaml"), b"precious").unwrap();
    let error = rig.embedded.export("prod", &dir, &mut OwnFiles).unwrap_err().to_string();
    assert!(error.contains("File exists"), "{error}");
    assert_eq!(fs::read(dir.join("model.yaml")).unwrap(), b"precious");
}

#[test]
fn a_missing_blob_is_named_with_the_file_expected() {
    let error = refusal(|files| fs::remove_file(files.join("resources/postgresql/wal-g")).unwrap());
    assert!(error.contains("resources/postgresql/wal-g for resource postgresql/wal-g"), "{error}");
    assert!(error.contains("--without-blobs"), "{error}");
}

#[test]
fn every_missing_blob_is_named_at_once() {
    let error = refusal(|files| fs::remove_dir_all(files.join("charms")).unwrap());
    assert!(error.contains("postgresql-843") && error.contains("webapp-2"), "{error}");
}

#[test]
fn a_blob_with_the_wrong_hash_is_refused_naming_both() {
    let error = refusal(|files| {
        let path = files.join("resources/postgresql/wal-g");
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(path, bytes).unwrap();
    });
    assert!(error.contains("resource postgresql/wal-g has SHA-384 ") && error.contains("description says"), "{error}");
}

#[test]
fn a_blob_of_the_wrong_size_is_refused_naming_both() {
    let error = refusal(|files| fs::write(files.join("tools/3.6.23-ubuntu-amd64"), b"short").unwrap());
    assert!(error.contains("has 5 bytes, the model description says 9013"), "{error}");
}

/// The bug: an empty file, a text, anything was taken for a charm, as nobody looked.
#[test]
fn what_is_no_archive_is_no_charm() {
    for content in [&b""[..], b"root:*:19000:0:99999:7:::\n", b"PK\x03\x04 and then it breaks off"] {
        let error = refusal(|files| fs::write(files.join("charms/local:noble_webapp-2"), content).unwrap());
        assert!(error.contains("charm local:noble/webapp-2 is "), "{error}");
    }
}

#[test]
fn a_description_of_200_megabytes_is_refused_without_being_read() {
    let error = refusal(|files| {
        // Sparse: reading it would still be 200 MB of zeros, and another error.
        let file = fs::File::create(files.join("model.yaml")).unwrap();
        file.set_len(200 << 20).unwrap();
    });
    assert!(error.contains("at most 48 MiB"), "{error}");
}

#[test]
fn what_is_no_description_is_refused_with_file_and_place() {
    for (content, expected) in [
        ("version: 1\n", "document version 1; versions 11 to 14 are understood"),
        ("version: 12\nconfig: {name: [\n", "line 2, column 16"),
        ("a: &a [1]\nb: [*a, *a]\n", "anchors and aliases are refused"),
        ("", "the file is empty, and holds no model description"),
        ("model: {}\n", "no `version`"),
    ] {
        let error = refusal(|files| fs::write(files.join("model.yaml"), content).unwrap());
        assert!(error.contains("model.yaml: ") && error.contains(expected), "{error}");
    }
    let error = refusal(|files| fs::remove_file(files.join("model.yaml")).unwrap());
    assert!(error.contains("cannot read") && error.contains("model.yaml"), "{error}");
}

#[test]
fn entries_that_were_tampered_with_are_refused() {
    for content in ["{\"number\":2,\"key\":\"a\",\"value\":\"b\"}\n", "{\"number\":1}\n", "nonsense"] {
        let error = refusal(|files| fs::write(files.join("entries.json"), content).unwrap());
        assert!(error.contains("entry 1 of the model is m"), "{error}");
    }
}

#[test]
fn a_duplicate_is_refused_in_jujus_words() {
    let rig = EmbeddedRig::start("src");
    let sample = Sample::default();
    rig.import(&sample);
    let import = |sample: &Sample| {
        let files = rig.files(sample);
        rig.embedded.import(&files.join("model.yaml"), &Blobs::Dir(files), &mut OwnFiles).map(drop)
    };
    let same_uuid = Sample { name: "other".to_owned(), ..sample.clone() };
    assert_eq!(
        import(&same_uuid).unwrap_err().to_string(),
        "model with same UUID already exists (9372c470-eead-45ec-89c3-c74c2b3cb633)"
    );
    let same_name = Sample { uuid: ModelUuid([7; 16]), ..sample.clone() };
    assert_eq!(import(&same_name).unwrap_err().to_string(), "model named \"prod\" already exists");
    let other_owner = Sample { uuid: ModelUuid([7; 16]), owner: "bob".to_owned(), ..sample };
    import(&other_owner).unwrap();
}
