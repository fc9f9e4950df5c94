//! A disk that is full, or fails, under the controller.

use std::io::ErrorKind;

use modelferry_protocol::ids::MigrationId;

use super::*;
use crate::controller::port::{Departure, MigrationRef};
use crate::disk::database::HEADROOM_BYTES;
use crate::disk::{FaultPlan, Faults};

/// A controller on a disk that fails when it is told to, with a model.
fn on_faulty_disk() -> (EmbeddedRig, Faults, ModelUuid) {
    let (dir, faults) = (TempDir::new().unwrap(), Faults::default());
    let disk = Disk::faulty(&faults);
    let store = Store::open(dir.path(), disk.clone()).unwrap();
    let embedded = Embedded::open(dir.path(), config("src"), store.clone(), disk).unwrap();
    embedded.add_user("bob", Access::Login, None).unwrap();
    let rig = EmbeddedRig { dir, config: config("src"), embedded, store };
    let model = rig.with_model();
    (rig, faults, model)
}

fn migration(number: u8, model: ModelUuid) -> MigrationRef {
    MigrationRef { mid: MigrationId([number; 16]), model }
}

#[tokio::test]
async fn a_model_that_was_frozen_is_thawed_whichever_write_fails_meanwhile() {
    // After one failed write the database refused everything, so that a frozen model stayed frozen for ever.
    let (rig, faults, model) = on_faulty_disk();
    let (mut number, mut failed) = (0, 0);
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::Other] {
        for write in 0.. {
            number += 1;
            let migration = migration(number, model);
            rig.embedded.freeze(migration).await.unwrap();
            assert!(rig.write(model).is_err(), "it is frozen");
            faults.set(FaultPlan { fail_writes: Some((write, kind)), ..FaultPlan::default() });
            let thawed = rig.embedded.thaw(migration).await;
            faults.set(FaultPlan::default());
            if let Err(error) = &thawed {
                assert_eq!(error.is_full(), kind != ErrorKind::Other, "{error:?}");
                failed += 1;
                rig.embedded.thaw(migration).await.unwrap();
            }
            rig.write(model).unwrap();
            if thawed.is_ok() {
                break;
            }
        }
    }
    assert!(failed > 3, "{failed} thaws failed");
}

#[tokio::test]
async fn on_a_disk_that_is_almost_full_nothing_begins_and_everything_ends() {
    let (rig, faults, model) = on_faulty_disk();
    rig.embedded.freeze(migration(1, model)).await.unwrap();
    faults.set(FaultPlan { free_bytes: Some(HEADROOM_BYTES - 1), ..FaultPlan::default() });
    rig.embedded.thaw(migration(1, model)).await.unwrap();
    let refused = rig.embedded.freeze(migration(2, model)).await.unwrap_err();
    assert!(refused.is_full(), "{refused:?}");
    assert!(rig.write(model).unwrap_err().is_full());
    faults.set(FaultPlan::default());
    rig.write(model).unwrap();
    rig.embedded.freeze(migration(2, model)).await.unwrap();
}

#[test]
fn a_start_on_a_full_disk_needs_no_room() {
    let (rig, _, model) = on_faulty_disk();
    let EmbeddedRig { dir, embedded, store, .. } = rig;
    drop((embedded, store));
    let disk = Disk::faulty(&Faults::new(FaultPlan { free_bytes: Some(0), ..FaultPlan::default() }));
    let store = Store::open(dir.path(), disk.clone()).unwrap();
    let embedded = Embedded::open(dir.path(), config("src"), store, disk).unwrap();
    assert!(embedded.models().unwrap().iter().any(|row| row.uuid == model.to_string()));
    assert_eq!(embedded.get(&model.to_string()).unwrap().len(), 3);
}
