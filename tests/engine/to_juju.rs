//! A target whose controller does as Juju's: it knows no migration, answers an abort while the copy is still there, and
//! may lose an answer. The source is a gateway, played by the test.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use modelferry::controller::port::{Arrival, ControllerError, MigrationRef, Presence};
use modelferry::disk::Disk;
use modelferry::link::{Identity, Link, LinkConfig, NewSession, Peers};
use modelferry_protocol::codec::{Bounded, Bytes, Text};
use modelferry_protocol::ids::{Hash, JournalId, MigrationId};
use modelferry_protocol::message::{
    Commit, ControllerCard, Hello, Message, MigrationKey, Offer, OwnershipReport, Sealed, SignedCommit, SignedHead,
    Stage, Staged,
};
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::proof::Statement;
use modelferry_protocol::snapshot::{Arguments, Call, Charm, LogSegment, Name, Params, Performed, Reply, Snapshot};
use modelferry_protocol::switch::{CommitStamp, Handover, Head, Profile};
use modelferry_protocol::version::{Feature, Versions};

use super::controller::MODEL;
use super::engines::Host;

/// Generous: nothing is claimed about time here.
const PATIENCE: Duration = Duration::from_secs(60);
const KEY: MigrationKey = MigrationKey { mid: MigrationId([7; 16]), journal: JournalId([9; 16]) };

/// What the controller holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Absent,
    Copy,
    /// An abort was answered; so many looks later it is gone.
    Going(u32),
    Live,
}

#[derive(Debug)]
struct State {
    held: Held,
    /// Every call, in order, by its name, with what it was told.
    calls: Vec<String>,
    /// Whether a complete import can be told from another one.
    tells: bool,
    refuse_import: bool,
    lose_import: bool,
    /// How many adoptions fail before one succeeds.
    failing_adoptions: u32,
}

#[derive(Clone)]
struct Juju(Arc<Mutex<State>>);

impl Juju {
    fn new() -> Self {
        let (held, calls) = (Held::Absent, Vec::new());
        let state = State { held, calls, tells: true, refuse_import: false, lose_import: false, failing_adoptions: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn called(&self, name: &str) -> usize {
        self.state().calls.iter().filter(|call| call.starts_with(name)).count()
    }
}

fn told(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[async_trait]
impl Arrival for Juju {
    fn keeps_migrations(&self) -> bool {
        false
    }

    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(ControllerCard::default())
    }

    async fn prechecks(&self, _: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        Ok(Vec::new())
    }

    async fn perform(&self, _: MigrationRef, call: &Call) -> Result<Reply, ControllerError> {
        let mut state = self.state();
        let arguments = match call {
            Call::Activate(arguments) => told(arguments).to_owned(),
            Call::AdoptResources(params) | Call::CheckMachines(params) => told(params).to_owned(),
            Call::UploadCharm(charm) => charm.object.to_string(),
            _ => String::new(),
        };
        state.calls.push(format!("{} {arguments}", call.name()));
        let reply = |text: &str| Ok(Reply::new(text.as_bytes().to_vec()).unwrap());
        match (call, state.held) {
            (Call::Import(_), _) if state.refuse_import => Err(ControllerError::Refused("no such cloud".into())),
            (Call::Import(_), Held::Absent) => {
                state.held = Held::Copy;
                match state.lose_import {
                    true => Err(ControllerError::Unknown("the connection broke".into())),
                    false => reply(""),
                }
            }
            (Call::UploadCharm(_), Held::Copy) => reply(r#"{"charm-url":"ch:web-1"}"#),
            (Call::CheckMachines(_), Held::Copy) => reply(r#"{"results":[]}"#),
            (Call::Activate(_), Held::Copy | Held::Going(_)) => {
                state.held = Held::Live;
                reply("")
            }
            (Call::AdoptResources(_), Held::Live) if state.failing_adoptions > 0 => {
                state.failing_adoptions -= 1;
                Err(ControllerError::Refused("cloud quota".into()))
            }
            (Call::AdoptResources(_), Held::Live) => reply("{}"),
            (Call::Abort, Held::Live) => Err(ControllerError::NotImporting),
            (Call::Abort, Held::Copy) => {
                state.held = Held::Going(1);
                reply("")
            }
            (Call::Abort, _) => reply(""),
            (call, held) => Err(ControllerError::Refused(format!("{} while {held:?}", call.name()))),
        }
    }

    async fn latest_log_time(&self, _: MigrationRef) -> Result<u64, ControllerError> {
        Ok(0)
    }

    async fn take_log(&self, _: MigrationRef, _: &LogSegment) -> Result<u64, ControllerError> {
        Ok(0)
    }

    async fn probe(&self, _: MigrationRef) -> Result<Presence, ControllerError> {
        let mut state = self.state();
        Ok(match state.held {
            Held::Absent => Presence::Absent,
            Held::Copy if state.tells => Presence::Imported,
            Held::Going(0) => {
                state.held = Held::Absent;
                Presence::Unclear
            }
            Held::Going(looks) => {
                state.held = Held::Going(looks - 1);
                Presence::Unclear
            }
            Held::Copy => Presence::Unclear,
            Held::Live => Presence::Live,
        })
    }
}

/// An agent beside such a controller, and a gateway that talks to it.
struct Pair {
    dst: Host,
    juju: Juju,
    link: Link,
    _dir: tempfile::TempDir,
    peer: NewSession,
    snapshot: Snapshot,
}

impl Pair {
    async fn start() -> Self {
        let juju = Juju::new();
        let dst = Host::start_beside("dst", Arc::new(juju.clone())).await;
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(dir.path(), &Disk::real()).unwrap();
        let peers = Peers::load(dir.path(), &Disk::real()).unwrap();
        let config =
            LinkConfig { listen: "127.0.0.1:0".parse().unwrap(), own_name: "src".into(), ..LinkConfig::default() };
        let hello = Arc::new(move |_| Hello {
            versions: Versions::OWN,
            features: Feature::names(),
            agent: Name::cut("gateway"),
            journal: KEY.journal,
            sequence: 0,
            sequence_seen: 0,
            controller: ControllerCard::default(),
        });
        let (link, mut sessions) = Link::start(config, identity, peers, hello).await.unwrap();
        let (code, _) = dst.link().offer(Some("src".into())).await.unwrap();
        link.accept(code, &dst.link().local_addr().to_string(), Some("dst".into())).await.unwrap();
        let peer = tokio::time::timeout(PATIENCE, sessions.recv()).await.expect("it connects").unwrap();
        let blob = |text: &str| dst.put(text.as_bytes());
        let charm = Charm { url: Name::cut("ch:web-1"), object: Name::cut("web-1a2b3c4"), blob: blob("charm") };
        let calls = vec![
            Call::Import(blob("description")),
            Call::UploadCharm(charm),
            Call::CheckMachines(Params::new(b"check".to_vec()).unwrap()),
        ];
        let snapshot = Snapshot {
            mid: KEY.mid,
            model: MODEL,
            epoch_to: 1,
            name: Name::cut("shelf"),
            owner: Name::cut("admin"),
            complete: true,
            calls: Bounded::new(calls).unwrap(),
        };
        let head = SignedHead::new(KEY.journal, 0, |bytes| link.sign(bytes));
        let pair = Self { dst, juju, link, _dir: dir, peer, snapshot };
        let claims = OwnershipReport { head, seen: None, claims: Bounded::default(), is_halted: false };
        pair.say(Message::OwnershipReport(claims)).await;
        pair
    }

    async fn say(&self, message: Message) {
        self.peer.session.send(message).await.unwrap();
    }

    /// Says `message`, again and again, until `heard` finds what it looks for in an answer.
    async fn until<R>(&mut self, message: Message, what: &str, heard: impl Fn(Message) -> Option<R>) -> R {
        let asking = async {
            loop {
                self.peer.session.send(message.clone()).await.unwrap();
                let listening = async {
                    loop {
                        let answer = self.peer.inbox.recv().await.expect("the connection stands");
                        if let Some(found) = heard(answer) {
                            return found;
                        }
                    }
                };
                if let Ok(found) = tokio::time::timeout(Duration::from_millis(300), listening).await {
                    return found;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(found) => found,
            Err(_) => panic!("{what} did not come; the controller was asked {:?}", self.juju.state().calls),
        }
    }

    async fn offer(&mut self) {
        let offer = Offer {
            key: KEY,
            model: MODEL,
            epoch_to: 1,
            profile: Profile::Gateway,
            attempt: 0,
            name: Name::cut("shelf"),
            owner: Name::cut("admin"),
        };
        self.until(Message::Offer(offer), "Progress", |told| matches!(told, Message::Progress(_)).then_some(())).await;
    }

    /// Has a call of the snapshot performed ahead of the seal.
    async fn stage(&mut self, place: usize) -> Performed {
        let id = place as u64;
        let stage = Stage { key: KEY, id, call: self.snapshot.calls[place].clone() };
        let staged = |told| match told {
            Message::Staged(Staged { id: of, outcome, .. }) if of == id => Some(outcome),
            _ => None,
        };
        self.until(Message::Stage(stage), "Staged", staged).await
    }

    fn seal(&self) -> Message {
        let (bytes, root) = self.snapshot.seal().unwrap();
        Message::Seal(Sealed { snapshot: Bytes::new(bytes).unwrap(), nonce: 5, ..Sealed::asking(KEY, root) })
    }

    fn commit(&self) -> Message {
        let handover = Handover {
            activate: Arguments::new(b"activate".to_vec()).unwrap(),
            adopt: Params::new(b"adopt".to_vec()).unwrap(),
        };
        let root = self.snapshot.seal().unwrap().1;
        let stamp = self.stamp(root);
        Message::Commit(Commit { key: KEY, root, epoch_to: 1, handover, stamp })
    }

    /// Signs the commit as its source.
    fn stamp(&self, root: Hash) -> CommitStamp {
        let head = Head {
            mid: KEY.mid,
            model: MODEL,
            epoch_to: 1,
            peer: self.dst.link().pin(),
            journal: KEY.journal,
            profile: Profile::Gateway,
        };
        let signed = SignedCommit::of(&head, root, &CommitStamp { time_ms: 1, ..CommitStamp::default() });
        let statement = Statement::of_commit(&signed, MODEL, self.link.pin(), head.peer);
        CommitStamp { signature: self.link.sign(&statement.signed_bytes()).into(), ..signed.stamp }
    }

    /// Waits for the end of the migration at the target.
    async fn dropped(&mut self) -> String {
        let seal = self.seal();
        self.until(seal, "Dropped", |told| match told {
            Message::Dropped(end) => Some(end.cause.to_string()),
            _ => None,
        })
        .await
    }
}

fn done(reply: &str) -> Performed {
    Performed::Done(Reply::new(reply.as_bytes().to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_performed_as_it_arrives_and_the_handover_is_told_as_the_source_wrote_it() {
    let mut pair = Pair::start().await;
    pair.juju.state().failing_adoptions = 1;
    pair.offer().await;
    assert_eq!(pair.stage(0).await, done(""));
    assert_eq!(pair.stage(1).await, done(r#"{"charm-url":"ch:web-1"}"#));
    assert_eq!(pair.stage(2).await, done(r#"{"results":[]}"#));
    assert_eq!(pair.juju.called("Import "), 1, "before anything was sealed");
    assert_eq!(pair.stage(0).await, done(""), "asked again, answered again");
    let seal = pair.seal();
    pair.until(seal, "the vote", |told| matches!(told, Message::Prepared(_)).then_some(())).await;
    assert_eq!((pair.juju.called("Import "), pair.juju.called("Activate")), (1, 0));
    assert_eq!(pair.stage(2).await, done(r#"{"results":[]}"#), "the machines are checked once more");
    let commit = pair.commit();
    let reply = pair.until(commit, "Activated", |told| match told {
        Message::Activated(activated) => Some(activated.reply),
        _ => None,
    });
    assert_eq!(told(&reply.await), "{}");
    let calls = pair.juju.state().calls.clone();
    assert!(calls.contains(&"UploadCharm web-1a2b3c4".to_owned()), "{calls:?}");
    let last: Vec<&str> = calls.iter().rev().take(3).map(String::as_str).collect();
    assert_eq!(last, ["AdoptResources adopt", "AdoptResources adopt", "Activate activate"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_failed_is_remembered_and_nothing_is_activated_after_it() {
    let mut pair = Pair::start().await;
    pair.juju.state().refuse_import = true;
    pair.offer().await;
    let Performed::Failed(why) = pair.stage(0).await else { panic!("it was done") };
    assert!(why.ends_with("no such cloud"), "{}", &*why);
    assert!(pair.dropped().await.ends_with("no such cloud"));
    let commit = pair.commit();
    pair.until(commit, "Dropped", |told| matches!(told, Message::Dropped(_)).then_some(())).await;
    assert_eq!((pair.juju.called("Import "), pair.juju.called("Activate")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_answer_was_lost_is_never_sent_again() {
    // The controller tells that it was complete: it goes on.
    let mut pair = Pair::start().await;
    pair.juju.state().lose_import = true;
    pair.offer().await;
    assert_eq!(pair.stage(0).await, done(""));
    assert_eq!(pair.juju.called("Import "), 1);
    // It cannot tell: the import counts as failed.
    let mut pair = Pair::start().await;
    (pair.juju.state().lose_import, pair.juju.state().tells) = (true, false);
    pair.offer().await;
    let Performed::Failed(why) = pair.stage(0).await else { panic!("it was done") };
    assert!(why.contains("none is sent twice"), "{}", &*why);
    pair.dropped().await;
    assert_eq!((pair.juju.called("Import "), pair.juju.state().held), (1, Held::Absent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_counts_as_dropped_once_it_is_seen_gone() {
    let mut pair = Pair::start().await;
    pair.offer().await;
    assert_eq!(pair.stage(0).await, done(""));
    let cause = Text::cut("the master aborts");
    pair.say(Message::Abort(modelferry_protocol::message::End { key: KEY, cause })).await;
    let juju = pair.juju.clone();
    let seal = pair.seal();
    // In the moment in which it is said.
    let held = pair.until(seal, "Dropped", |told| matches!(told, Message::Dropped(_)).then(|| juju.state().held));
    assert_eq!(held.await, Held::Absent);
    assert!(pair.juju.called("Abort") > 1, "asked again while the copy was there");
}
