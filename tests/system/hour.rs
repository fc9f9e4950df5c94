//! The hour: what waits, what is paused, what is queued, and that the model is live all the while.

use std::fs;

use modelferry::sample::{Sample, SampleFiles};
use serde_json::Value;

use super::host::{Host, THIN, big, files, ready};

/// Waits until a migration's note says so, and returns the migration.
fn until_noted(host: &Host, id: &str, text: &str) -> Value {
    host.until(&format!("a note of {text:?}"), |host| {
        let view = host.view(id);
        assert!(view["ended-ms"].is_null(), "{view}");
        view["note"].as_str()?.contains(text).then_some(view)
    })
}

fn restart(host: &mut Host) {
    host.kill();
    host.start();
}

fn linked(src: &Host, dst: &Host) {
    for host in [src, dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
}

#[test]
fn a_pause_survives_both_agents_and_resuming_sends_nothing_again() {
    let sample = big();
    let (mut src, mut dst, _) = ready(&sample);
    src.run(&["limit", THIN]).ok();
    src.run(&["migrate", &sample.name, "dst"]).ok();
    let id = format!("{}:0", sample.uuid);
    src.until("some bytes are held", |src| (src.view(&id)["bytes"]["held"].as_u64()? > 0).then_some(()));
    let told = src.run(&["pause", &sample.name]).ok();
    assert!(told.contains(&format!("modelferry resume {id}")), "{told}");
    src.run(&["pause", &id]).fails(1, "it is paused by operator (uid");
    assert!(src.serves(&sample.name));
    let before = src.export(&sample.name);

    restart(&mut src);
    restart(&mut dst);
    linked(&src, &dst);
    let paused = until_noted(&src, &id, "paused by operator (uid");
    assert!(paused["note"].as_str().unwrap().contains("resume with `modelferry resume"), "{paused}");
    assert_eq!(paused["bytes"]["sent"], 0, "this agent has sent nothing since its start: {paused}");
    for shown in [src.run(&["status"]).ok(), src.run(&["show-migration", &id]).ok()] {
        assert!(shown.contains("paused by operator (uid"), "{shown}");
    }
    let trail = src.run(&["events"]).ok();
    assert!(trail.contains("paused by operator"), "{trail}");

    src.run(&["limit", "none"]).ok();
    src.run(&["resume", &id]).ok();
    src.run(&["wait", &id]).ok();
    assert!(files(&before) == files(&dst.export(&sample.name)), "what arrived differs");
    src.run(&["pause", &id]).fails(1, "has ended already");
    src.run(&["resume", &id]).fails(1, "has ended already");
}

#[test]
fn a_model_that_is_held_is_live_until_the_cutover_and_a_restart_changes_nothing() {
    let sample = Sample::default();
    let (mut src, mut dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    let told = src.run(&["migrate", &sample.name, "dst", "--hold"]);
    assert!(told.err.contains(&format!("until `modelferry cutover {id}`")), "{told:?}");
    until_noted(&src, &id, &format!("ready, waiting for cutover {id}"));
    restart(&mut src);
    restart(&mut dst);
    until_noted(&src, &id, &format!("ready, waiting for cutover {id}"));
    // What is written meanwhile moves as well.
    src.run(&["embedded", "set", &sample.name, "late=yes"]).ok();
    let told = src.run(&["cutover", &sample.name, "--wait"]).ok();
    assert!(told.contains("has moved to"), "{told}");
    assert!(dst.run(&["embedded", "get", &sample.name, "late"]).ok().contains("yes"));
    let trail = src.run(&["show-migration", &id]).ok();
    assert!(trail.contains("to be cut over when it is asked for"), "{trail}");
    assert!(trail.contains("frozen for"), "{trail}");
}

#[test]
fn at_its_hour_a_model_moves_by_itself_and_not_before() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst", "--at", "+6s"]).ok();
    let waiting = until_noted(&src, &id, "ready, waiting for cutover at ");
    let at_ms = waiting["orders"]["cutover-at-ms"].as_u64().unwrap();
    assert_eq!(waiting["orders"]["until-ms"].as_u64().unwrap(), at_ms + 3_600_000);
    src.run(&["wait", &id]).ok();
    assert!(dst.serves(&sample.name));
    let events = src.migration(&id)["events"].clone();
    let frozen = events.as_array().unwrap().iter().find(|event| event["text"] == "Freezing").unwrap();
    assert!(frozen["time-ms"].as_u64().unwrap() >= at_ms, "frozen before {at_ms}: {frozen}");
}

#[test]
fn an_hour_without_a_link_freezes_nothing_and_keeps_the_cause() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst", "--at", "+3s", "--until", "+3s"]).ok();
    dst.stop();
    let told = src.run(&["wait", &id]).fails(3, "the agent of dst was not connected");
    assert!(told.contains("not cut over until"), "{told}");
    assert!(src.serves(&sample.name));
    let events = src.migration(&id)["events"].to_string();
    assert!(!events.contains("Freezing") && events.contains("not cut over yet"), "{events}");
    // And the model can be moved after all.
    dst.start();
    src.until("the link is back", |src| src.connected().then_some(()));
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
}

#[test]
fn a_cutover_is_tried_until_what_stands_against_it_is_gone() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    until_noted(&src, &id, "ready, waiting for cutover");
    let user = modelferry::sample::USERS[0];
    dst.run(&["embedded", "user", "remove", user]).ok();
    src.run(&["cutover", &id]).ok();
    let refused = until_noted(&src, &id, "cutting over, model is live: cannot initiate migration");
    assert!(refused["note"].as_str().unwrap().contains("users"), "{refused}");
    assert!(src.serves(&sample.name));
    dst.run(&["embedded", "user", "add", user]).ok();
    src.run(&["wait", &id]).ok();
    assert!(dst.serves(&sample.name));
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_begins() {
    let sample = Sample::default();
    let (src, _dst, _) = ready(&sample);
    let model = sample.name.as_str();
    src.run(&["migrate", model, "dst", "--at", "soon"]).fails(2, "such as 22:00");
    src.run(&["migrate", model, "dst", "--at", "+1h", "--hold"]).fails(2, "cannot be used with");
    src.run(&["migrate", model, "dst", "--until", "+1h"]).fails(2, "--until needs --at or --hold");
    src.run(&["migrate", model, "dst", "--hold", "--until", "2020-01-01T00:00Z"]).fails(2, "is not after now");
    src.run(&["migrate", model, "dst", "--bwlimit", "0"]).fails(2, "never ends");
    assert_eq!(src.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    src.run(&["cutover", model]).fails(1, "has ended already");
}

/// Hides the bytes of every binary: files of the same size, and nothing in them.
fn blank_binaries(host: &Host, written: &SampleFiles) -> usize {
    let mut spared = vec![fs::read(&written.description).unwrap()];
    // The log follows after the freeze.
    spared.extend(files(&written.blobs.join("logs")).into_values());
    let spared: Vec<String> = spared.iter().map(|bytes| blake3::hash(bytes).to_string()).collect();
    let blobs = files(&host.dir.path().join("state/blobs"));
    let binaries = blobs.iter().filter(|(name, _)| !spared.contains(&name.to_string_lossy().into_owned()));
    let blanked = binaries.map(|(name, bytes)| {
        fs::write(host.dir.path().join("state/blobs").join(name), vec![0; bytes.len()]).unwrap();
    });
    blanked.count()
}

#[test]
fn no_byte_of_a_binary_is_read_while_its_model_is_frozen() {
    let sample = Sample::default();
    let (src, dst, written) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    until_noted(&src, &id, "ready, waiting for cutover");
    // Whoever reads a binary from here on, for its hash or to send it, finds that it is another.
    assert!(blank_binaries(&src, &written) > 3);
    assert!(blank_binaries(&dst, &written) > 3);
    src.run(&["cutover", &id, "--wait"]).ok();
    dst.run(&["verify", &sample.name]).fails(7, "");
}

#[test]
fn migrations_beyond_max_parallel_wait_in_order_also_after_a_restart() {
    let (mut src, mut dst) = (Host::with("src", "\n[migration]\nmax-parallel = 1"), Host::new("dst"));
    src.start();
    dst.start();
    src.pair(&dst);
    src.add_users();
    dst.add_users();
    let named = |n: u32| Sample {
        name: format!("model-{n}"),
        uuid: format!("5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f8{n:02}"),
        size_bytes: 4 << 20,
        ..Sample::default()
    };
    let samples = [named(1), named(2), named(3)];
    samples.iter().for_each(|sample| drop(src.import(sample)));
    src.run(&["limit", "2mbit"]).ok();
    src.run(&["migrate", "model-1", "model-2", "model-3", "dst"]).ok();
    let id = |n: usize| format!("{}:0", samples[n].uuid);
    until_noted(&src, &id(1), "queued (1 ahead)");
    until_noted(&src, &id(2), "queued (2 ahead)");
    let status = src.run(&["status"]).ok();
    assert!(status.contains("queued (2 ahead)"), "{status}");
    restart(&mut src);
    until_noted(&src, &id(2), "queued (2 ahead)");
    // One that is paused lets the next go.
    src.run(&["pause", "model-1"]).ok();
    until_noted(&src, &id(2), "queued (1 ahead)");
    src.run(&["resume", "model-1"]).ok();
    until_noted(&src, &id(0), "queued (1 ahead)");
    src.run(&["limit", "none"]).ok();
    for (n, sample) in samples.iter().enumerate() {
        src.run(&["wait", &id(n)]).ok();
        assert!(dst.serves(&sample.name));
    }
}

#[test]
fn a_limit_outlives_its_agent_until_the_configuration_is_given_back() {
    let mut src = Host::with("src", "\n[link]\nbwlimit = \"500mbit\"");
    src.start();
    let limit = |src: &Host| src.run(&["limit", "--format", "json"]).json()[0].clone();
    assert_eq!(limit(&src)["rate"], "500mbit");
    src.run(&["limit", "20mbit"]).ok();
    restart(&mut src);
    assert_eq!((limit(&src)["rate"].clone(), limit(&src)["by-hand"].clone()), ("20mbit".into(), true.into()));
    src.run(&["limit", "none"]).ok();
    restart(&mut src);
    assert!(limit(&src)["rate"].is_null());
    src.run(&["limit", "default"]).ok();
    restart(&mut src);
    assert_eq!((limit(&src)["rate"].clone(), limit(&src)["by-hand"].clone()), ("500mbit".into(), false.into()));
}

#[test]
fn a_migrations_own_cap_lasts_as_long_as_it() {
    let sample = Sample { size_bytes: 2 << 20, ..Sample::default() };
    let (mut src, dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst", "--bwlimit", "2mbit"]).ok();
    let begun = std::time::Instant::now();
    restart(&mut src);
    src.run(&["wait", &id]).ok();
    let view = src.view(&id);
    assert_eq!(view["orders"]["bwlimit"], "2mbit");
    // Less a tenth: the last chunk need not be waited for.
    let least = 0.9 * view["bytes"]["sent-wire"].as_u64().unwrap() as f64 / 250_000.0;
    assert!(least > 2.0 && begun.elapsed().as_secs_f64() > least, "{:?} for {view}", begun.elapsed());
    assert!(dst.serves(&sample.name));
}

#[test]
fn equal_binaries_of_two_models_that_move_at_once_are_sent_once() {
    let sample = Sample { size_bytes: 8 << 20, ..Sample::default() };
    let (src, dst, written) = ready(&sample);
    // The same binaries under another name.
    let twin = "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4ffff";
    let text = fs::read_to_string(&written.description).unwrap();
    let description = src.dir.path().join("twin.yaml");
    fs::write(&description, text.replace(&sample.uuid, twin).replace(&sample.name, "twin")).unwrap();
    let blobs = written.blobs.to_str().unwrap();
    src.run(&["embedded", "import", description.to_str().unwrap(), "--blobs", blobs]).ok();
    src.run(&["limit", "40mbit"]).ok();
    src.run(&["migrate", &sample.name, "twin", "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name) && dst.serves("twin"));
    let views = [src.view(&sample.name), src.view("twin")];
    let sum = |what: &str| views.iter().map(|view| view["bytes"][what].as_u64().unwrap()).sum::<u64>();
    let (sent, total) = (sum("sent"), sum("total"));
    assert!(sent < total * 6 / 10 && sum("reused") > total * 4 / 10, "sent {sent} of {total}: {views:?}");
    // Both were on their way at once, or nothing is said here.
    assert!(views[1]["started-ms"].as_u64() < views[0]["ended-ms"].as_u64(), "{views:?}");
}
