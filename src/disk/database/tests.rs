//! Tests of databases on a failing disk.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};
use tempfile::TempDir;

use super::{Database, DatabaseError, HEADROOM_BYTES, RESERVE, RESERVE_BYTES, Schema};
use crate::disk::{Disk, FaultPlan, Faults};

const NUMBERS: TableDefinition<u64, &[u8]> = TableDefinition::new("numbers");

const SCHEMA: Schema = Schema {
    names: &["numbers"],
    make: |transaction| {
        transaction.open_table(NUMBERS)?;
        Ok(())
    },
    cache_bytes: 1 << 20,
};

struct Rig {
    dir: TempDir,
    faults: Faults,
    database: Database,
}

impl Rig {
    fn start() -> Self {
        let (dir, faults) = (TempDir::new().unwrap(), Faults::default());
        let database = Database::open(&dir.path().join("x.redb"), Disk::faulty(&faults), SCHEMA).unwrap();
        Self { dir, faults, database }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("x.redb")
    }

    fn put(&self, number: u64) -> Result<(), DatabaseError> {
        self.database.commit(Durability::Immediate, |transaction| put(&self.database, transaction, number))
    }

    fn count(&self) -> Result<usize, DatabaseError> {
        self.database.with(|database| {
            let count = || Ok::<_, redb::Error>(database.begin_read()?.open_table(NUMBERS)?.iter()?.count());
            count().map_err(|error| self.database.explained(error))
        })
    }
}

fn put(database: &Database, transaction: &redb::WriteTransaction, number: u64) -> Result<(), DatabaseError> {
    let put = || {
        transaction.open_table(NUMBERS)?.insert(number, [7_u8; 9000].as_slice())?;
        Ok::<_, redb::Error>(())
    };
    put().map_err(|error| database.explained(error))
}

#[test]
fn a_moment_of_a_failing_disk_costs_the_call_that_met_it_and_no_other() {
    // Regression: redb returns "Previous I/O error" for every call after the first failure, so a briefly full disk
    // disabled the controller until the agent was restarted.
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::ReadOnlyFilesystem, ErrorKind::Other] {
        let rig = Rig::start();
        rig.put(0).unwrap();
        let mut failed = 0;
        for write in 0.. {
            let before = rig.count().unwrap();
            rig.faults.set(FaultPlan { fail_writes: Some((write, kind)), ..FaultPlan::default() });
            let done = rig.put(1_000 + write);
            rig.faults.set(FaultPlan::default());
            match done {
                Ok(()) => break,
                Err(error) => {
                    let is_full = matches!(error, DatabaseError::Full { .. });
                    let fills = matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
                    assert_eq!(is_full, fills, "write {write}: {error}");
                    assert!(error.to_string().contains("x.redb"), "{error}");
                }
            }
            failed += 1;
            let after = rig.count().unwrap();
            assert!(after == before || after == before + 1, "write {write}: {before} became {after}");
            rig.put(2_000 + write).unwrap();
        }
        assert!(failed > 1, "{failed} writes failed");
    }
}

#[test]
fn a_sync_that_fails_costs_its_commit_and_no_other() {
    let rig = Rig::start();
    let mut failed = 0;
    for sync in 0.. {
        let before = rig.count().unwrap();
        rig.faults.set(FaultPlan { fail_sync: Some(sync), ..FaultPlan::default() });
        let done = rig.put(1_000 + sync);
        rig.faults.set(FaultPlan::default());
        let Err(error) = done else { break };
        assert!(matches!(&error, DatabaseError::Io { path, .. } if *path == rig.path()), "{error}");
        failed += 1;
        let after = rig.count().unwrap();
        assert!(after == before || after == before + 1, "sync {sync}: {before} became {after}");
        rig.put(2_000 + sync).unwrap();
    }
    assert!(failed >= 1, "no sync failed");
}

#[test]
fn a_disk_that_cannot_be_read_is_reported_each_time_and_used_again_once_it_can() {
    let rig = Rig::start();
    rig.put(0).unwrap();
    // Drop the cached pages: a failed write closes the file.
    rig.faults.set(FaultPlan { fail_writes: Some((0, ErrorKind::Other)), ..FaultPlan::default() });
    rig.put(1).unwrap_err();
    rig.faults.set(FaultPlan { fail_reads: Some(ErrorKind::Other), ..FaultPlan::default() });
    for _ in 0..3 {
        let error = rig.count().unwrap_err();
        assert!(matches!(&error, DatabaseError::Io { path, .. } if *path == rig.path()), "{error}");
        assert!(matches!(rig.put(1), Err(DatabaseError::Io { .. })));
    }
    rig.faults.set(FaultPlan::default());
    assert_eq!(rig.count().unwrap(), 1);
    rig.put(1).unwrap();
}

#[test]
fn a_disk_that_stays_full_is_reported_as_full_each_time() {
    let rig = Rig::start();
    rig.faults.set(FaultPlan { fail_writes: Some((0, ErrorKind::StorageFull)), ..FaultPlan::default() });
    for _ in 0..3 {
        assert!(matches!(rig.put(1), Err(DatabaseError::Full { .. })));
    }
    rig.faults.set(FaultPlan::default());
    rig.put(1).unwrap();
    assert_eq!(rig.count().unwrap(), 1);
}

#[test]
fn what_must_be_done_on_a_full_disk_is_given_the_reserve() {
    let rig = Rig::start();
    rig.database.keep_reserve();
    let reserve = rig.dir.path().join(RESERVE);
    assert_eq!(fs::metadata(&reserve).unwrap().len(), RESERVE_BYTES);
    rig.faults.set(FaultPlan { fail_writes: Some((0, ErrorKind::StorageFull)), ..FaultPlan::default() });
    let mut tries = 0;
    let done = rig.database.commit_regardless(
        |error| {
            // Simulates the space that the removed reserve frees for the second attempt.
            rig.faults.set(FaultPlan::default());
            matches!(error, DatabaseError::Full { .. })
        },
        |transaction| {
            tries += 1;
            assert_eq!(reserve.exists(), tries == 1, "its space is free by the second try");
            put(&rig.database, transaction, 1)
        },
    );
    done.unwrap();
    assert_eq!((tries, rig.count().unwrap()), (2, 1));
    let full = FaultPlan { free_bytes: Some(HEADROOM_BYTES + RESERVE_BYTES - 1), ..FaultPlan::default() };
    rig.faults.set(full);
    rig.database.keep_reserve();
    assert!(!reserve.exists(), "only what nobody else needs is taken");
    rig.faults.set(FaultPlan::default());
    rig.database.keep_reserve();
    assert!(reserve.exists());
}

#[test]
fn an_ordinary_write_is_refused_before_the_disk_is_full() {
    let rig = Rig::start();
    rig.faults.set(FaultPlan { free_bytes: Some(HEADROOM_BYTES - 1), ..FaultPlan::default() });
    assert!(matches!(rig.database.need_room(), Err(DatabaseError::Full { .. })));
}

#[test]
fn a_start_needs_no_room() {
    let Rig { dir, database, .. } = Rig::start();
    drop(database);
    let size = fs::metadata(dir.path().join("x.redb")).unwrap().len();
    let faults = Faults::new(FaultPlan { free_bytes: Some(0), ..FaultPlan::default() });
    let again = Database::open(&dir.path().join("x.redb"), Disk::faulty(&faults), SCHEMA).unwrap();
    assert!(again.with(|database| Ok::<_, DatabaseError>(database.begin_read().is_ok())).unwrap());
    assert_eq!(fs::metadata(dir.path().join("x.redb")).unwrap().len(), size);
}

#[test]
fn an_emptied_file_is_damaged_and_not_a_new_database() {
    // Regression: an emptied controller.redb silently became a new, empty controller.
    let rig = Rig::start();
    let path = rig.path();
    drop(rig.database);
    fs::write(&path, "").unwrap();
    let opened = Database::open(&path, Disk::real(), SCHEMA).map(drop);
    assert!(matches!(&opened, Err(DatabaseError::Damaged { reason, .. }) if reason.contains("empty")), "{opened:?}");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn a_damaged_file_is_an_error_that_names_it() {
    // Regression: flipped header bytes produced redb's own message, without the file's name.
    let rig = Rig::start();
    (0..40).for_each(|number| rig.put(number).unwrap());
    let path = rig.path();
    drop(rig.database);
    let whole = fs::read(&path).unwrap();
    let mut damaged = 0;
    for at in (0..64).chain((64..320).step_by(16)) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        fs::write(&path, &bytes).unwrap();
        match Database::open(&path, Disk::real(), SCHEMA).map(drop) {
            Ok(()) => {}
            Err(error @ DatabaseError::Damaged { .. }) => {
                damaged += 1;
                assert!(error.to_string().contains("x.redb"), "{error}");
            }
            Err(other) => panic!("byte {at}: {other:?}"),
        }
    }
    assert!(damaged > 9, "{damaged}");
    for bytes in [&whole[..100], &whole[..whole.len() / 2], &b"SQLite format 3"[..], &[0; 8192]] {
        fs::write(&path, bytes).unwrap();
        let opened = Database::open(&path, Disk::real(), SCHEMA).map(drop);
        assert!(matches!(opened, Err(DatabaseError::Damaged { .. })), "{} bytes: {opened:?}", bytes.len());
    }
}
