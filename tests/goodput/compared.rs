//! The congestion controllers compared on the same links, for `docs/decisions/0007-our-own-congestion-control.md`:
//! `cargo test --workspace --test goodput controllers_compared -- --ignored --nocapture` prints its table.

use std::time::Duration;

use modelferry::config::Congestion;

use super::MIB;
use super::agents::{Ran, transfers_by};
use super::wire::Road;

/// The links, as `docs/performance.md` names them.
fn roads() -> [(&'static str, Road, u64); 6] {
    [
        ("metro: 100 Mbit/s, 20 ms", Road::new(100.0, 20, 0.0), 64),
        ("inter: 100 Mbit/s, 150 ms, 0.1 %", Road::new(100.0, 150, 0.001), 64),
        ("bad: 20 Mbit/s, 200 ms, 1 %", Road::new(20.0, 200, 0.01), 64),
        ("bursts: 100 Mbit/s, 80 ms, 1 % in bursts of 20", Road { burst: 20, ..Road::new(100.0, 80, 0.01) }, 64),
        ("fat: 500 Mbit/s, 100 ms", Road::new(500.0, 100, 0.0), 64),
        ("thin: 1 Mbit/s, 600 ms, 2 %", Road::new(1.0, 600, 0.02), 4),
    ]
}

#[test]
#[ignore = "prints a table; takes minutes"]
fn controllers_compared() {
    println!("| link | ours | CUBIC | BBR |\n|---|---|---|---|");
    for (name, road, mib) in roads() {
        let cells = [Congestion::Ferry, Congestion::Cubic, Congestion::Bbr].map(|congestion| {
            let [ran]: [Ran; 1] = transfers_by(congestion, road, mib * MIB);
            assert!(ran.took > Duration::ZERO);
            format!("{:.2} (wire {:.2}, dropped {})", ran.share, ran.wire(mib * MIB), ran.there.overflowed)
        });
        println!("| {name} | {} |", cells.join(" | "));
    }
}
