//! Tests of the model next to another flow.

use super::{Link, Rival, Sim};

#[test]
fn whoever_keeps_the_queue_filled_gets_a_share_of_the_link_and_leaves_all_of_it_behind() {
    let mut sim = Sim::new(Link::new(100.0, 50, 0.0));
    let alone = sim.until(5.0);
    sim.link.is_shared = true;
    sim.until(7.0);
    let shared = sim.until(12.0);
    sim.link.is_shared = false;
    sim.until(17.0);
    let again = sim.until(22.0);
    assert!(alone > 0.85 && shared < 0.7 && again > 0.85, "{alone}, {shared}, {again}");
}

/// Returns three shares of the link over 40 s, as means of several runs: the rival's alone, the rival's next to us, and
/// ours next to the rival.
fn shares(mbit: f64, rtt_ms: u64, loss: f64, jitter: f64) -> [f64; 3] {
    let chances = [0x9e37_79b9_7f4a_7c15, 0x1234_5678_9abc_def1, 0xdead_beef_cafe_f00d];
    let runs = chances.map(|chance| {
        let [alone, beside] = [true, false].map(|is_alone| {
            let mut sim = Sim::new(Link { jitter, chance, ..Link::new(mbit, rtt_ms, loss) });
            sim.rests = is_alone;
            sim.until(2.0);
            sim.rival = Some(Rival::new(sim.now));
            sim.until(4.0);
            let before = sim.rivals();
            let ours = sim.until(44.0);
            [(sim.rivals() - before) / 40.0 / sim.link.rate, ours]
        });
        [alone[0], beside[0], beside[1]]
    });
    [0, 1, 2].map(|at| runs.iter().map(|run| run[at]).sum::<f64>() / runs.len() as f64)
}

#[test]
fn a_flow_that_losses_keep_small_keeps_most_of_what_it_has_alone_and_we_get_the_rest() {
    for (mbit, rtt_ms, loss, jitter) in [(100.0, 50, 0.001, 0.010), (100.0, 50, 0.001, 0.0)] {
        let [alone, beside, ours] = shares(mbit, rtt_ms, loss, jitter);
        let link = format!("{mbit} Mbit/s, {rtt_ms} ms, {loss}, {jitter}");
        assert!(beside > 0.72 * alone, "{link}: {beside}, where alone it has {alone}");
        assert!(beside + ours > 0.95, "{link}: {beside} and {ours}");
    }
}

#[test]
fn a_flow_that_fills_the_queue_gets_three_tenths_of_the_link_and_we_get_three_tenths() {
    let [_, beside, ours] = shares(100.0, 20, 0.0, 0.0);
    assert!(beside > 0.3 && ours > 0.3, "{beside} and {ours}");
}
