//! Both agents killed in one run, at every pair of a point of the source and a point of the target.
//!
//! A run follows one script until both points were passed, in attempts that end in every way a migration can; and then it is calm.
//! Each point kills once, the first time it is passed after the start, and the agent is started again at once.

mod gateway;
mod ours;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use modelferry::engine::failpoint;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::ledger::LastRecord;

use super::cluster::TestCluster;
use super::controller::MODEL;
use super::host::{Host, Region};
use super::invariants;
use super::juju::Juju;
use super::network::{Network, Weather};
use super::process::{self, note_panics, take_panic};
use super::trace::Trace;

const TICK_MS: u64 = 5;
/// Virtual time in which every attempt of the script must have ended, and in the end calm come.
const ATTEMPT_MS_MAX: u64 = 240_000;
/// How often the script is played before a point counts as not reached.
const ROUNDS_MAX: u32 = 3;
/// For how long a point cuts the link: longer than a connection lives without a sign of life.
const CUT_MS: u64 = 4_000;

/// How a migration stands on both sides: the names of the states.
type Stands = [Option<(MigrationId, &'static str, bool)>; 2];

/// What a point does, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Kills the agent that passes it.
    Kill,
    /// Cuts the link.
    Cut,
}

/// Points that still act.
#[derive(Default)]
struct Armed {
    points: Vec<(String, Action)>,
    /// Whether they do nothing for now.
    are_safe: bool,
    /// Until when the link is cut, virtual milliseconds.
    cut_until_ms: u64,
}

struct Play {
    region: Region,
    hosts: [Host; 2],
    armed: Rc<RefCell<Armed>>,
    starts: u64,
}

impl Play {
    /// `beside_juju`: whether a Juju controller decides about what leaves host 0.
    fn begin(points: Vec<(String, Action)>, beside_juju: bool) -> Self {
        note_panics();
        take_panic();
        let trace = Trace::default();
        let estate = TestCluster::new(1, trace.clone());
        let juju = beside_juju.then(|| Juju::new(estate.clone()));
        let region = Region { network: Network::new(1, trace.clone()), estate, trace, juju };
        let armed = Rc::new(RefCell::new(Armed { points, ..Armed::default() }));
        let mut play = Self { hosts: Host::pair(&region), region, armed: armed.clone(), starts: 0 };
        play.set_cut([false; 2]);
        play.hosts.iter_mut().for_each(|host| assert!(host.start(1), "a fresh host starts"));
        let blobs = play.hosts[0].put(&[vec![1; 3_000], vec![2; 300]]);
        play.region.estate.inner().sites[0].charms = blobs;
        let trace = play.region.trace.clone();
        failpoint::hook(Some(Rc::new(move |point: &str| {
            let action = {
                let mut armed = armed.borrow_mut();
                let place = armed.points.iter().position(|(name, _)| name == point).filter(|_| !armed.are_safe);
                let Some(place) = place else { return };
                let (_, action) = armed.points.remove(place);
                if action == Action::Cut {
                    armed.cut_until_ms = trace.now_ms() + CUT_MS;
                }
                trace.note(format_args!("{point}: {action:?}"));
                action
            };
            if action == Action::Kill {
                process::kill_current();
            }
        })));
        play
    }

    fn set_cut(&self, cut: [bool; 2]) {
        self.region.network.set_weather(Weather { delay_ms: 40, cut, ..Weather::default() });
    }

    fn tick(&mut self) -> Result<(), String> {
        let now = self.region.trace.now_ms() + TICK_MS;
        self.region.trace.set_time(now);
        self.region.network.deliver();
        self.region.estate.land();
        if now.is_multiple_of(200) {
            self.region.estate.write();
        }
        for (index, host) in self.hosts.iter_mut().enumerate() {
            if !host.step(TICK_MS) {
                host.kill(None);
                if let Some(juju) = self.region.juju.as_ref().filter(|_| index == 0) {
                    juju.broke();
                }
                self.starts += 1;
                if !host.start(self.starts) {
                    return Err("an agent that was killed does not start again".into());
                }
            }
        }
        if let Some(juju) = &self.region.juju {
            juju.step(&self.hosts[0], now);
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
            let from_here = ledger.last_records().filter(|(_, last)| matches!(last, LastRecord::Source(_)));
            from_here.max_by_key(|(mid, _)| ledger.terms(*mid).map(|terms| terms.attempt)).map(|(mid, _)| mid)
        });
        let Some(mid) = newest.flatten() else { return [None, None] };
        [from, 1 - from].map(|host| {
            let last = self.hosts[host].ledger(|ledger| ledger.last_record(mid).cloned()).flatten()?;
            let name = match &last {
                LastRecord::Source(record) => record.state.name(),
                LastRecord::Target(record) => record.state.name(),
            };
            Some((mid, name, last.is_at_rest()))
        })
    }

    /// Has the model moved by its owner, until the attempt has ended somehow. `meanwhile` acts before each tick, once it runs.
    fn attempt(&mut self, what: &str, mut meanwhile: impl FnMut(&Self, usize, Stands)) -> Result<(), String> {
        let Some(from) = self.owner() else { return Err("the model has no owner at rest".into()) };
        let began = self.region.trace.now_ms();
        let before = self.stands(from)[0].map(|(mid, ..)| mid);
        let mut asked_ms = None;
        loop {
            if self.region.trace.now_ms() > began + ATTEMPT_MS_MAX {
                let unfinished = self.hosts.each_ref().map(Host::unfinished).concat();
                return Err(format!("{what} does not end: {:?}\n{unfinished}", self.stands(from)));
            }
            let stands = self.stands(from);
            let runs = stands[0].is_some_and(|(mid, ..)| Some(mid) != before);
            if runs && self.owner().is_some() {
                self.set_cut([false; 2]);
                return Ok(());
            }
            // Until the peers have met it is refused, and a kill may forget it.
            let again = asked_ms.is_none_or(|asked| self.region.trace.now_ms() > asked + 500);
            if !runs && again && self.hosts[from].is_at_rest() {
                self.hosts[from].migrate(Duration::from_secs(120));
                asked_ms = Some(self.region.trace.now_ms());
            }
            meanwhile(self, from, stands.map(|side| side.filter(|_| runs)));
            self.tick()?;
        }
    }

    /// Plays the script until every point has acted.
    fn play(&mut self, mut script: impl FnMut(&mut Self) -> Result<(), String>) -> Result<(), String> {
        for _ in 0..ROUNDS_MAX {
            script(self)?;
            if self.armed.borrow().points.is_empty() {
                return Ok(());
            }
        }
        Err(format!("never passed: {:?}", self.armed.borrow().points))
    }

    /// Checks what must hold once an attempt has ended.
    fn check_end(&mut self) -> Result<(), String> {
        invariants::check_journals(&self.hosts, &self.region.estate);
        self.region.estate.inner().broken.take().map_or(Ok(()), Err)
    }
}

fn log_of(play: &Play) {
    let log: BTreeMap<u64, _> = (1..).zip(play.hosts[0].put(&[vec![3; 900], vec![4; 900]])).collect();
    let mut inner = play.region.estate.inner();
    (inner.sites[0].log, inner.log) = (log.clone(), log);
}

/// Plays a case.
///
/// Errors: what did not hold.
fn survives(mut play: Play, script: impl FnMut(&mut Play) -> Result<(), String>) -> Result<(), String> {
    let armed = format!("{:?}", play.armed.borrow().points);
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play.play(script)));
    failpoint::hook(None);
    let played = played.unwrap_or_else(|_| Err(take_panic().unwrap_or_else(|| "a panic, see above".to_owned())));
    played.map_err(|broken| format!("{}\n{armed}: {broken}", play.region.trace.last_lines()))
}

fn points(side: &str, names: &[&str]) -> Vec<String> {
    let both = |name: &&str| ["before", "after"].map(|when| format!("{side}.{name}.{when}"));
    names.iter().flat_map(both).collect()
}

/// Returns every pair of points, or the one that `PAIR` names: `PAIR=source.Committed.after,target.activate.before`.
fn pairs(source: &[&str], target: &[&str]) -> Vec<[String; 2]> {
    let mut pairs = Vec::new();
    for source in points("source", source) {
        pairs.extend(points("target", target).into_iter().map(|target| [source.clone(), target]));
    }
    if let Ok(one) = std::env::var("PAIR") {
        pairs.retain(|pair| pair.join(",") == one);
    }
    pairs
}

/// Plays every case, a thread for each processor.
fn all_hold<C: Sync>(what: &str, cases: &[C], play: impl Fn(&C) -> Result<(), String> + Sync) {
    let (began, next, failed) = (Instant::now(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |count| count.get().min(8)) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Relaxed)) {
                    if let Err(report) = play(case) {
                        println!("{}", report.lines().last().unwrap_or_default());
                        failed.lock().unwrap().push(report);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}\n{} of {} {what} fail", failed[0], failed.len(), cases.len());
    println!("{} {what} in {:.1?}; model {MODEL}", cases.len(), began.elapsed());
}
