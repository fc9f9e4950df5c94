//! The revisions of resources that units have.

use super::fake::Fault;
use super::*;

const UNIT: &str = "postgresql/0/wal-g";

fn query(rig: &Rig, of: &str) -> String {
    rig.fake().state().params.get(of).map(|query| query.as_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test]
async fn a_controller_of_3_6_is_told_which_revisions_units_have_and_later_ones_read_it() {
    for (version, told) in [("3.6.11", 1), ("4.0.12", 0), ("4.1.0", 0)] {
        let rig = Rig::start().await;
        *rig.fake().version.lock() = version.to_owned();
        rig.stage().await;
        assert_eq!(rig.fake().count("units"), told, "{version}");
        let query = query(&rig, UNIT);
        for part in ["unit=postgresql%2F0", "revision=2&", "path=wal-g.tar.zst", "user=postgresql", "timestamp="] {
            assert_eq!(query.contains(part), told == 1, "{version}: {part} in {query}");
        }
        assert!(!query.contains("application="), "{query}");
    }
}

#[tokio::test]
async fn a_resource_is_uploaded_under_the_file_name_that_its_charm_asks_for() {
    let rig = Rig::start().await;
    rig.stage().await;
    let query = query(&rig, "wal-g");
    for part in ["application=postgresql", "path=wal-g.tar.zst", "description=a+tool", "user=admin"] {
        assert!(query.contains(part), "{part} is not in {query}");
    }
}

#[tokio::test]
async fn nothing_is_staged_before_every_revision_is_known_and_one_that_was_lost_is_told_again() {
    let rig = Rig::start().await;
    *rig.fake().version.lock() = "3.6.11".to_owned();
    rig.fake().fault("units", Fault::LoseReply);
    for call in &rig.calls[..rig.calls.len() - 1] {
        rig.insist(call).await;
    }
    assert!(rig.perform(&check()).await.unwrap_err().is_passing());
    assert!(rig.perform(&activate()).await.unwrap_err().to_string().contains("not staged as a whole"));
    rig.insist(&check()).await;
    assert_eq!((rig.fake().count("units"), rig.fake().count("CheckMachines")), (2, 1));
}
