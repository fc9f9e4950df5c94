//! A source whose controller decides, as Juju's does: its migration master, played by the tests, calls through the gateway's port.

use std::sync::Arc;
use std::time::Duration;

use modelferry::controller::gateway::{Relay, RelayError};
use modelferry::controller::port::{MigrationRef, Relayed, Shown};
use modelferry::engine::view::{Stand, State};
use modelferry::engine::{EngineError, ErrorKind, MigrateOptions, PeerRelay};
use modelferry::juju::logstream::LogRecord;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::snapshot::{Arguments, Call, Charm, Name, Params};

use super::controller::{Effect, Held, MODEL};
use super::engines::{Host, connected};
use super::juju_source::Source;
use super::memory_controller::noise;

/// Generous: nothing is claimed about time here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two hosts, the first beside such a controller, with a model of two charms.
pub struct Pair {
    pub src: Host,
    pub dst: Host,
    pub source: Source,
    pub charms: Vec<Vec<u8>>,
}

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens soon")
}

pub fn options() -> MigrateOptions {
    Host::options()
}

impl Pair {
    pub async fn start() -> Self {
        let source = Source::new();
        let relayed: Arc<dyn Relayed> = Arc::new(source.clone());
        let (src, dst) = (Host::start_apart("src", Some(relayed)).await, Host::start_apart("dst", None).await);
        let (code, _) = src.link().offer(Some("dst".into())).await.unwrap();
        // In its own process: what dials from here would outlive it.
        let (link, to) = (dst.link().clone(), src.link().local_addr().to_string());
        dst.inside(async move { link.accept(code, &to, Some("src".into())).await }).await.unwrap();
        connected(&src, &dst).await;
        source.script().store = Some(src.store());
        let charms = vec![noise(1, 300_000), noise(2, 70_000)];
        src.controller.hold(&charms);
        Self { src, dst, source, charms }
    }

    pub fn relay(&self) -> PeerRelay {
        self.src.engine().relay_to("dst")
    }

    /// Begins a migration, and waits until the controller is asked for it.
    pub async fn begin(&self) -> MigrationRef {
        let mid = self.src.migrate_with("dst", options()).await;
        self.begun(mid).await
    }

    pub async fn begun(&self, mid: MigrationId) -> MigrationRef {
        soon(async {
            while self.source.script().asked.iter().all(|(migration_ref, _)| migration_ref.mid != mid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        self.source.shows(Shown::Running);
        MigrationRef { mid, model: MODEL }
    }

    pub fn import(&self) -> Call {
        Call::Import(self.src.put(b"writes: 0\n"))
    }

    pub fn charm(&self, place: usize) -> Call {
        let blob = self.src.put(&self.charms[place]);
        let (url, object) = (Name::cut(format!("ch:charm-{place}")), Name::cut(format!("charm-{place}-0123456")));
        Call::UploadCharm(Charm { url, object, blob })
    }

    /// The master imports and uploads.
    pub async fn stage(&self, migration_ref: MigrationRef) {
        soon(self.relay().import(migration_ref, &self.import())).await.unwrap();
        for place in 0..self.charms.len() {
            soon(self.relay().upload(migration_ref, &self.charm(place))).await.unwrap();
        }
    }

    /// The master validates.
    pub async fn validate(&self, migration_ref: MigrationRef) {
        soon(self.relay().seal(migration_ref)).await.unwrap();
        soon(self.relay().staged(migration_ref)).await.unwrap();
        soon(self.relay().check_machines(migration_ref, Params::default())).await.unwrap();
    }

    pub async fn activate(&self, migration_ref: MigrationRef) {
        soon(self.relay().activate(migration_ref, arguments())).await.unwrap();
    }

    pub async fn adopt(&self, migration_ref: MigrationRef) {
        self.source.shows(Shown::Success);
        soon(self.relay().adopt(migration_ref, Params::new(b"{}".to_vec()).unwrap())).await.unwrap();
    }

    /// The master sends the log, deletes the model and is done.
    pub async fn end(&self, migration_ref: MigrationRef) {
        let mut log = soon(self.relay().open_log(migration_ref)).await.unwrap();
        let line = |time: &str| LogRecord { time: time.into(), message: "text".into(), ..LogRecord::default() };
        log.write(line("2026-08-18T10:13:14Z")).await.unwrap();
        log.finish().await.unwrap();
        self.source.shows(Shown::Done);
        self.src.ends(migration_ref.mid, Stand::Moved).await;
        self.dst.ends(migration_ref.mid, Stand::Moved).await;
        assert_eq!(self.dst.held(), Held::Live(Some(migration_ref.mid)));
    }

    pub fn state(&self, migration_ref: MigrationRef) -> State {
        self.src.engine().migration(migration_ref.mid).unwrap().state
    }
}

pub fn arguments() -> Arguments {
    Arguments::new(b"{\"source-api-addrs\":[]}".to_vec()).unwrap()
}

fn text(error: &RelayError) -> String {
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_juju_controllers_model_moves_call_by_call_and_its_log_follows() {
    let pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    assert_eq!(pair.source.script().asked[0].1, "localhost:17072");
    pair.stage(migration_ref).await;
    assert_eq!(pair.dst.held(), Held::Importing(migration_ref.mid), "the import was performed when it came");
    pair.validate(migration_ref).await;
    assert_eq!(pair.dst.held(), Held::Staged(migration_ref.mid));
    pair.activate(migration_ref).await;
    assert_eq!((pair.state(migration_ref), pair.dst.held()), (State::Answered, Held::Staged(migration_ref.mid)));
    pair.adopt(migration_ref).await;
    assert_eq!((pair.state(migration_ref), pair.dst.held()), (State::Handed, Held::Live(Some(migration_ref.mid))));
    let charms = pair.dst.controller.inner().site.charms.len();
    assert!(charms >= pair.charms.len(), "{charms}");
    pair.end(migration_ref).await;
    assert_eq!(pair.dst.controller.inner().logs_taken.len(), 1);
    let last: jiff::Timestamp = "2026-08-18T10:13:14Z".parse().unwrap();
    assert_eq!(pair.relay().latest_log_time(migration_ref).await.unwrap(), last.as_millisecond() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activate_whose_reply_is_lost_leaves_the_model_with_its_controller() {
    let pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    pair.validate(migration_ref).await;
    // It is answered, and the answer is lost: the controller aborts, and tells nobody.
    pair.activate(migration_ref).await;
    pair.source.shows(Shown::Abort);
    let view = pair.src.ends(migration_ref.mid, Stand::Reverted).await;
    assert_eq!(view.cause.as_deref(), Some("aborted by the source controller"));
    pair.dst.ends(migration_ref.mid, Stand::Reverted).await;
    assert_eq!(pair.dst.held(), Held::Absent);
    assert!(soon(pair.relay().adopt(migration_ref, Params::default())).await.is_err());
    soon(pair.relay().abort(migration_ref)).await.unwrap();
    // The next attempt goes through.
    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    pair.validate(migration_ref).await;
    pair.activate(migration_ref).await;
    pair.adopt(migration_ref).await;
    pair.end(migration_ref).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_alone_shows_success_before_any_call_does() {
    let pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    pair.validate(migration_ref).await;
    pair.activate(migration_ref).await;
    pair.source.shows(Shown::Success);
    pair.src.until(migration_ref.mid, "the hand-over", |view| view.state == State::Handed).await;
    assert_eq!(pair.dst.held(), Held::Live(Some(migration_ref.mid)));
    let refused = soon(pair.relay().abort(migration_ref)).await.unwrap_err();
    assert!(text(&refused).contains("cannot be aborted any more"), "{refused}");
    pair.adopt(migration_ref).await;
    pair.end(migration_ref).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_destination_is_the_sources_own_message() {
    let pair = Pair::start().await;
    pair.dst.controller.inner().trouble.refuse_stage = Some("space with id \"2\" not found".into());
    let migration_ref = pair.begin().await;
    let refused = soon(pair.relay().import(migration_ref, &pair.import())).await.unwrap_err();
    assert!(text(&refused).contains("space with id \"2\" not found"), "{refused}");
    pair.src.ends(migration_ref.mid, Stand::Reverted).await;
    // Agents report, and the master is told by the next call.
    soon(pair.relay().seal(migration_ref)).await.unwrap();
    let staged = soon(pair.relay().staged(migration_ref)).await.unwrap_err();
    assert!(matches!(&staged, RelayError::Refused(error) if error.message.contains("not found")), "{staged}");
    let checked = soon(pair.relay().check_machines(migration_ref, Params::default())).await.unwrap_err();
    assert!(text(&checked).contains("not found"), "{checked}");
    soon(pair.relay().abort(migration_ref)).await.unwrap();
    assert_eq!(pair.dst.held(), Held::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_taken_again_and_other_bytes_are_refused_with_both_hashes() {
    let pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    let early = soon(pair.relay().upload(migration_ref, &pair.charm(0))).await.unwrap_err();
    assert!(text(&early).contains("before the import"), "{early}");
    let early = soon(pair.relay().seal(migration_ref)).await.unwrap_err();
    assert!(text(&early).contains("nothing has been imported"), "{early}");
    for _ in 0..2 {
        pair.stage(migration_ref).await;
    }
    let Call::UploadCharm(charm) = pair.charm(0) else { unreachable!() };
    let other = Call::UploadCharm(Charm { blob: pair.src.put(b"other"), ..charm.clone() });
    let refused = soon(pair.relay().upload(migration_ref, &other)).await.unwrap_err();
    let both = [charm.blob.hash.to_string(), pair.src.put(b"other").hash.to_string()];
    assert!(both.iter().all(|hash| text(&refused).contains(hash)), "{refused}");
    let other = Call::Import(pair.src.put(b"writes: 1\n"));
    assert!(matches!(soon(pair.relay().import(migration_ref, &other)).await, Err(RelayError::OtherBytes { .. })));
    let asked = pair.dst.controller.inner().asked.clone();
    let imports = asked.iter().filter(|effect| matches!(effect, Effect::Import(_))).count();
    assert_eq!(imports, 1);
    pair.validate(migration_ref).await;
    pair.activate(migration_ref).await;
    pair.adopt(migration_ref).await;
    pair.end(migration_ref).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_here_fails_every_later_call_and_is_refused_once_the_controller_was_answered() {
    let pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    pair.src.engine().abort(migration_ref.mid, "test").await.unwrap();
    for place in 0..2 {
        let refused = soon(pair.relay().upload(migration_ref, &pair.charm(place))).await.unwrap_err();
        assert!(text(&refused).contains("aborted by operator"), "{refused}");
    }
    pair.dst.ends(migration_ref.mid, Stand::Reverted).await;
    pair.source.shows(Shown::Nothing);

    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    pair.validate(migration_ref).await;
    pair.activate(migration_ref).await;
    let refused = pair.src.engine().abort(migration_ref.mid, "test").await.unwrap_err();
    assert!(refused.kind() == ErrorKind::InDoubt && matches!(refused, EngineError::Relayed { .. }), "{refused}");
    pair.adopt(migration_ref).await;
    pair.end(migration_ref).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_does_not_begin_leaves_the_model_as_it_was() {
    let pair = Pair::start().await;
    pair.source.script().refuse = Some("source prechecks failed: unit db/0 not idle".into());
    let mid = pair.src.migrate_with("dst", options()).await;
    let view = pair.src.ends(mid, Stand::Reverted).await;
    assert!(view.cause.as_deref().is_some_and(|cause| cause.contains("unit db/0 not idle")), "{view:?}");
    assert_eq!(pair.dst.held(), Held::Absent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_fails_the_call_so_that_the_controller_aborts() {
    let mut pair = Pair::start().await;
    let options = MigrateOptions { freeze_max: Duration::from_millis(1500), ..options() };
    let mid = pair.src.migrate_with("dst", options).await;
    let migration_ref = pair.begun(mid).await;
    pair.stage(migration_ref).await;
    pair.dst.stop();
    let sealing = soon(pair.relay().seal(migration_ref)).await;
    let staged = soon(pair.relay().staged(migration_ref)).await.unwrap_err();
    assert!(text(&staged).contains("--max-freeze"), "{sealing:?}, {staged}");
    pair.src.ends(mid, Stand::Reverted).await;
    pair.dst.restart().await;
    pair.dst.ends(mid, Stand::Reverted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_of_a_copy_that_the_controller_deletes_by_itself_is_refused() {
    let pair = Pair::start().await;
    let held = MigrateOptions { reap_hold: Duration::from_secs(3600), ..options() };
    let refused = pair.src.engine().migrate(MODEL, "dst", held, "test").await.unwrap_err();
    assert!(refused.kind() == ErrorKind::Refused && refused.to_string().contains("deletes it by itself"), "{refused}");
    assert!(pair.source.script().asked.is_empty() && pair.src.engine().migrations().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_wait_while_the_destinations_agent_is_away_and_are_answered_when_it_is_back() {
    let mut pair = Pair::start().await;
    let migration_ref = pair.begin().await;
    pair.stage(migration_ref).await;
    pair.dst.stop();
    soon(pair.relay().seal(migration_ref)).await.unwrap();
    let relay = pair.relay();
    let checking = tokio::spawn(async move { relay.check_machines(migration_ref, Params::default()).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!checking.is_finished(), "nobody has checked anything");
    pair.dst.restart().await;
    soon(checking).await.unwrap().unwrap();
    pair.activate(migration_ref).await;
    pair.adopt(migration_ref).await;
    pair.end(migration_ref).await;
}
