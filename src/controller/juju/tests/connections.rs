//! Logins, versions, and controllers of several nodes.

use modelferry_protocol::snapshot::{Call, LogSegment, Name};
use tokio::sync::watch;
use tokio::time::Instant;

use super::fake::{Fault, Stand};
use super::*;
use crate::controller::juju::connection::CallError;
use crate::juju::params::admin::{HostPort, RedirectErrorInfo};
use crate::juju::tls::Authority;

async fn refused(juju: &Juju) -> String {
    match juju.inner.connector.live().await {
        Ok(_) => panic!("it is let in"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_refused_password_is_shown_and_a_new_one_counts_without_a_restart() {
    let rig = Rig::start().await;
    *rig.fake().password.lock() = "changed".to_owned();
    let error = rig.import().await.unwrap_err();
    assert!(error.is_passing() && error.to_string().contains("controller \"west\" refuses the login"), "{error}");
    fs::write(rig.dir.path().join("password"), "changed\n").unwrap();
    rig.insist(&rig.calls[0]).await;
}

#[tokio::test]
async fn controllers_of_versions_that_are_not_driven_are_refused_by_name() {
    for version in ["2.9.50", "3.5.4", "4.2.0", "5.0-beta1"] {
        let rig = Rig::start().await;
        *rig.fake().version.lock() = version.to_owned();
        let text = refused(&rig.juju).await;
        assert!(text.contains(&format!("runs Juju {version}")) && text.contains("3.6, 4.0 and 4.1"), "{text}");
    }
    for version in ["3.6.11", "4.0.12", "4.1-beta2"] {
        let rig = Rig::start().await;
        *rig.fake().version.lock() = version.to_owned();
        assert!(rig.juju.inner.connector.live().await.is_ok(), "{version}");
    }
}

#[tokio::test]
async fn another_controller_is_not_taken_for_the_one_that_was_known() {
    let rig = Rig::start().await;
    rig.juju.connect().await.unwrap();
    let rig = rig.restarted();
    *rig.fake().uuid.lock() = "11111111-4993-4c3a-928e-c646226beeee".to_owned();
    let Err(error) = rig.juju.inner.connector.live().await else { panic!("it is let in") };
    assert!(matches!(error, CallError::Unfit(_)), "{error}");
    assert!(rig.import().await.unwrap_err().to_string().contains("answers where"));
}

#[tokio::test]
async fn another_ca_proves_nothing() {
    let rig = Rig::start().await;
    let other = Running::start().await;
    fs::write(rig.dir.path().join("ca.pem"), &other.ca_cert).unwrap();
    assert!(refused(&rig.juju).await.contains("does not prove that it is the controller"));
}

#[tokio::test]
async fn with_a_dead_address_the_next_one_is_used_and_later_the_nodes_that_the_controller_names() {
    let running = Running::start().await;
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), Disk::real()).unwrap();
    // Port 1 of this host: nobody listens there.
    let endpoints = vec!["127.0.0.1:1".to_owned(), running.address.to_string()];
    let juju = open(&dir, config(&dir, &running, endpoints), &store);
    *running.fake.servers.lock() = vec![running.address.to_string()];
    let live = juju.connect().await.unwrap();
    drop((live, juju));
    let juju = open(&dir, config(&dir, &running, vec!["127.0.0.1:1".to_owned()]), &store);
    juju.connect().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_ended_is_dialled_again() {
    let rig = Rig::start().await;
    let first = rig.juju.connect().await.unwrap();
    rig.fake().set_down(true);
    first.closed().await;
    assert!(rig.juju.models().await.unwrap_err().is_passing());
    rig.fake().set_down(false);
    while rig.juju.models().await.is_err() {}
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_away_is_dialled_less_and_less_often() {
    let (dir, authority) = (TempDir::new().unwrap(), Authority::make().unwrap());
    fs::write(dir.path().join("ca.pem"), authority.cert_pem).unwrap();
    fs::write(dir.path().join("password"), "secret").unwrap();
    let access = JujuAccess::Given {
        // Nobody listens there.
        endpoints: vec!["127.0.0.1:1".to_owned()],
        ca_cert: dir.path().join("ca.pem"),
        user: "admin".to_owned(),
        secret: JujuSecret::Password(dir.path().join("password")),
    };
    let store = Store::open(dir.path(), Disk::real()).unwrap();
    let juju = open(&dir, JujuConfig { name: "west".to_owned(), access }, &store);
    let begun = Instant::now();
    for _ in 0..8 {
        assert!(refused(&juju).await.contains("cannot be reached"));
    }
    // 0.2 s, doubling to 5 s.
    assert!(begun.elapsed() > Duration::from_secs(16), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_login_that_is_redirected_is_followed() {
    let (rig, other) = (Rig::start().await, Running::start().await);
    let to = RedirectErrorInfo {
        servers: vec![vec![HostPort::new("127.0.0.1", other.address.port())]],
        ca_cert: other.ca_cert.clone(),
        ..RedirectErrorInfo::default()
    };
    rig.fake().state().redirect = Some(to);
    rig.juju.models().await.unwrap();
    assert_eq!(other.fake.count("ListModelSummaries"), 1);
}

#[tokio::test]
async fn what_other_agents_are_told_is_kept_over_a_restart_with_the_controller_away() {
    let rig = Rig::start().await;
    assert_eq!(rig.juju.controller_card().uuid, ModelUuid::default(), "it was never reached");
    rig.juju.connect().await.unwrap();
    let card = rig.juju.controller_card();
    assert_eq!((&*card.name, &*card.cloud, &*card.cloud_type), ("west", "openstack-eu", "openstack"));
    assert_eq!(card.uuid.to_string(), fake::CONTROLLER);
    assert!(!card.ca_cert.is_empty());
    rig.fake().set_down(true);
    let rig = rig.restarted();
    assert_eq!(rig.juju.controller_card(), card);
    assert!(rig.juju.view().await.note.contains("not reached now"));
}

/// An agent that is connected to the first of a controller's two nodes, and what makes that one deaf.
async fn at_the_first_of_two_nodes() -> (Rig, watch::Sender<bool>) {
    let rig = Rig::start().await;
    let (deafen, deaf) = watch::channel(false);
    let first = rig.running.another_address(deaf).await.to_string();
    *rig.fake().servers.lock() = vec![first.clone(), rig.running.address.to_string()];
    let config = config(&rig.dir, &rig.running, vec![first]);
    let rig = rig.restarted_with(config);
    rig.juju.connect().await.unwrap();
    (rig, deafen)
}

/// Makes a call, and lets a minute pass in less than a second until it has an outcome.
async fn outcome<T>(call: impl Future<Output = Result<T, ControllerError>>) -> Result<T, ControllerError> {
    let mut call = std::pin::pin!(call);
    for _ in 0..600 {
        if let Ok(outcome) = tokio::time::timeout(Duration::from_millis(100), &mut call).await {
            return outcome;
        }
        // A ping is sent once a minute, and answered within half of one.
        pass(Duration::from_secs(15)).await;
    }
    panic!("the node that hears nothing is waited for");
}

#[tokio::test]
async fn a_node_that_answers_no_pings_is_given_up_at_every_call_and_the_migration_goes_on_at_another_one() {
    let (rig, deafen) = at_the_first_of_two_nodes().await;
    let charm = rig.calls.iter().find(|call| matches!(call, Call::UploadCharm(_))).unwrap();
    rig.import().await.unwrap();
    deafen.send_replace(true);
    assert!(outcome(rig.perform(charm)).await.unwrap_err().is_passing(), "nobody can have answered");
    rig.stage().await;
    for call in [activate(), adopt()] {
        rig.insist(&call).await;
    }
    assert_eq!((rig.fake().count("Import"), rig.fake().stand(MODEL)), (1, Some(Stand::Live)));
    let (rig, deafen) = at_the_first_of_two_nodes().await;
    rig.stage().await;
    rig.perform(&activate()).await.unwrap();
    deafen.send_replace(true);
    let blob = rig.store.put_bytes(b"2026-08-18T10:13:14.5Z INFO machine-0 juju.worker: one\n").unwrap();
    let segment = LogSegment { name: Name::cut("1.log"), until_ms: 7, lines: 1, blob };
    let until_ms = loop {
        match outcome(rig.juju.take_log(migration(FIRST), &segment)).await {
            Ok(until_ms) => break until_ms,
            Err(error) => assert!(error.is_passing(), "{error}"),
        }
    };
    assert_eq!((until_ms, rig.fake().state().lines.len()), (7, 1));
}

#[tokio::test]
async fn a_call_whose_node_dies_within_it_is_looked_after_at_another_node() {
    let (rig, deafen) = at_the_first_of_two_nodes().await;
    rig.fake().fault("Import", Fault::LoseReply);
    assert!(rig.import().await.unwrap_err().is_passing());
    deafen.send_replace(true);
    rig.stage().await;
    assert_eq!((rig.fake().count("Import"), rig.fake().stand(MODEL)), (1, Some(Stand::Importing)));
}
