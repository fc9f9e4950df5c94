//! The gateway in front of Juju 3.6.11's own migration master: its uploads, its log transfer, its retries.
//!
//! `MASTER36` names the program, as `scripts/interop` builds it; without it these tests are left out. The agent behind the gateway is
//! the one of `direct`.

mod direct;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use modelferry::config::{Config, EmbeddedConfig, Environment};
use modelferry::controller::embedded::Embedded;
use modelferry::controller::embedded::view::ModelState;
use modelferry::controller::gateway::{Certificate, Gateway, Secret};
use modelferry::controller::port::MigrationRef;
use modelferry::disk::Disk;
use modelferry::juju::rpc::Server;
use modelferry::juju::tls::server_config;
use modelferry::sample::{Home, Sample, as_written_by_36};
use modelferry::store::Store;
use modelferry_protocol::ids::MigrationId;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use direct::{Direct, Fault};

const DONE: i32 = 0;
const ABORTED: i32 = 3;

/// A model of the cloud that an embedded controller has which was told nothing.
fn sample() -> Sample {
    Sample { home: Home::LOCALHOST, ..Sample::default() }
}

fn config(dir: &Path) -> EmbeddedConfig {
    let path = dir.join("agent.toml");
    std::fs::write(&path, "[embedded]\nname = \"dst\"\naccept-live-models = true\n").unwrap();
    Config::load(Some(&path), &Environment::from_process()).unwrap().embedded
}

/// A gateway that is started again whenever it dies.
struct Site {
    dir: TempDir,
    direct: Arc<Direct>,
    listen: SocketAddr,
    certificate: Certificate,
    server: Option<Server>,
}

impl Site {
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let disk = Disk::real();
        let store = Store::open(dir.path(), disk.clone()).unwrap();
        let embedded = Embedded::open(dir.path(), config(dir.path()), store, disk.clone()).unwrap();
        let model = sample().uuid.parse().unwrap();
        let direct = Direct::new(embedded, MigrationRef { mid: MigrationId([3; 16]), model });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = listener.local_addr().unwrap();
        let certificate = Certificate::own(&dir.path().join("gateway"), &disk, &[listen.ip().to_string()]).unwrap();
        let mut site = Self { dir, direct, listen, certificate, server: None };
        site.serve(listener);
        site
    }

    fn serve(&mut self, listener: TcpListener) {
        let ca = self.certificate.ca_cert.clone();
        let store = self.direct.embedded.store().clone();
        let gateway = Gateway::new(self.direct.clone(), store, self.listen, &[], ca);
        let tls = server_config(&self.certificate.leaf).unwrap();
        self.server = Some(Server::start(listener, tls, Arc::new(gateway), Gateway::limits()).unwrap());
    }

    /// Kills the gateway under whoever is connected, and starts it again.
    async fn renew(&mut self) {
        self.server.take().unwrap().stop().await;
        self.serve(TcpListener::bind(self.listen).await.unwrap());
    }

    /// Runs the real master to its end. Whenever a reply is lost, the gateway dies and comes again.
    async fn master(&mut self, program: &Path) -> (i32, String) {
        let command = self.command(program);
        let running = tokio::task::spawn_blocking(move || run(command));
        tokio::pin!(running);
        let mut lost = self.direct.lost.subscribe();
        loop {
            tokio::select! {
                output = &mut running => {
                    let output = output.unwrap();
                    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
                    return (output.status.code().unwrap_or(-1), said.into_owned());
                }
                changed = lost.changed() => {
                    changed.unwrap();
                    self.renew().await;
                }
            }
        }
    }

    fn command(&self, program: &Path) -> Command {
        let place = self.dir.path().join("master");
        std::fs::create_dir(&place).unwrap();
        let files = sample().write(&place).unwrap();
        let told = as_written_by_36(&std::fs::read_to_string(&files.description).unwrap());
        std::fs::write(&files.description, told).unwrap();
        let target = json!({
            "controller-tag": format!("controller-{}", self.direct.embedded.view().unwrap().uuid),
            "controller-alias": "dst", "addrs": [self.listen.to_string()], "ca-cert": self.certificate.ca_cert,
            "auth-tag": Secret::AUTH_TAG, "password": self.direct.secret.password(),
        });
        std::fs::write(place.join("target.json"), target.to_string()).unwrap();
        let mut command = Command::new(program);
        command.arg("-model").arg(&files.description).arg("-blobs").arg(&files.blobs);
        command.arg("-target").arg(place.join("target.json")).arg("-state").arg(place.join("state.json"));
        command.args(["-retry", "1s", "-wait", "5s"]);
        command
    }

    /// How the destination has the model, if it has it.
    fn there(&self) -> Option<ModelState> {
        let models = self.direct.embedded.models().unwrap();
        models.iter().find(|row| row.uuid == sample().uuid).map(|row| row.state)
    }
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

/// Returns the real master.
fn program() -> PathBuf {
    std::env::var_os("MASTER36").map(PathBuf::from).expect("MASTER36 names the program that scripts/interop builds")
}

/// Runs the master with faults. `moves`: whether the model is to be at the destination in the end.
async fn outcome(faults: &[(&'static str, Fault)], moves: bool) -> (Site, String) {
    let program = program();
    let mut site = Site::start().await;
    for (call, fault) in faults {
        site.direct.fault(call, fault.clone());
    }
    let (code, said) = site.master(&program).await;
    // Exactly one owner: the source after ABORTDONE, the destination after DONE.
    assert_eq!(code, if moves { DONE } else { ABORTED }, "{said}");
    assert_eq!(site.there() == Some(ModelState::Live), moves, "{:?}\n{said}", site.there());
    if !moves {
        assert_eq!(site.there(), None, "nothing is left\n{said}");
    }
    (site, said)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn the_real_master_moves_a_model_with_its_binaries_and_its_log() {
    let (site, said) = outcome(&[], true).await;
    let model = site.direct.embedded.model(&sample().name).unwrap();
    assert!(!model.row.incomplete, "{said}");
    assert!(said.contains("LOGTRANSFER"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_link_that_is_down_for_seconds_in_any_phase_only_takes_time() {
    let held = Fault::Held(Duration::from_secs(2));
    let calls = ["prechecks", "import", "upload", "check", "activate", "adopt"];
    let faults: Vec<_> = calls.iter().map(|call| (*call, held.clone())).collect();
    outcome(&faults, true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_lost_reply_to_activate_leaves_the_source_the_only_owner() {
    let (site, said) = outcome(&[("activate", Fault::Lost)], false).await;
    assert!(site.direct.was_answered(), "the agent had promised it");
    assert!(said.contains("ABORT"), "{said}");
}

/// The control: without the rule that `Activate` is never passed on, the same loss leaves the model live on both sides.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_target_that_activates_when_it_is_asked_has_two_owners_after_the_same_loss() {
    let program = program();
    let mut site = Site::start().await;
    site.direct.fault("activate", Fault::LostByPlainTarget);
    let (code, said) = site.master(&program).await;
    assert_eq!((code, site.there()), (ABORTED, Some(ModelState::Live)), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_gateway_that_dies_in_success_is_found_again_and_the_destination_is_the_only_owner() {
    outcome(&[("adopt", Fault::Lost)], true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_gateway_that_dies_in_validation_is_found_again() {
    outcome(&[("check", Fault::Lost)], true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_gateway_that_dies_in_an_upload_costs_the_migration_and_leaves_the_source_the_owner() {
    outcome(&[("upload", Fault::Lost)], false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn an_import_that_fails_is_told_in_the_destinations_words_and_aborts() {
    let why = "importing model: user \"eve\" is deleted";
    let (_, said) = outcome(&[("import", Fault::Fails(why))], false).await;
    assert!(said.contains("user \\\"eve\\\" is deleted") || said.contains(why), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_failure_of_the_staging_is_the_next_uploads_reply_and_aborts() {
    let why = "the destination is out of disk";
    let (_, said) = outcome(&[("upload", Fault::Fails(why))], false).await;
    assert!(said.contains(why), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn an_instance_that_is_missing_is_a_result_and_aborts() {
    let (_, said) = outcome(&[("check", Fault::Fails("instance i-7 is missing"))], false).await;
    assert!(said.contains("machine sanity check failed, 1 error found"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Go toolchain: scripts/interop builds the master and runs this"]
async fn a_spent_freeze_budget_aborts_by_itself() {
    let (site, _) = outcome(&[("activate", Fault::Fails("the freeze budget is spent"))], false).await;
    assert!(!site.direct.was_answered());
}
