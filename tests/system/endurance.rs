//! The long run: migrations back and forth while one of the agents is killed at random, again and again.
//!
//! Not part of every run, and meant for the program as it ships:
//!
//! ```sh
//! cargo build --release && MODELFERRY_BINARY=$PWD/target/release/modelferry KILLS=500 \
//!     cargo test --test system -- --ignored --nocapture endurance
//! ```

use std::time::Duration;

use modelferry::cli::demo::sample::Sample;

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

#[test]
#[ignore = "takes minutes with KILLS=500"]
fn endurance_of_one_owner_under_random_kills() {
    let (kills, seed) = (number("KILLS", 20), number("SEED", 1));
    let mut dice = Dice(seed);
    let sample = Sample { size_bytes: 8 << 20, ..Sample::default() };
    let (mut src, mut dst, _) = ready(&sample);
    let model = sample.name.as_str();
    let original = files(&src.export(model));
    let (mut killed, mut moved, mut reverted, mut at_source) = (0, 0, 0, true);
    while killed < kills {
        let (from, to) = if at_source { (&mut src, &mut dst) } else { (&mut dst, &mut src) };
        from.until("the peers are connected", |from| from.connected().then_some(()));
        let started = from.run(&["migrate", model, to.name]);
        let id = started.err.split('"').nth(1).unwrap_or_else(|| panic!("seed {seed}: {started:?}")).to_owned();
        // A few kills within one migration, at any of its moments.
        for _ in 0..1 + dice.below(4) {
            std::thread::sleep(Duration::from_millis(dice.below(400)));
            let victim = if dice.below(2) == 0 { &mut *from } else { &mut *to };
            victim.kill();
            victim.start();
            killed += 1;
        }
        from.until("the source is at rest", |from| from.migration(&id)["migration"]["ended_ms"].as_u64());
        to.until("the target is at rest", |to| {
            let shown = to.run(&["show-migration", &id, "--format", "json"]);
            (shown.code != 0 || !shown.json()["migration"]["ended_ms"].is_null()).then_some(())
        });
        let stand = from.migration(&id)["migration"]["stand"].as_str().unwrap().to_owned();
        let (here, there) = (shows(from, model), shows(to, model));
        assert!(here != there, "seed {seed}, after {killed} kills: on its source {here}, on its target {there}");
        assert_eq!(there, stand == "moved", "seed {seed}, after {killed} kills: {stand}");
        let owner = if there { &*to } else { &*from };
        let export = owner.export(model);
        assert_eq!(files(&export), original, "seed {seed}, after {killed} kills");
        std::fs::remove_dir_all(export).unwrap();
        if there {
            moved += 1;
            at_source = !at_source;
        } else {
            reverted += 1;
        }
    }
    println!("seed {seed}: {killed} kills, {moved} moves, {reverted} reverts; one owner, identical, every time");
}
