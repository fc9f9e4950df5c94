//! A model leaves a Juju controller: agent, gateway, link, and the agent beside the destination.

use modelferry::juju::params::admin::LoginRequest;
use modelferry::juju::rpc::{Client, ClientError, Scope, Target};

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
    let verified = rig.src.run(&["verify", &rig.id(), "--format", "json"]).json();
    assert_eq!((&verified["ok"], &verified["blobs-proven"]), (&true.into(), &verified["blobs"]), "{verified}");
}

/// Logs in at the gateway, as clients do that know its address.
fn logs_in(rig: &Rig, scope: &Scope, user: &str, password: &str) -> Result<(), ClientError> {
    let ca = std::fs::read_to_string(rig.src.dir.path().join("state/gateways/dst/ca.pem")).unwrap();
    let addresses = rig.source.shared.state().target.clone().unwrap().addresses;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::dial(&Target::new(addresses, ca), scope).await?;
        let (auth_tag, credentials) = (user.to_owned(), password.to_owned());
        let login = LoginRequest { auth_tag, credentials: credentials.into(), ..LoginRequest::default() };
        client.login(&login).await.map(drop)
    })
}

/// A source gives a port up after 3 s and a login after 60: neither may wait for the link, and a restart loses neither.
#[test]
fn a_master_is_let_in_with_the_link_down_and_right_after_the_agent_was_killed() {
    let mut rig = Rig::start();
    rig.src.run(&["migrate", &rig.sample.name, "dst"]).ok();
    assert_eq!(rig.ends(), Phase::Done);
    rig.dst.stop();
    let told = rig.source.shared.state().target.clone().unwrap();
    assert_eq!(told.auth_tag, "user-modelferry", "a login of our own, of no use at the destination");
    for _ in 0..2 {
        logs_in(&rig, &Scope::Controller, &told.auth_tag, &told.password).unwrap();
        assert!(logs_in(&rig, &Scope::Controller, &told.auth_tag, "another").is_err());
        rig.src.kill();
        rig.src.start();
    }
}

#[test]
fn who_still_comes_by_the_gateway_is_shown_until_nobody_does_also_after_a_restart() {
    let mut rig = Rig::start();
    rig.src.run(&["migrate", &rig.sample.name, "dst"]).ok();
    assert_eq!(rig.ends(), Phase::Done);
    rig.src.until("the source is at rest", |src| (src.view(&rig.id())["state"] == "Moved").then_some(()));
    let model = Scope::Model(rig.sample.uuid.to_string());
    assert!(matches!(logs_in(&rig, &model, "user-bob", ""), Err(ClientError::Redirected(_))));
    let bob = |rig: &Rig| {
        let shown = rig.src.migration(&rig.id())["gateway"].clone();
        let visitors = shown["visitors"].as_array().unwrap().clone();
        let bob = visitors.into_iter().find(|visitor| visitor["who"] == "user-bob");
        bob.map(|bob| (bob["way"].clone(), bob["last-ms"].clone(), shown["unused-since-ms"].clone()))
    };
    let (way, last_ms, unused_ms) = bob(&rig).unwrap();
    assert!(way == "redirected" && unused_ms == last_ms, "{way} {last_ms} {unused_ms}");
    let file =
        rig.src.dir.path().join(format!("state/visitors/{}.json", rig.src.view(&rig.id())["mid"].as_str().unwrap()));
    rig.src
        .until("it is on the disk", |_| std::fs::read_to_string(&file).ok().filter(|text| text.contains("user-bob")));
    rig.src.stop();
    rig.src.start();
    assert_eq!(bob(&rig), Some((way, last_ms, unused_ms)));
    let shown = rig.src.run(&["show-migration", &rig.id()]).ok();
    assert!(shown.contains("user-bob") && shown.contains("Nobody has used the gateway since"), "{shown}");
}

#[test]
fn a_migration_of_a_juju_controllers_model_is_given_up_as_any() {
    let rig = Rig::start();
    rig.src.run(&["migrate", &rig.sample.name, "dst", "--hold-reap", "1h"]).fails(1, "deletes it by itself");
    rig.src.run(&["migrate", &rig.sample.name, "dst", "--hold"]).ok();
    rig.src.run(&["abort", &rig.id()]).ok();
    assert_eq!(rig.source.phase(), None, "the controller was asked for nothing");
}

#[test]
fn a_pair_is_checked_before_anything_begins_and_every_complaint_has_its_line() {
    let rig = Rig::start();
    let plan = rig.src.run(&["precheck", &rig.sample.name, "dst", "--format", "json"]).json();
    let findings = plan["findings"].as_array().unwrap();
    for check in [
        "source-access",
        "agent-redirects",
        "agent-rate",
        "agent-wait",
        "agent-route",
        "gateway-certificate",
        "image-registry",
        "offers-again",
        "credential-lifetime",
        "storage-references",
        "consumers",
        "consumed-offers",
    ] {
        let found = findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no {check} in {plan}"));
        assert_eq!(found["level"] == "pass", found["fix"].is_null(), "{found}");
    }
    let own = findings.iter().find(|finding| finding["check"] == "gateway-certificate").unwrap();
    assert!(own["level"] == "warn" && own["fix"].as_str().unwrap().contains("modelferry gateway csr"), "{own}");
    let doctor = rig.src.run(&["doctor", "--format", "json"]).json();
    assert!(doctor.as_array().unwrap().iter().any(|finding| finding["check"] == "gateway-certificate"), "{doctor}");
    assert_eq!(rig.source.phase(), None, "nothing has begun");
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
