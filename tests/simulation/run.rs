//! One run: trouble for a while, then calm, in which everything must come to rest.

use std::collections::BTreeMap;
use std::time::Duration;

use modelferry::disk::FaultPlan;

use super::cluster::TestCluster;
use super::host::{Host, Region};
use super::juju::Juju;
use super::network::{Network, Weather};
use super::process::{note_panics, take_panic};
use super::trace::Trace;
use super::{invariants, report};

/// Virtual milliseconds that everything is moved on by at once.
const TICK_MS: u64 = 5;
/// Within which calm must bring everything to rest: twice the longest pause between repetitions.
const CALM_MS_MAX: u64 = 180_000;

/// What a run came to.
#[derive(Debug, Default, Clone, Copy)]
pub struct Ran {
    pub trace: Option<blake3::Hash>,
    pub kills: u32,
    /// Migrations that ended at the other side, and back at their source.
    pub moved: u32,
    pub reverted: u32,
    /// Blobs removed because nobody needed them.
    pub pruned: u64,
    pub virtual_ms: u64,
}

impl Ran {
    pub fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.moved += other.moved;
        self.reverted += other.reverted;
        self.pruned += other.pruned;
        self.virtual_ms += other.virtual_ms;
    }
}

struct Run {
    seed: u64,
    rng: fastrand::Rng,
    region: Region,
    hosts: [Host; 2],
    /// When each host that is down starts again, and each that lives on borrowed time is killed.
    start_at: [u64; 2],
    kill_at: [Option<u64>; 2],
    /// When a full disk has room again.
    room_at: [Option<u64>; 2],
    ran: Ran,
}

/// Runs a seed.
///
/// Errors: what did not hold, with what led to it.
pub fn run(seed: u64) -> Result<Ran, String> {
    run_beside(seed, false)
}

/// Runs a seed, with a Juju controller that decides at host 0, or without.
pub fn run_beside(seed: u64, juju: bool) -> Result<Ran, String> {
    note_panics();
    take_panic();
    let mut rng = fastrand::Rng::with_seed(seed);
    let trace = Trace::default();
    let network = Network::new(rng.u64(..), trace.clone());
    let estate = TestCluster::new(rng.u64(..), trace.clone());
    let juju = juju.then(|| Juju::new(estate.clone()));
    let region = Region { network, estate, trace, juju };
    let hosts = Host::pair(&region);
    let (start_at, kill_at, room_at) = ([0; 2], [None; 2], [None; 2]);
    let mut run = Run { seed, rng, region, hosts, start_at, kill_at, room_at, ran: Ran::default() };
    let all = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.all()));
    // A panic outside of the agents' tasks.
    let done = all.unwrap_or_else(|_| Err(take_panic().unwrap_or_else(|| "a panic, see above".to_owned())));
    done.map_err(|broken| report(seed, &broken, &run.region.trace.last_lines()))?;
    Ok(Ran { trace: Some(run.region.trace.hash()), ..run.ran })
}

impl Run {
    fn all(&mut self) -> Result<(), String> {
        self.hosts.iter_mut().for_each(|host| assert!(host.start(1), "a fresh host starts"));
        let blobs = [noise(self.seed, 60_000), noise(self.seed + 1, 300), Vec::new()];
        let charms = self.hosts[0].put(&blobs);
        self.region.estate.inner().sites[0].charms = charms;
        let log = self.hosts[0].put(&[1, 2].map(|until_ms| noise(self.seed + 1 + until_ms, 2_000)));
        // A Juju controller sends its log by itself, which is not simulated.
        let log = log.into_iter().filter(|_| self.region.juju.is_none());
        let log: BTreeMap<u64, _> = (1..).zip(log).collect();
        {
            let mut inner = self.region.estate.inner();
            inner.sites[0].log = log.clone();
            inner.log = log;
        }
        self.region.estate.inner().failing_percent = [0, 3, 20][self.rng.usize(0..3)];
        self.weather();
        let trouble_ms = self.rng.u64(5_000..25_000);
        while self.now() < trouble_ms {
            self.trouble();
            self.tick()?;
        }
        self.calm()
    }

    fn now(&self) -> u64 {
        self.region.trace.now_ms()
    }

    /// Reports whether something happens now that happens every `ms` on average.
    fn every(&mut self, ms: u64) -> bool {
        self.rng.u64(0..ms / TICK_MS) == 0
    }

    fn tick(&mut self) -> Result<(), String> {
        let now = self.now() + TICK_MS;
        self.region.trace.set_time(now);
        self.region.network.deliver();
        self.region.estate.land();
        for index in 0..2 {
            if !self.hosts[index].step(TICK_MS) {
                self.region.trace.note(format_args!("host {index}: its journal failed, it stops"));
                self.kill(index);
            }
        }
        if let Some(juju) = &self.region.juju {
            juju.step(&self.hosts[0], now);
        }
        invariants::check(&self.hosts, &self.region);
        if let Some(panic) = take_panic() {
            return Err(format!("an agent panicked: {panic}"));
        }
        let broken = self.region.estate.inner().broken.take();
        broken.map_or(Ok(()), Err)
    }

    fn kill(&mut self, index: usize) {
        let power_cut = self.rng.bool();
        self.hosts[index].kill(power_cut.then_some(&mut self.rng));
        if let Some(juju) = self.region.juju.as_ref().filter(|_| index == 0) {
            juju.broke();
        }
        self.start_at[index] = self.now() + self.rng.u64(0..4_000);
        (self.kill_at[index], self.room_at[index]) = (None, None);
        self.ran.kills += 1;
        self.region.trace.note(format_args!("host {index}: killed{}", if power_cut { ", power cut" } else { "" }));
    }

    fn start(&mut self, index: usize) {
        let seed = self.rng.u64(..);
        if !self.hosts[index].start(seed) {
            self.start_at[index] = self.now() + 500;
        }
    }

    fn trouble(&mut self) {
        if self.every(3_000) {
            self.weather();
        }
        if self.every(400) {
            self.region.estate.write();
        }
        for index in 0..2 {
            let now = self.now();
            if !self.hosts[index].is_up() {
                if now >= self.start_at[index] {
                    self.start(index);
                }
                continue;
            }
            if self.kill_at[index].is_some_and(|at| now >= at) || self.every(6_000) {
                self.kill(index);
                continue;
            }
            if self.room_at[index].is_some_and(|at| now >= at) {
                self.room_at[index] = None;
                self.hosts[index].faults.set(FaultPlan::default());
            }
            if self.every(6_000) {
                self.disk_fault(index);
            }
            if self.every(1_000) {
                let freeze_max = Duration::from_millis(self.rng.u64(200..10_000));
                self.hosts[index].migrate(freeze_max);
            }
            if self.every(5_000) {
                self.hosts[index].abort();
            }
            if self.every(500) {
                self.hosts[index].prune();
            }
            if self.every(10_000) {
                self.hosts[index].skew_ms = self.rng.i64(-100_000..100_000);
            }
        }
    }

    fn disk_fault(&mut self, index: usize) {
        let now = self.now();
        let nth = self.rng.u64(0..12);
        let mut plan = FaultPlan::default();
        match self.rng.u32(0..4) {
            0 => plan.fail_sync = Some(nth),
            1 => plan.short_write = Some(nth),
            2 => {
                plan.free_bytes = Some(self.rng.u64(0..100_000));
                self.room_at[index] = Some(now + self.rng.u64(100..5_000));
            }
            _ => {
                // Killed between two effects on the disk: nothing after the first works, and then it is gone.
                plan.die_at = Some(nth);
                self.kill_at[index] = Some(now + self.rng.u64(10..1_000));
            }
        }
        self.region.trace.note(format_args!("host {index}: {plan:?}"));
        self.hosts[index].faults.set(plan);
    }

    fn weather(&mut self) {
        let rng = &mut self.rng;
        let bad = rng.u32(0..3) == 0;
        let weather = Weather {
            lost_per_mille: if bad { rng.u32(0..150) } else { rng.u32(0..5) },
            doubled_per_mille: rng.u32(0..30),
            delay_ms: rng.u64(1..40),
            jitter_ms: rng.u64(0..60),
            cut: [rng.u32(0..6) == 0, rng.u32(0..6) == 0],
        };
        self.region.trace.note(format_args!("{weather:?}"));
        self.region.network.set_weather(weather);
    }

    /// From here on nothing fails: whatever was left open must end, and the model can be moved.
    fn calm(&mut self) -> Result<(), String> {
        self.region.trace.note("calm");
        self.region.network.set_weather(Weather { delay_ms: 5, ..Weather::default() });
        self.region.estate.inner().failing_percent = 0;
        for index in 0..2 {
            self.hosts[index].faults.set(FaultPlan::default());
            // Whoever met a failing disk is restarted: a store that has failed stays so until then.
            if self.hosts[index].is_up() {
                self.kill(index);
            }
            self.start(index);
        }
        self.until_settled()?;
        invariants::check_journals(&self.hosts, &self.region.estate);
        let from = usize::from(!self.region.estate.inner().sites[0].is_live());
        // Until the peers have met, a migration is refused.
        let began = self.now();
        while self.region.estate.inner().sites[from].is_live() {
            if self.now() > began + CALM_MS_MAX {
                return Err(format!("L1: in calm the model cannot be moved\n{}", self.unfinished()));
            }
            if self.hosts[from].is_at_rest() {
                self.hosts[from].migrate(Duration::from_secs(60));
            }
            for _ in 0..200 {
                self.tick()?;
            }
        }
        self.until_settled()?;
        invariants::check_journals(&self.hosts, &self.region.estate);
        self.hosts.iter().for_each(Host::prune);
        // Longer than two prunes take: the one of the start may not have ended.
        for _ in 0..1_400 {
            self.tick()?;
        }
        invariants::check_stores(&self.hosts, &self.region.estate);
        self.ran.virtual_ms = self.now();
        self.ran.pruned = self.hosts.iter().map(Host::pruned).sum();
        (self.ran.moved, self.ran.reverted) = invariants::ends(&self.hosts);
        self.tick()
    }

    fn until_settled(&mut self) -> Result<(), String> {
        let began = self.now();
        while !invariants::is_settled(&self.hosts, &self.region) {
            if self.now() > began + CALM_MS_MAX {
                return Err(format!("L1: calm does not settle it\n{}", self.unfinished()));
            }
            self.tick()?;
        }
        Ok(())
    }

    fn unfinished(&self) -> String {
        let inner = self.region.estate.inner();
        let held = inner.sites.iter().map(|site| format!("{:?}\n", site.held)).collect::<String>();
        drop(inner);
        held + &self.hosts[0].unfinished() + &self.hosts[1].unfinished()
    }
}

pub fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new_derive_key("modelferry simulation").update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}
