//! The adapter as a source: a live model is read, and the controller is asked for a migration once.

use modelferry_protocol::plan::Level;

use super::fake::{Fault, OWN_MODEL};
use super::*;
use crate::controller::port::{Announced, Examination, ModelReader, Relayed, Said, Shown, VerbatimCall};
use crate::juju::rpc::RpcError;

/// Puts a live model into the controller, as its master would read it.
fn leaving(rig: &Rig, version: &str) {
    let files = rig.dir.path().join("files");
    let text = fs::read_to_string(files.join("model.yaml")).unwrap();
    let told = Description::parse(text.as_bytes()).unwrap();
    *rig.fake().version.lock() = version.to_owned();
    let mut state = rig.fake().state();
    for wanted in told.wanted() {
        let bytes = fs::read(files.join(wanted.path())).unwrap();
        let path = match wanted {
            Wanted::Charm { url, .. } => url.clone(),
            Wanted::AgentBinary { version, .. } => format!("/model/{MODEL}/tools/{version}"),
            Wanted::File { application, name, .. } | Wanted::OciImage { application, name, .. } => {
                format!("/model/{MODEL}/applications/{application}/resources/{name}")
            }
        };
        state.files.insert(path, bytes);
    }
    state.dump = Some(text);
}

fn announced() -> Announced {
    Announced {
        controller: "11111111-2222-3333-4444-555555555555".parse().unwrap(),
        alias: "west".to_owned(),
        addresses: vec!["10.0.0.9:17072".to_owned()],
        ca_cert: "a CA".to_owned(),
        auth_tag: "user-modelferry".to_owned(),
        password: "ours".into(),
    }
}

#[tokio::test]
async fn a_live_model_is_read_as_its_master_would_send_it_and_nothing_is_downloaded_twice() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    let export = rig.juju.preview(model()).await.unwrap();
    assert_eq!(export.calls, rig.calls, "the very calls that the files make");
    let downloads = |rig: &Rig| rig.fake().state().calls.iter().filter(|call| call.contains(':')).count();
    let before = downloads(&rig);
    assert!(before > 0);
    let rig = rig.restarted();
    assert_eq!(rig.juju.preview(model()).await.unwrap(), export);
    assert_eq!(downloads(&rig), before);
    let examined = rig.juju.examine(model(), None).await.unwrap();
    assert!(examined.facts.machines_live && examined.facts.uuid == model());
    assert_eq!(&*examined.facts.controller_version, "3.6.11");
}

#[tokio::test]
async fn a_binary_that_is_not_what_the_description_says_is_refused() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    let tools = rig.fake().state().files.keys().find(|path| path.contains("/tools/")).cloned().unwrap();
    rig.fake().state().files.insert(tools, b"other".to_vec());
    let refused = rig.juju.preview(model()).await.unwrap_err();
    assert!(matches!(&refused, ControllerError::Refused(text) if text.contains("agent binary")), "{refused}");
}

/// What 4.x dumps is the tables of its database: a backup of that would be one of nothing.
#[tokio::test]
async fn a_model_that_is_not_shown_while_it_is_live_can_move_and_its_plan_says_what_is_not_promised() {
    let rig = Rig::start().await;
    leaving(&rig, "4.1.0");
    assert_eq!(rig.juju.ahead(model()).await.unwrap(), None, "nothing travels ahead");
    let refused = rig.juju.preview(model()).await.unwrap_err();
    assert!(matches!(&refused, ControllerError::Refused(text) if text.contains("4.1.0")), "{refused}");
    let Examination { facts, findings, .. } = rig.juju.examine(model(), None).await.unwrap();
    assert_eq!((&*facts.name, &*facts.owner, &*facts.cloud), ("shop-eu", "admin", "openstack-eu"));
    assert_eq!(facts.users.iter().map(|user| &**user).collect::<Vec<_>>(), ["bob"]);
    let warned: Vec<&str> =
        findings.iter().filter(|finding| finding.level == Level::Warn).map(|finding| &*finding.check).collect();
    assert_eq!(warned, ["description", "source-version"]);
    assert!(findings.iter().all(|finding| finding.level != Level::Fail));
}

/// 4.1-beta2 takes the order, and breaks.
#[tokio::test]
async fn the_controllers_own_model_is_refused_and_never_asked_for() {
    for version in ["3.6.11", "4.1.0"] {
        let rig = Rig::start().await;
        *rig.fake().version.lock() = version.to_owned();
        let own: ModelUuid = OWN_MODEL.parse().unwrap();
        let migration = MigrationRef { mid: FIRST, model: own };
        let refused = rig.juju.initiate(migration, &announced()).await.unwrap_err();
        assert!(refused.to_string().contains("controllers can't be migrated"), "{refused}");
        let findings = rig.juju.examine(own, None).await.unwrap().findings;
        assert!(findings.iter().any(|finding| finding.level == Level::Fail), "{findings:?}");
        assert_eq!(rig.fake().count("InitiateMigration"), 0);
    }
}

#[tokio::test]
async fn the_controller_is_asked_once_however_often_and_a_lost_reply_is_looked_after() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    rig.fake().fault("InitiateMigration", Fault::LoseReply);
    assert!(rig.juju.initiate(migration(FIRST), &announced()).await.unwrap_err().is_passing());
    let rig = rig.restarted();
    for _ in 0..2 {
        rig.juju.initiate(migration(FIRST), &announced()).await.unwrap();
    }
    assert_eq!(rig.fake().count("InitiateMigration"), 1);
    let told = rig.fake().state().params["InitiateMigration"].clone();
    assert_eq!(told.get("dry-run"), None, "a controller before 3.6.13 would migrate");
    let target = &told["specs"][0]["target-info"];
    assert_eq!((target["password"].as_str(), target["addrs"][0].as_str()), (Some("ours"), Some("10.0.0.9:17072")));
    // One that never arrived is asked for again.
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    rig.fake().fault("InitiateMigration", Fault::Cut);
    assert!(rig.juju.initiate(migration(FIRST), &announced()).await.is_err());
    rig.juju.initiate(migration(FIRST), &announced()).await.unwrap();
    assert_eq!(rig.fake().count("InitiateMigration"), 2);
}

#[tokio::test]
async fn it_is_kept_when_the_controller_was_asked_as_the_freeze_counts_from_there() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    assert_eq!(rig.juju.asked_ms(migration(FIRST)).await.unwrap(), None);
    let before_ms = crate::clock::now_ms();
    // It never arrived, and was asked for again.
    rig.fake().fault("InitiateMigration", Fault::Cut);
    assert!(rig.juju.initiate(migration(FIRST), &announced()).await.is_err());
    let first_ms = rig.juju.asked_ms(migration(FIRST)).await.unwrap().unwrap();
    while crate::clock::now_ms() == first_ms {
        tokio::task::yield_now().await;
    }
    rig.juju.initiate(migration(FIRST), &announced()).await.unwrap();
    let asked_ms = rig.juju.asked_ms(migration(FIRST)).await.unwrap().unwrap();
    assert!(first_ms >= before_ms && asked_ms > first_ms, "{before_ms} {first_ms} {asked_ms}");
    let rig = rig.restarted();
    rig.juju.initiate(migration(FIRST), &announced()).await.unwrap();
    assert_eq!(rig.juju.asked_ms(migration(FIRST)).await.unwrap(), Some(asked_ms), "nothing was asked for again");
}

#[tokio::test]
async fn what_a_pair_is_judged_by_is_read_of_the_model_and_its_controller() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    rig.fake().state().config =
        serde_json::json!({ "migration-agent-wait-time": "20m0s", "caas-image-repo": "r.example" });
    let told = Description::parse(rig.fake().state().dump.clone().unwrap().as_bytes()).unwrap();
    let departing = rig.juju.examine(model(), None).await.unwrap().departing.unwrap();
    let agents: usize = departing.agents.values().sum();
    assert_eq!(agents, told.all_machines().count() + told.all_units().count());
    assert!(departing.agents.keys().all(|version| version.split('.').count() == 3), "{:?}", departing.agents);
    assert_eq!((departing.agent_wait.as_secs(), departing.image_repo.as_str()), (1200, "r.example"));
    // One that does not tell has what Juju has by default.
    rig.fake().fault("ControllerConfig", Fault::Refuse(RpcError::plain("no")));
    let departing = rig.juju.examine(model(), None).await.unwrap().departing.unwrap();
    assert_eq!(departing.agent_wait.as_secs(), 900);
}

#[tokio::test]
async fn a_user_who_may_not_begin_migrations_is_told_with_the_line_that_mends_it() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    let access = async |rig: &Rig| {
        let findings = rig.juju.examine(model(), None).await.unwrap().findings;
        findings.into_iter().find(|finding| &*finding.check == "source-access").unwrap()
    };
    assert_eq!(access(&rig).await.level, Level::Pass);
    *rig.fake().access.lock() = "add-model".to_owned();
    let refused = access(&rig).await;
    assert_eq!(refused.level, Level::Fail);
    assert_eq!(&*refused.fix, "juju grant --controller west admin superuser");
}

#[tokio::test]
async fn the_route_to_a_destination_is_tried_from_this_host() {
    let rig = Rig::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap().to_string();
    let closed = {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap().to_string()
    };
    let tried = rig.juju.routes(&[open.clone(), closed.clone()]).await;
    assert_eq!(tried[0], (open, Ok(())));
    assert!(tried[1].0 == closed && tried[1].1.is_err(), "{tried:?}");
}

#[tokio::test]
async fn a_refusal_of_the_controller_is_passed_on_in_its_words() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    rig.fake()
        .fault("InitiateMigration", Fault::Refuse(RpcError::plain("source prechecks failed: unit db/0 not idle")));
    let refused = rig.juju.initiate(migration(FIRST), &announced()).await.unwrap_err();
    assert!(!refused.is_passing() && refused.to_string().contains("unit db/0 not idle"), "{refused}");
}

#[tokio::test]
async fn the_end_of_a_migration_is_seen_by_its_status_or_where_there_is_none_by_the_gate() {
    let rig = Rig::start().await;
    leaving(&rig, "3.6.11");
    let shown = async |rig: &Rig| rig.juju.shown(migration(FIRST)).await.unwrap();
    assert_eq!(shown(&rig).await, Shown::Nothing, "nothing was asked for");
    rig.juju.initiate(migration(FIRST), &announced()).await.unwrap();
    assert_eq!(shown(&rig).await, Shown::Running);
    rig.fake().state().migration["status"] = "successful, waiting for agents to report back".into();
    assert_eq!(shown(&rig).await, Shown::Success);
    rig.fake().state().dump = None;
    assert_eq!(shown(&rig).await, Shown::Done);

    let rig = Rig::start().await;
    leaving(&rig, "4.1.0");
    rig.fake().state().migration = serde_json::Value::Null;
    rig.juju.initiate(migration(FIRST), &announced()).await.unwrap();
    rig.fake().state().is_exporting = false;
    assert_eq!(shown(&rig).await, Shown::Nothing, "the gate closes a while after the request");
    rig.fake().state().is_exporting = true;
    assert_eq!(shown(&rig).await, Shown::Silent);
    let rig = rig.restarted();
    rig.fake().state().is_exporting = false;
    assert_eq!(shown(&rig).await, Shown::Ended);
}

#[tokio::test]
async fn only_what_reads_is_done_for_a_peer() {
    let rig = Rig::start().await;
    let call = |facade: &str, method: &str| VerbatimCall {
        model: model(),
        facade: facade.to_owned(),
        version: 3,
        method: method.to_owned(),
        params: b"{}".to_vec(),
    };
    let said = rig.juju.relay(&call("UserManager", "UserInfo")).await.unwrap();
    assert!(matches!(said, Said::Response(json) if json.starts_with(b"{\"results\"")));
    let Said::Response(login) = rig.juju.relay(&call("Admin", "Login")).await.unwrap() else { panic!("no login") };
    assert!(String::from_utf8(login).unwrap().contains("MigrationTarget"));
    for (facade, method) in
        [("ModelManager", "DestroyModels"), ("MigrationTarget", "Activate"), ("UserManager", "AddUser")]
    {
        assert!(rig.juju.relay(&call(facade, method)).await.is_err(), "{facade}.{method}");
        assert_eq!(rig.fake().count(method), 0);
    }
}
