//! What may be sent, changed while a model moves; and what an operator asks meanwhile.

use std::time::{Duration, Instant};

use modelferry::sample::Sample;
use serde_json::json;

use super::host::{Host, ready};

const MIB: u64 = 1 << 20;
/// Bytes that may be on their way when a cap is changed: the transfer's window and a little.
const ON_THE_WAY: u64 = 9 * MIB;

fn of(mib: u64) -> Sample {
    Sample { size_bytes: mib * MIB, ..Sample::default() }
}

fn held(src: &Host, id: &str) -> u64 {
    src.migration(id)["migration"]["bytes"]["held"].as_u64().unwrap()
}

/// Waits until the target holds so many bytes, and returns how many it does hold, and since when at the latest.
fn until_held(src: &Host, id: &str, bytes: u64) -> (u64, Instant) {
    src.until("so many bytes are held", |src| {
        let held = held(src, id);
        (held >= bytes).then(|| (held, Instant::now()))
    })
}

/// What `limit` shows for the peer.
fn cap(src: &Host) -> serde_json::Value {
    src.run(&["limit", "--format", "json"]).json()[1].clone()
}

#[test]
fn a_cap_that_is_set_while_bytes_move_slows_them_and_without_it_they_go_on() {
    let sample = of(48);
    let (src, _dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["limit", "dst", "80mbit"]).ok();
    src.run(&["migrate", &sample.name, "dst"]).ok();
    let (before, _) = until_held(&src, &id, 1);
    src.run(&["limit", "dst", "8mbit"]).ok();
    let (from, _) = until_held(&src, &id, before + ON_THE_WAY);
    let begun = Instant::now();
    let from = from.max(held(&src, &id));
    let (to, ended) = until_held(&src, &id, from + 3 * MIB);
    // A slow host only makes it longer; less one second's worth, for what was durable and not yet told.
    let least = Duration::from_secs_f64((to - from) as f64 / 1.02e6 - 1.0);
    assert!(ended - begun >= least, "{} bytes in {:?}", to - from, ended - begun);
    assert_eq!(src.migration(&id)["migration"]["stand"], "running");
    src.run(&["limit", "dst", "none"]).ok();
    src.run(&["wait", &id]).ok();
}

#[test]
fn a_pause_set_by_hand_outlives_the_agent_and_ends_when_it_is_taken_back() {
    let sample = of(24);
    let (mut src, dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["limit", "dst", "16mbit"]).ok();
    src.run(&["migrate", &sample.name, "dst"]).ok();
    until_held(&src, &id, 1);
    src.run(&["limit", "dst", "0"]).ok();
    let shown = json!({ "peer": "dst", "rate": "0", "by-hand": true });
    assert_eq!(cap(&src), shown);
    // What QUIC had taken before the pause goes with the agent.
    src.stop();
    src.start();
    assert_eq!(cap(&src), shown);
    until_held(&src, &id, 1);
    // Questions go through a pause, and their answers; by then bulk would have as well.
    let ask = || {
        for _ in 0..5 {
            src.run(&["show-controller", "dst"]).ok();
            dst.run(&["show-controller", "src"]).ok();
        }
    };
    // What had arrived before the pause and was not durable yet is told by now.
    ask();
    let there = held(&src, &id);
    ask();
    assert_eq!(held(&src, &id), there);
    src.run(&["limit", "dst", "none"]).ok();
    src.run(&["wait", &id]).ok();
    assert!(dst.serves(&sample.name));
    src.stop();
    src.start();
    assert_eq!(cap(&src), json!({ "peer": "dst", "rate": null, "by-hand": true }));
}

/// What a limit of 0 holds back said that it was being copied, and how long the rest would take; binaries that had not left
/// the host were told to have gone over the wire.
#[test]
fn a_limit_of_0_is_told_everywhere_and_nothing_is_invented() {
    let sample = of(16);
    let (src, _dst, _) = ready(&sample);
    let (model, told) = (sample.name.as_str(), "limit for dst is 0");
    let id = format!("{}:0", sample.uuid);
    src.run(&["limit", "dst", "0"]).ok();
    let begun = src.run(&["migrate", model, "dst"]);
    assert!(begun.err.contains(told), "{}", begun.err);
    let waits = |view: &serde_json::Value| view["waiting"].as_str().is_some_and(|waiting| waiting == told);
    let view = src.until("the limit is told", |src| Some(src.view(&id)).filter(waits));
    assert_eq!((&view["bytes"]["sent-wire"], &view["bytes"]["rate"]), (&json!(0), &json!(0.0)), "{view}");
    for asked in [
        vec!["show-migration", model],
        vec!["status"],
        vec!["status", "-m", model],
        vec!["precheck", model, "dst"],
        vec!["wait", model, "--timeout", "1s"],
    ] {
        let answer = src.run(&asked);
        let text = answer.out + &answer.err;
        assert!(text.contains(told) && !text.contains(" left"), "{asked:?}: {text}");
    }
    let plan = src.run(&["precheck", model, "dst", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    assert_eq!((&plan["limit"], &plan["eta-ms"]), (&json!(told), &json!(null)), "{plan}");
    assert!(src.run(&["limit"]).ok().contains("0 (paused)"));
    src.run(&["limit", "dst", "none"]).ok();
    src.run(&["wait", &id]).ok();
    // A rate that was told of the pause would be one of the pause.
    let moved = src.view(&id);
    assert!(moved["bytes"]["sent-wire"].as_u64().unwrap() > 8 * MIB, "{moved}");
}

#[test]
fn the_status_of_five_thousand_entities_comes_over_the_link_while_a_model_moves() {
    let moving = of(64);
    let (src, dst, _) = ready(&moving);
    let large = Sample {
        name: "large".into(),
        uuid: "0c6f1f3e-6a86-4f0e-8a55-4b1f4f9d1c02".into(),
        machines: 1670,
        ..Sample::default()
    };
    src.import(&large);
    src.run(&["peer", "set", "dst", "--read", "on"]).ok();
    let id = format!("{}:0", moving.uuid);
    // Two minutes' worth at the least, on any host.
    src.run(&["limit", "dst", "4mbit"]).ok();
    src.run(&["migrate", &moving.name, "dst"]).ok();
    until_held(&src, &id, 1);
    let mut far = dst.run(&["status", "-m", "src:large", "--format", "json"]).json();
    assert!(held(&src, &id) < 64 * MIB, "the model moves meanwhile");
    let mut home = src.run(&["status", "-m", "large", "--format", "json"]).json();
    for status in [&mut far, &mut home] {
        status["controller"] = json!(null);
    }
    assert!(far == home, "a status is the same over the link as at home");
    assert_eq!(far["machines"].as_object().unwrap().len(), large.machines);
    src.run(&["abort", &id]).ok();
}
