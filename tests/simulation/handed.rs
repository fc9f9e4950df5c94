//! What follows the switchover, whatever befalls the target meanwhile.
//!
//! The bug this was written for: a target that was killed while its source sent it the log left the source waiting for
//! ever for acknowledgements of a connection that was over. The link was up again, and nothing went on until the source's
//! agent was restarted.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::switch::source::SourceState;

use super::cluster::TestCluster;
use super::host::{Host, Region};
use super::network::{Network, Weather};
use super::process::{note_panics, take_panic};
use super::run::noise;
use super::trace::Trace;

const TICK_MS: u64 = 5;
/// Between two moments at which something befalls the target.
const POINT_MS: u64 = 10;
/// One way. A log of several pieces then takes many ticks.
const DELAY_MS: u64 = 20;
/// Virtual time in which a migration must come to rest.
const PATIENCE_MS: u64 = 240_000;
/// Bytes of each piece of the log: more than a chunk.
const PIECE_BYTES: usize = 150_000;
/// Longer than a connection lives without a sign of life.
const AWAY_MS: u64 = 6_000;

/// What befalls the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// Killed, and started again at once: the source still believes in the connection.
    Killed,
    /// Killed, and away until the source has given the connection up.
    Away,
    /// The link is cut for as long.
    Cut,
}

struct Play {
    region: Region,
    hosts: [Host; 2],
}

impl Play {
    /// Begins a migration, and lets it run until its source knows that the target has the model.
    ///
    /// `held`: whether the target has the bytes of the log's pieces already.
    fn handed(held: bool) -> Result<Self, String> {
        note_panics();
        take_panic();
        let trace = Trace::default();
        let region = Region {
            network: Network::new(1, trace.clone()),
            estate: TestCluster::new(1, trace.clone()),
            trace,
            juju: None,
        };
        let mut play = Self { hosts: Host::pair(&region), region };
        play.set_cut(false);
        play.hosts.iter_mut().for_each(|host| assert!(host.start(1), "a fresh host starts"));
        let pieces = play.hosts[0].put(&[noise(1, PIECE_BYTES), noise(2, PIECE_BYTES)]);
        let log: BTreeMap<u64, _> = (1..).zip(pieces.clone()).collect();
        {
            let mut inner = play.region.estate.inner();
            (inner.sites[0].log, inner.log) = (log.clone(), log);
            // What a charm has as well is there by the time the log follows.
            inner.sites[0].charms = if held { pieces } else { Vec::new() };
        }
        let asked = |play: &Self| {
            if play.source().is_none() && play.region.trace.now_ms().is_multiple_of(500) {
                play.hosts[0].migrate(Duration::from_secs(120));
            }
            matches!(play.source(), Some(SourceState::Handed(_)))
        };
        play.until("Handed", asked)?;
        Ok(play)
    }

    fn set_cut(&self, cut: bool) {
        self.region.network.set_weather(Weather { delay_ms: DELAY_MS, cut: [cut; 2], ..Weather::default() });
    }

    fn source(&self) -> Option<SourceState> {
        let state = |(_, last): (_, &LastRecord)| match last {
            LastRecord::Source(record) => Some(record.state.clone()),
            LastRecord::Target(_) => None,
        };
        self.hosts[0].ledger(|ledger| ledger.last_records().find_map(state)).flatten()
    }

    fn is_handed(&self) -> bool {
        matches!(self.source(), Some(SourceState::Handed(_)))
    }

    fn run(&mut self, ms: u64) -> Result<(), String> {
        for _ in 0..ms / TICK_MS {
            self.region.trace.set_time(self.region.trace.now_ms() + TICK_MS);
            self.region.network.deliver();
            self.region.estate.land();
            if let Some(host) = self.hosts.iter_mut().position(|host| !host.step(TICK_MS)) {
                return Err(format!("host {host} has stopped"));
            }
            if let Some(panic) = take_panic() {
                return Err(format!("an agent panicked: {panic}"));
            }
            self.region.estate.inner().broken.take().map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let began = self.region.trace.now_ms();
        while !done(self) {
            if self.region.trace.now_ms() > began + PATIENCE_MS {
                return Err(format!("{what}: never\n{}{}", self.hosts[0].unfinished(), self.hosts[1].unfinished()));
            }
            self.run(TICK_MS)?;
        }
        Ok(())
    }

    fn befall(&mut self, trouble: Trouble) -> Result<(), String> {
        match trouble {
            Trouble::Killed | Trouble::Away => {
                self.hosts[1].kill(None);
                if trouble == Trouble::Away {
                    self.run(AWAY_MS)?;
                }
                assert!(self.hosts[1].start(2), "an agent that was killed starts again");
            }
            Trouble::Cut => {
                self.set_cut(true);
                self.run(AWAY_MS)?;
                self.set_cut(false);
            }
        }
        Ok(())
    }
}

/// Plays one case. Returns whether the trouble came while the source was still `Handed`.
///
/// Errors: what did not hold.
fn arrives(held: bool, trouble: Trouble, after_ms: u64) -> Result<bool, String> {
    let mut play = Play::handed(held)?;
    play.run(after_ms)?;
    let in_time = play.is_handed();
    play.befall(trouble)?;
    play.until("Moved", |play| matches!(play.source(), Some(SourceState::Moved(_))))?;
    let inner = play.region.estate.inner();
    if inner.sites[1].log != inner.log {
        return Err("the log has not followed the model".to_owned());
    }
    Ok(in_time)
}

/// Returns for how long an undisturbed source stays `Handed`, virtual milliseconds.
fn handed_ms(held: bool) -> u64 {
    let mut play = Play::handed(held).unwrap();
    let began = play.region.trace.now_ms();
    play.until("an end of Handed", |play| !play.is_handed()).unwrap();
    play.region.trace.now_ms() - began
}

#[test]
fn the_log_arrives_whenever_the_target_dies_after_it_has_taken_the_model() {
    let mut cases = Vec::new();
    for held in [false, true] {
        let points = 0..=handed_ms(held) / POINT_MS;
        for trouble in [Trouble::Killed, Trouble::Away, Trouble::Cut] {
            cases.extend(points.clone().map(|point| (held, trouble, point * POINT_MS)));
        }
    }
    let (next, in_time, failed) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |count| count.get().min(8)) {
            scope.spawn(|| {
                while let Some((held, trouble, after_ms)) = cases.get(next.fetch_add(1, Relaxed) as usize) {
                    match arrives(*held, *trouble, *after_ms) {
                        Ok(handed) => drop(in_time.fetch_add(u64::from(handed), Relaxed)),
                        Err(broken) => failed
                            .lock()
                            .unwrap()
                            .push(format!("{trouble:?} {after_ms} ms after Handed, pieces held: {held}: {broken}")),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}\n{} of {} cases fail", failed[0], failed.len(), cases.len());
    let in_time = in_time.into_inner();
    assert!(in_time > 3 * 2 * 10, "of {} cases {in_time} only met the source Handed", cases.len());
    println!("{} cases, {in_time} while Handed", cases.len());
}
