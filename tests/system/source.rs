//! A model leaves a Juju controller: agent, gateway, link, and the agent beside the destination.

use super::host::files;
use super::juju_rig::Rig;
use super::scripted::Phase;

#[test]
fn a_juju_controllers_model_moves_with_its_binaries_and_its_log() {
    let rig = Rig::start();
    rig.src.run(&["migrate", &rig.sample.name, "dst"]).ok();
    assert_eq!(rig.ends(), Phase::Done);
    rig.src.until("the source is at rest", |src| (src.view(&rig.id())["state"] == "Moved").then_some(()));
    let held = files(&rig.dst.export(&rig.sample.name));
    let sent = files(&rig.src.dir.path().join("model"));
    for (path, bytes) in sent.iter().filter(|(path, _)| !path.starts_with("blobs/logs")) {
        let same = held.iter().any(|(_, other)| other == bytes);
        assert!(same, "{} has not arrived", path.display());
    }
    assert!(held.iter().any(|(path, _)| path.starts_with("logs")), "{:?}", held.keys());
    assert!(rig.dst.serves(&rig.sample.name));
}

#[test]
fn an_activate_whose_reply_is_lost_leaves_one_owner() {
    let rig = Rig::start();
    rig.source.shared.state().lose_activate = true;
    rig.source.shared.state().lose_abort = true;
    rig.src.run(&["migrate", &rig.sample.name, "dst"]).ok();
    assert_eq!(rig.ends(), Phase::AbortDone);
    rig.src.until("the source is at rest", |src| (src.view(&rig.id())["state"] == "Aborted").then_some(()));
    rig.dst.until("the target is at rest", |dst| (dst.view(&rig.id())["state"] == "Dropped").then_some(()));
    assert!(!rig.dst.serves(&rig.sample.name), "live on both");
    assert!(!rig.source.shared.state().is_gone);
}
