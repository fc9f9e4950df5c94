//! Both agents in one process, with real engines, journals, stores and QUIC, over a virtual network, clock and
//! disk: everything goes wrong for a while, and then nothing does.
//!
//! A run follows from its seed: what is lost, delayed, doubled or overtaken on the network; partitions; crashes
//! of either agent between any two steps, with the loss of any part of what was not synced; failed syncs, short
//! writes and full disks; controllers that fail, or do late what they were asked; wrong clocks; operators. At
//! every step no invariant may be broken, and in the calm at the end everything must come to rest.
//!
//! `SIM_SEED=n` runs one seed and prints what happened, `SIM_SEEDS=n` so many, from `SIM_FIRST=n` on.

mod cluster;
#[path = "../controller/mod.rs"]
mod controller;
#[path = "../datagrams/mod.rs"]
mod datagrams;
mod handed;
mod host;
mod invariants;
mod juju;
mod network;
#[cfg(feature = "failpoints")]
mod pairs;
mod port;
mod process;
mod resume;
mod run;
mod trace;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use self::run::{Ran, run, run_beside};

/// Seeds that are run unless `SIM_SEEDS` tells otherwise.
const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Returns what is printed about a seed that fails.
fn report(seed: u64, broken: &str, lines: &str) -> String {
    format!("{lines}\nseed {seed}: {broken}\nto see it again: SIM_SEED={seed} cargo test --test simulation\n")
}

/// Runs seeds, a thread for each processor.
fn run_all(what: &str, seeds: u64, juju: bool) -> Ran {
    let began = Instant::now();
    let first = number("SIM_FIRST").unwrap_or(0);
    let (next, failed, sum) = (AtomicU64::new(first), Mutex::new(Vec::new()), Mutex::new(Ran::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |count| count.get().min(8)) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Relaxed);
                    if seed >= first + seeds || !failed.lock().unwrap().is_empty() {
                        return;
                    }
                    match run_beside(seed, juju) {
                        Ok(ran) => sum.lock().unwrap().add(&ran),
                        Err(report) => failed.lock().unwrap().push(report),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{what}: {}", failed.join("\n"));
    let sum = sum.into_inner().unwrap();
    println!("{what}: {seeds} seeds from {first} in {:.1?}: {sum:?}", began.elapsed());
    sum
}

#[test]
fn whatever_happens_a_model_that_a_juju_controller_moves_has_one_owner_and_every_write() {
    if let Some(seed) = number("SIM_SEED") {
        let ran = run_beside(seed, true).unwrap_or_else(|report| panic!("{report}"));
        println!("seed {seed}, beside a Juju controller: {ran:?}");
        return;
    }
    let sum = run_all("beside a Juju controller", number("SIM_SEEDS").unwrap_or(SEEDS / 2), true);
    assert!(sum.moved > 0 && sum.reverted > 0 && sum.kills > 0, "nothing happened: {sum:?}");
}

#[test]
fn whatever_happens_the_model_has_one_owner_and_every_write() {
    if let Some(seed) = number("SIM_SEED") {
        let ran = run(seed).unwrap_or_else(|report| panic!("{report}"));
        println!("seed {seed}: {ran:?}");
        return;
    }
    let sum = run_all("between two of ours", number("SIM_SEEDS").unwrap_or(SEEDS), false);
    assert!(sum.moved > 0 && sum.reverted > 0 && sum.kills > 0 && sum.pruned > 0, "nothing happened: {sum:?}");
}

#[test]
fn a_seed_leads_to_the_same_run_again() {
    for seed in [3, 4, 5] {
        let [first, again] = [(); 2].map(|()| run(seed).unwrap_or_else(|report| panic!("{report}")).trace);
        assert_eq!(first, again, "seed {seed}");
    }
}
