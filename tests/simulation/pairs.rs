//! Both agents killed in one run, at every pair of a point of the source and a point of the target.
//!
//! A run follows one script until both points were passed: an attempt that the operator aborts, one that the target
//! renounces after the commit, one that moves the model; and then it is calm. Each point kills once, the first time it is
//! passed after the start, and the agent is started again at once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use modelferry::engine::failpoint;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::ledger::Standing;

use super::controller::MODEL;
use super::estate::Estate;
use super::host::{Host, Region};
use super::invariants;
use super::network::{Network, Weather};
use super::process::{self, note_panics, take_panic};
use super::trace::Trace;

/// Records and effects of the source, S1 to S15 of the matrix, and what is between S6 and S7.
const SOURCE: [&str; 16] = [
    "Offered",
    "Freezing",
    "freeze",
    "Frozen",
    "Committed",
    "Handed",
    "redirect",
    "log",
    "Reaping",
    "reap",
    "Moved",
    "Aborting",
    "thaw",
    "Aborted",
    "Reclaiming",
    "Reclaimed",
];
/// Of the target, T1 to T10, and what is between T6 and T7.
const TARGET: [&str; 12] = [
    "Receiving",
    "Staging",
    "stage",
    "Prepared",
    "Activating",
    "activate",
    "Live",
    "adopt",
    "Active",
    "Dropping",
    "discard",
    "Dropped",
];
const TICK_MS: u64 = 5;
/// Virtual time in which every attempt of the script must have ended, and in the end calm come.
const ATTEMPT_MS_MAX: u64 = 240_000;
/// For how long a link is cut, or up again, while a vote is waited for.
const LINK_MS: u64 = 1_500;
/// How often the script is played before a point counts as not reached.
const ROUNDS_MAX: u32 = 3;

/// What the operators do in an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Aborted,
    Renounced,
    Moved,
}

/// How a migration stands on both sides: the names of the states.
type Stands = [Option<(MigrationId, &'static str, bool)>; 2];

struct Play {
    region: Region,
    hosts: [Host; 2],
    /// Points that still kill.
    armed: Rc<RefCell<Vec<String>>>,
    starts: u64,
}

impl Play {
    fn begin(points: [String; 2]) -> Self {
        note_panics();
        take_panic();
        let trace = Trace::default();
        let region = Region {
            network: Network::new(1, trace.clone()),
            estate: Estate::new(1, trace.clone()),
            trace,
            juju: None,
        };
        region.network.set_weather(Weather { delay_ms: 40, ..Weather::default() });
        let armed = Rc::new(RefCell::new(points.to_vec()));
        let mut play = Self { hosts: Host::pair(&region), region, armed: armed.clone(), starts: 0 };
        play.hosts.iter_mut().for_each(|host| assert!(host.start(1), "a fresh host starts"));
        let blobs = play.hosts[0].put(&[vec![1; 3_000], vec![2; 300]]);
        let log: BTreeMap<u64, _> = (1..).zip(play.hosts[0].put(&[vec![3; 900], vec![4; 900]])).collect();
        let mut inner = play.region.estate.inner();
        (inner.sites[0].charms, inner.sites[0].log, inner.log) = (blobs, log.clone(), log);
        drop(inner);
        failpoint::hook(Some(Rc::new(move |point: &str| {
            let place = armed.borrow().iter().position(|armed| armed == point);
            if let Some(place) = place {
                armed.borrow_mut().remove(place);
                process::kill_current();
            }
        })));
        play
    }

    fn tick(&mut self) -> Result<(), String> {
        let now = self.region.trace.now_ms() + TICK_MS;
        self.region.trace.set_time(now);
        self.region.network.deliver();
        self.region.estate.land();
        if now.is_multiple_of(200) {
            self.region.estate.write();
        }
        for host in &mut self.hosts {
            if !host.step(TICK_MS) {
                host.kill(None);
                self.starts += 1;
                if !host.start(self.starts) {
                    return Err("an agent that was killed does not start again".into());
                }
            }
        }
        invariants::check(&self.hosts, &self.region);
        if let Some(panic) = take_panic() {
            return Err(format!("an agent panicked: {panic}"));
        }
        self.region.estate.inner().broken.take().map_or(Ok(()), Err)
    }

    /// Returns where the model is live, if it is at rest there.
    fn owner(&self) -> Option<usize> {
        let settled = invariants::is_settled(&self.hosts, &self.region);
        self.region.estate.inner().sites.iter().position(|site| site.is_live()).filter(|_| settled)
    }

    /// Returns the newest migration from `from`, as both sides have it.
    fn stands(&self, from: usize) -> Stands {
        let newest = self.hosts[from].ledger(|ledger| {
            let from_here = ledger.standings().filter(|(_, standing)| matches!(standing, Standing::Source(_)));
            from_here.max_by_key(|(mid, _)| ledger.terms(*mid).map(|terms| terms.attempt)).map(|(mid, _)| mid)
        });
        let Some(mid) = newest.flatten() else { return [None, None] };
        [from, 1 - from].map(|host| {
            let standing = self.hosts[host].ledger(|ledger| ledger.standing(mid).cloned()).flatten()?;
            let name = match &standing {
                Standing::Source(record) => record.state.name(),
                Standing::Target(record) => record.state.name(),
            };
            Some((mid, name, standing.is_at_rest()))
        })
    }

    fn attempt(&mut self, attempt: Attempt) -> Result<(), String> {
        let Some(from) = self.owner() else { return Err("the model has no owner at rest".into()) };
        let began = self.region.trace.now_ms();
        let before = self.stands(from)[0].map(|(mid, ..)| mid);
        let (mut asked_ms, mut cut, mut cut_ms, mut acted) = (None, [false; 2], 0, false);
        loop {
            if self.region.trace.now_ms() > began + ATTEMPT_MS_MAX {
                return Err(format!("{attempt:?} does not end: {:?}", self.stands(from)));
            }
            let stands = self.stands(from);
            let runs = stands[0].is_some_and(|(mid, ..)| Some(mid) != before);
            if runs && self.owner().is_some() {
                return Ok(());
            }
            // Until the peers have met it is refused, and a kill may forget it.
            let again = asked_ms.is_none_or(|asked| self.region.trace.now_ms() > asked + 500);
            if !runs && again && self.hosts[from].is_at_rest() {
                self.hosts[from].migrate(Duration::from_secs(120));
                asked_ms = Some(self.region.trace.now_ms());
            }
            let [source, target] = stands.map(|side| side.filter(|_| runs).map(|(_, name, _)| name));
            match attempt {
                Attempt::Moved => {}
                Attempt::Aborted => {
                    if target == Some("Receiving") {
                        self.hosts[from].abort();
                    }
                }
                Attempt::Renounced if acted => {
                    // The token is given back: let it be heard.
                    if matches!(target, Some("Dropped" | "Dropping" | "Live" | "Active")) {
                        cut = [false; 2];
                    }
                }
                Attempt::Renounced => {
                    // From its vote on the target hears nothing, so that it cannot hear the commit. If it has died
                    // meanwhile it cannot vote either: the link comes and goes.
                    let since = self.region.trace.now_ms() - cut_ms;
                    let votes = source == Some("Frozen") && matches!(target, Some("Staging" | "Prepared"));
                    if cut != [false; 2] && source != Some("Committed") && since > LINK_MS {
                        (cut, cut_ms) = ([false; 2], self.region.trace.now_ms());
                    } else if votes && cut == [false; 2] && (since > LINK_MS || cut_ms == 0) {
                        (cut[from], cut_ms) = (true, self.region.trace.now_ms());
                    }
                    if source == Some("Committed") && target == Some("Prepared") {
                        cut = [true; 2];
                        if let Some((mid, ..)) = stands[1] {
                            self.hosts[1 - from].renounce(mid);
                        }
                    }
                    acted = matches!(target, Some("Dropping" | "Dropped" | "Activating" | "Live" | "Active"));
                }
            }
            let weather = Weather { delay_ms: 40, cut, ..Weather::default() };
            self.region.network.set_weather(weather);
            self.tick()?;
        }
    }

    /// Plays the script until both points have killed.
    fn play(&mut self) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            for attempt in [Attempt::Aborted, Attempt::Renounced, Attempt::Moved] {
                self.attempt(attempt)?;
                invariants::check_journals(&self.hosts, &self.region.estate);
                self.region.estate.inner().broken.take().map_or(Ok(()), Err)?;
            }
            if self.armed.borrow().is_empty() {
                return Ok(());
            }
        }
        Err(format!("never passed: {:?}", self.armed.borrow()))
    }
}

/// Plays with both points armed.
///
/// Errors: what did not hold.
fn survives(points: &[String; 2]) -> Result<u64, String> {
    let mut play = Play::begin(points.clone());
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play.play()));
    failpoint::hook(None);
    let played = played.unwrap_or_else(|_| Err(take_panic().unwrap_or_else(|| "a panic, see above".to_owned())));
    let virtual_ms = play.region.trace.now_ms();
    played.map(|()| virtual_ms).map_err(|broken| {
        format!("{}\nkilled at {} and {}: {broken}", play.region.trace.last_lines(), points[0], points[1])
    })
}

fn points(side: &str, names: &[&str]) -> Vec<String> {
    let both = |name: &&str| ["before", "after"].map(|when| format!("{side}.{name}.{when}"));
    names.iter().flat_map(both).collect()
}

/// `PAIR=source.Committed.after,target.activate.before` plays one of them.
#[test]
fn both_agents_killed_at_every_pair_of_points_leave_one_owner_and_every_write() {
    let mut pairs = Vec::new();
    for source in points("source", &SOURCE) {
        pairs.extend(points("target", &TARGET).into_iter().map(|target| [source.clone(), target]));
    }
    if let Ok(one) = std::env::var("PAIR") {
        pairs.retain(|pair| pair.join(",") == one);
        assert!(!pairs.is_empty(), "{one} is no pair of points");
    }
    let began = Instant::now();
    let (count, next) = (pairs.len(), std::sync::atomic::AtomicUsize::new(0));
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |count| count.get().min(8)) {
            scope.spawn(|| {
                while let Some(pair) = pairs.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    if let Err(report) = survives(pair) {
                        failed.lock().unwrap().push(report);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}\n{} of {count} pairs fail", failed[0], failed.len());
    println!("{count} pairs of points, both agents killed at each, in {:.1?}; model {MODEL}", began.elapsed());
}
