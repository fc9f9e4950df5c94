//! Tests of the disk and of the injected faults that other tests rely on.

use std::os::unix::fs::PermissionsExt;
use std::{fs, io};

use tempfile::TempDir;

use super::{Disk, FaultPlan, Faults, Open};

#[test]
fn a_replaced_file_is_the_old_one_or_the_new_one_at_every_death() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("peers.toml");
    let (old, new) = (vec![b'o'; 1000], vec![b'n'; 2000]);
    for kept in [(|_| true) as fn(usize) -> bool, |_| false] {
        let mut deaths = 0;
        for at in 0.. {
            Disk::real().replace(&path, &old).unwrap();
            let faults = Faults::new(FaultPlan { die_at: Some(at), ..FaultPlan::default() });
            let replaced = Disk::faulty(&faults).replace(&path, &new);
            faults.power_cut(kept).unwrap();
            let found = fs::read(&path).unwrap();
            assert!(found == new || replaced.is_err() && found == old, "effect {at}");
            if replaced.is_ok() {
                break;
            }
            deaths += 1;
        }
        assert_eq!(deaths, 5, "made, written, synced, renamed, directory synced");
    }
}

/// Regression: sessions of a stopping agent wrote `capacities.toml` at once through one temporary name. One renamed the
/// file that another had just truncated, and the other found nothing to rename.
#[test]
fn replacements_of_one_file_at_once_all_succeed_and_leave_a_whole_one() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("capacities.toml");
    std::thread::scope(|scope| {
        for writer in 0..8_u8 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..50 {
                    Disk::real().replace(path, &vec![writer; 10_000]).unwrap();
                    let found = fs::read(path).unwrap();
                    assert!(found.len() == 10_000 && found.iter().all(|byte| *byte == found[0]), "torn");
                }
            });
        }
    });
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing temporary is left");
}

#[test]
fn files_and_directories_are_for_their_owner_alone() {
    let dir = TempDir::new().unwrap();
    let (made, file) = (dir.path().join("a/b"), dir.path().join("a/b/key"));
    Disk::real().create_dir(&made).unwrap();
    Disk::real().create_dir(&made).unwrap();
    Disk::real().replace(&file, b"secret").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(dir.path().join("a")), mode(made), mode(file)), (0o700, 0o700, 0o600));
}

#[test]
fn what_was_preallocated_can_be_written_on_a_full_disk() {
    let dir = TempDir::new().unwrap();
    let faults = Faults::new(FaultPlan { free_bytes: Some(10_000), ..FaultPlan::default() });
    let disk = Disk::faulty(&faults);
    let file = disk.open(&dir.path().join("journal"), Open::Fresh).unwrap();
    assert_eq!(file.preallocate(10_001).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.size().unwrap(), 0, "refused before anything was written");
    file.preallocate(10_000).unwrap();
    assert_eq!(disk.free_bytes(dir.path()).unwrap(), 0);
    file.write_all_at(9_000, &[1; 1000]).unwrap();
    assert_eq!(file.write_all_at(9_500, &[1; 1000]).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_power_cut_takes_back_what_was_not_synced_and_no_more() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    let written = || {
        let faults = Faults::default();
        let file = Disk::faulty(&faults).open(&path, Open::Fresh).unwrap();
        file.write_all_at(0, b"synced").unwrap();
        file.sync().unwrap();
        file.write_all_at(3, b"LOST").unwrap();
        file.write_all_at(0, b"K").unwrap();
        faults
    };
    written().power_cut(|_| false).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"synced");
    written().power_cut(|place| place == 0).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"Kynced");
    written().power_cut(|_| true).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"KynLOST");
}

#[test]
fn a_short_write_is_an_error_where_it_must_be_whole() {
    let dir = TempDir::new().unwrap();
    let faults = Faults::new(FaultPlan { short_write: Some(0), ..FaultPlan::default() });
    let file = Disk::faulty(&faults).open(&dir.path().join("file"), Open::Fresh).unwrap();
    assert_eq!(file.write_once_synced_at(0, b"record").unwrap_err().kind(), io::ErrorKind::WriteZero);
    faults.set(FaultPlan { short_write: Some(0), ..FaultPlan::default() });
    file.write_all_at(0, b"record").unwrap();
    let mut read = [0; 6];
    file.read_exact_at(0, &mut read).unwrap();
    assert_eq!(&read, b"record");
}

#[test]
fn a_locked_directory_is_not_locked_twice() {
    let dir = TempDir::new().unwrap();
    let lock = Disk::real().lock_dir(dir.path()).unwrap();
    assert!(lock.is_some());
    assert!(Disk::real().lock_dir(dir.path()).unwrap().is_none());
    drop(lock);
    assert!(Disk::real().lock_dir(dir.path()).unwrap().is_some());
}
