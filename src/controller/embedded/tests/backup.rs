//! Models in and out of backups.

use std::fs;

use super::files::tree;
use super::*;
use crate::controller::backup::{Archive, Kept, Manifest, Origin, Source};
use crate::controller::embedded::verify;
use crate::controller::files::OwnFiles;
use modelferry_protocol::codec::Bounded;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::snapshot::{Name, Snapshot};

use crate::controller::port::ModelReader;

/// Backs the sample model up, and returns the archive.
fn backed_up(rig: &EmbeddedRig) -> PathBuf {
    let path = rig.dir.path().join("prod.tar.zst");
    rig.embedded.back_up("prod", &path, &mut OwnFiles).unwrap();
    path
}

#[test]
fn a_restored_backup_equals_an_export() {
    let source = EmbeddedRig::start("src");
    source.with_model();
    let archive = backed_up(&source);
    let (first, second) = (source.dir.path().join("first"), source.dir.path().join("second"));
    source.embedded.export("prod", &first, &mut OwnFiles).unwrap();
    let target = EmbeddedRig::start("dst");
    let restored = target.embedded.restore(&mut Archive::open(&archive).unwrap(), false).unwrap();
    assert_eq!((restored.binaries, restored.entries, restored.incomplete), (5, 3, false));
    target.embedded.export("prod", &second, &mut OwnFiles).unwrap();
    assert_eq!(tree(&first), tree(&second));
}

#[test]
fn an_unpacked_backup_is_what_an_import_takes_in() {
    let source = EmbeddedRig::start("src");
    source.with_model();
    let dir = source.dir.path().join("unpacked");
    let plain = zstd::Decoder::new(fs::File::open(backed_up(&source)).unwrap()).unwrap();
    tar::Archive::new(plain).unpack(&dir).unwrap();
    let target = EmbeddedRig::start("dst");
    let imported = target.embedded.import(&dir.join("model.yaml"), &Blobs::Dir(dir.clone()), &mut OwnFiles).unwrap();
    assert_eq!((imported.binaries, imported.entries), (5, 3));
}

#[test]
fn a_backup_changes_nothing_and_is_of_the_model_as_it_was() {
    let rig = EmbeddedRig::start("src");
    let model = rig.with_model();
    let archive = backed_up(&rig);
    rig.write(model).unwrap();
    rig.embedded.remove("prod").unwrap();
    rig.embedded.restore(&mut Archive::open(&archive).unwrap(), false).unwrap();
    assert_eq!(rig.writes(model), 3);
}

#[test]
fn a_model_that_is_here_is_not_restored_over() {
    let rig = EmbeddedRig::start("src");
    let model = rig.with_model();
    let archive = backed_up(&rig);
    rig.write(model).unwrap();
    let error = rig.embedded.restore(&mut Archive::open(&archive).unwrap(), false).unwrap_err().to_string();
    assert!(error.contains("model with same UUID already exists"), "{error}");
    assert_eq!(rig.writes(model), 4);
}

#[test]
fn the_controllers_own_model_cannot_be_backed_up_and_no_file_is_left() {
    let rig = EmbeddedRig::start("src");
    let path = rig.dir.path().join("controller.tar.zst");
    assert!(rig.embedded.back_up("controller", &path, &mut OwnFiles).is_err());
    assert!(rig.embedded.back_up("nothing", &path, &mut OwnFiles).is_err());
    assert!(!path.exists());
}

#[test]
fn an_incomplete_model_is_backed_up_and_restored_as_such() {
    let rig = EmbeddedRig::start("src");
    let files = rig.files(&Sample::default());
    rig.embedded.import(&files.join("model.yaml"), &Blobs::Without, &mut OwnFiles).unwrap();
    let archive = backed_up(&rig);
    rig.embedded.remove("prod").unwrap();
    verify(&mut Archive::open(&archive).unwrap()).unwrap();
    assert!(rig.embedded.restore(&mut Archive::open(&archive).unwrap(), false).unwrap().incomplete);
}

/// Keeps a copy of the rig's model in its own store, as a peer's would be.
async fn kept(rig: &EmbeddedRig) -> Kept {
    let export = rig.embedded.preview(Sample::default().uuid).await.unwrap();
    let snapshot = Snapshot {
        mid: MigrationId([9; 16]),
        model: Sample::default().uuid,
        epoch_to: 0,
        name: Name::cut(&export.name),
        owner: Name::cut(&export.owner),
        complete: export.complete,
        calls: Bounded::new(export.calls).unwrap(),
    };
    let origin = Origin { name: "src".into(), uuid: ModelUuid([5; 16]) };
    let kept = Kept { peer: "src".into(), manifest: Manifest::of(&snapshot, origin, 1_767_225_600).unwrap() };
    kept.keep(&rig.store).unwrap();
    kept
}

#[tokio::test]
async fn a_kept_copy_is_the_model_as_an_archive_has_it() {
    let rig = EmbeddedRig::start("src");
    rig.with_model();
    let kept = kept(&rig).await;
    assert_eq!(kept.manifest.taken, "2026-01-01T00:00:00Z");
    let archive = Archive::open(&backed_up(&rig)).unwrap();
    let sorted = |manifest: &Manifest| {
        let mut files = manifest.files.clone();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    };
    assert_eq!(sorted(&kept.manifest), sorted(crate::controller::backup::Source::manifest(&archive)));
    rig.embedded.remove("prod").unwrap();
    let read = Kept::read(&rig.store, &kept.manifest.id.to_string()).unwrap();
    assert_eq!(read, kept);
    let restored = rig.embedded.restore(&mut read.open(rig.store.clone()), false).unwrap();
    assert_eq!((restored.binaries, restored.entries), (5, 3));
}

/// The bug: it was said what the bytes hash to, and not what to do.
#[test]
fn a_model_whose_blob_is_damaged_cut_or_gone_is_written_out_nowhere_and_what_to_do_is_said() {
    let rig = EmbeddedRig::start("src");
    rig.with_model();
    let archive = backed_up(&rig);
    let manifest = Archive::open(&archive).unwrap().manifest().clone();
    let file = manifest.files.iter().find(|file| file.path.starts_with("charms/")).unwrap();
    let path = rig.dir.path().join("blobs").join(file.blake3.to_string());
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (nth, spoilt) in [Some(flipped), Some(whole[1..].to_vec()), None].into_iter().enumerate() {
        match spoilt {
            Some(spoilt) => fs::write(&path, spoilt).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let to = rig.dir.path().join(format!("export-{nth}"));
        let errors = [
            rig.embedded.export("prod", &to, &mut OwnFiles).unwrap_err(),
            rig.embedded.back_up("prod", &to.with_extension("tar.zst"), &mut OwnFiles).unwrap_err(),
        ];
        for error in errors.map(|error| error.to_string()) {
            assert!(error.contains(&file.path) && error.contains(&format!("blobs/{}", file.blake3)), "{error}");
            assert!(error.contains("put a good copy of that file in its place"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_kept_copy_that_was_damaged_is_noticed_and_not_restored() {
    let rig = EmbeddedRig::start("src");
    rig.with_model();
    let kept = kept(&rig).await;
    rig.embedded.remove("prod").unwrap();
    for file in &kept.manifest.files {
        let path = rig.dir.path().join("blobs").join(file.blake3.to_string());
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(verify(&mut kept.clone().open(rig.store.clone())).is_err(), "{}", file.path);
        assert!(rig.embedded.restore(&mut kept.clone().open(rig.store.clone()), false).is_err(), "{}", file.path);
        assert!(rig.embedded.models().unwrap().iter().all(|model| model.is_controller));
        fs::write(&path, whole).unwrap();
    }
    verify(&mut kept.clone().open(rig.store.clone())).unwrap();
    let document = rig.dir.path().join("kept").join(format!("{}.kept", kept.manifest.id));
    let whole = fs::read(&document).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&document, flipped).unwrap();
        assert!(Kept::read(&rig.store, &kept.manifest.id.to_string()).is_err(), "byte {at}");
    }
}

#[tokio::test]
async fn a_kept_copy_stays_over_a_restart_until_it_is_removed() {
    use crate::controller::backup::{find, forget, list};
    let rig = EmbeddedRig::start("src");
    rig.with_model();
    let kept = kept(&rig).await;
    let rig = rig.restarted();
    assert_eq!(list(&rig.store).unwrap().len(), 1);
    assert_eq!(find(&rig.store, "0909").unwrap(), kept.manifest.id.to_string());
    assert!(find(&rig.store, "").is_err() && find(&rig.store, "1").is_err());
    forget(&rig.store, &kept.manifest.id.to_string()).unwrap();
    assert!(list(&rig.store).unwrap().is_empty());
    assert!(forget(&rig.store, &kept.manifest.id.to_string()).unwrap_err().to_string().contains("no backup"));
}
