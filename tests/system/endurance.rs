//! The long run: migrations back and forth while one of the agents is killed at random, again and again, and both stores
//! are pruned between.
//!
//! All of it is not part of every run, and meant for the program as it ships:
//!
//! ```sh
//! cargo build --release && MODELFERRY_BINARY=$PWD/target/release/modelferry KILLS=500 \
//!     cargo test --test system -- --ignored --nocapture endurance
//! ```

use std::time::Duration;

use modelferry::sample::Sample;

use super::host::{Host, files, ready};

/// What looks random follows from the seed, so that a run that fails can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Reports whether the model is in service here, without writing to it.
fn shows(host: &Host, model: &str) -> bool {
    host.run(&["embedded", "get", model]).code == 0
}

/// What a run came to.
#[derive(Debug, Default)]
struct Ran {
    killed: u64,
    moved: u64,
    reverted: u64,
    pruned: u64,
}

/// Removes from a host's store whatever nobody needs.
fn prune(host: &Host) -> u64 {
    let pruned = host.run(&["store", "prune", "--all-unneeded", "--format", "json"]).json();
    pruned["blobs"].as_u64().unwrap_or_else(|| panic!("a count of blobs: {pruned}"))
}

/// Migrates a sample back and forth until so many agents were killed, and prunes both stores between. After each
/// migration one side has the model, byte for byte, its log with it.
fn endure(kills: u64, seed: u64, sample: &Sample) -> Ran {
    let mut dice = Dice(seed);
    let (mut src, mut dst, _) = ready(sample);
    let model = sample.name.as_str();
    let original = files(&src.export(model));
    let pieces = original.keys().filter(|path| path.starts_with("logs")).count() as u64;
    assert_eq!(pieces, sample.log_pieces, "the sample has a log");
    let (mut ran, mut at_source) = (Ran::default(), true);
    while ran.killed < kills {
        let (from, to) = if at_source { (&mut src, &mut dst) } else { (&mut dst, &mut src) };
        from.until("the peers are connected", |from| from.connected().then_some(()));
        // So that all of it travels, and its log: nothing is there from last time.
        ran.pruned += prune(from) + prune(to);
        let id = from.until("the migration begins", |from| {
            let started = from.run(&["migrate", model, to.name]);
            // A link that comes and goes just now is no refusal of the migration.
            assert!(started.code == 0 || started.code == 5, "seed {seed}: {started:?}");
            (started.code == 0).then(|| started.err.split('"').nth(1).map(str::to_owned)).flatten()
        });
        // A few kills within one migration, at any of its moments.
        for _ in 0..1 + dice.below(4) {
            std::thread::sleep(Duration::from_millis(dice.below(400)));
            let victim = if dice.below(2) == 0 { &mut *from } else { &mut *to };
            victim.kill();
            victim.start();
            ran.killed += 1;
            // Nor may a prune in the middle take what the migration still needs.
            if dice.below(3) == 0 {
                ran.pruned += prune(victim);
            }
        }
        from.until("the source is at rest", |from| from.migration(&id)["migration"]["ended-ms"].as_u64());
        to.until("the target is at rest", |to| {
            let shown = to.run(&["show-migration", &id, "--format", "json"]);
            (shown.code != 0 || !shown.json()["migration"]["ended-ms"].is_null()).then_some(())
        });
        let stand = from.migration(&id)["migration"]["stand"].as_str().unwrap().to_owned();
        let (here, there) = (shows(from, model), shows(to, model));
        let killed = ran.killed;
        assert!(here != there, "seed {seed}, after {killed} kills: on its source {here}, on its target {there}");
        assert_eq!(there, stand == "moved", "seed {seed}, after {killed} kills: {stand}");
        let owner = if there { &*to } else { &*from };
        let export = owner.export(model);
        assert_eq!(files(&export), original, "seed {seed}, after {killed} kills");
        std::fs::remove_dir_all(export).unwrap();
        if there {
            ran.moved += 1;
            at_source = !at_source;
        } else {
            ran.reverted += 1;
        }
    }
    ran
}

#[test]
#[ignore = "takes minutes with KILLS=500"]
fn endurance_of_one_owner_under_random_kills() {
    let (kills, seed) = (number("KILLS", 20), number("SEED", 1));
    let ran = endure(kills, seed, &Sample { size_bytes: 8 << 20, log_pieces: 60, ..Sample::default() });
    println!("seed {seed}: {ran:?}; one owner, identical, its log complete, every time");
}

#[test]
fn a_few_random_kills_with_prunes_between_leave_one_owner_and_the_whole_log() {
    let ran = endure(10, 7, &Sample { size_bytes: 1 << 20, log_pieces: 20, ..Sample::default() });
    assert!(ran.killed >= 10 && ran.moved > 0 && ran.pruned > 0, "{ran:?}");
}
