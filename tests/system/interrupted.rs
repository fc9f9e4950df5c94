//! Agents killed, and migrations given up: the model ends on exactly one side, whole.

use modelferry::sample::Sample;

use super::host::{Host, files, ready};

const BIG: u64 = 24 << 20;

fn big() -> Sample {
    Sample { size_bytes: BIG, ..Sample::default() }
}

/// Waits until some of the model's bytes are durable on the other side, and they are not yet all of them.
fn until_some_are_held(src: &Host, id: &str) -> u64 {
    src.until("some bytes are held", |src| {
        let view = src.migration(id);
        let held = view["migration"]["bytes"]["held"].as_u64()?;
        (held > 0 || view["migration"]["ended-ms"].is_u64()).then_some(held)
    })
}

fn arrived_whole(src: &Host, dst: &Host, sample: &Sample, before: &std::path::Path) {
    assert_eq!(files(before), files(&dst.export(&sample.name)));
    assert!(!src.serves(&sample.name) && dst.serves(&sample.name));
}

#[test]
fn a_target_killed_while_bytes_arrive_goes_on_where_it_was() {
    let sample = big();
    let (src, mut dst, _) = ready(&sample);
    let before = src.export(&sample.name);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst"]).ok();
    until_some_are_held(&src, &id);
    dst.kill();
    dst.start();
    src.run(&["wait", &id]).ok();
    arrived_whole(&src, &dst, &sample, &before);
    // What was durable is not sent again. In flight is one window of 8 MiB, besides what the target had received and not synced,
    // and a frame or two on each stream.
    let sent = src.migration(&id)["migration"]["bytes"]["sent"].as_u64().unwrap();
    let total = src.migration(&id)["migration"]["bytes"]["total"].as_u64().unwrap();
    assert!(sent <= total + (8 << 20) + (3 << 20), "sent {sent} of {total}");
}

#[test]
fn a_source_killed_while_bytes_leave_goes_on_where_it_was() {
    let sample = big();
    let (mut src, dst, _) = ready(&sample);
    let before = src.export(&sample.name);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst"]).ok();
    let held = until_some_are_held(&src, &id);
    src.kill();
    src.start();
    src.run(&["wait", &id]).ok();
    arrived_whole(&src, &dst, &sample, &before);
    // The agent that was started anew sent nothing of what was held.
    let bytes = &src.migration(&id)["migration"]["bytes"];
    let (sent, total) = (bytes["sent"].as_u64().unwrap(), bytes["total"].as_u64().unwrap());
    assert!(sent + held <= total, "sent {sent} of {total}, {held} were held");
}

#[test]
fn an_abort_gives_the_model_back_although_the_target_is_gone() {
    let sample = big();
    let (src, mut dst, _) = ready(&sample);
    let before = src.export(&sample.name);
    let id = format!("{}:0", sample.uuid);
    dst.run(&["peers"]).ok();
    src.run(&["migrate", &sample.name, "dst"]).ok();
    dst.kill();
    let aborted = src.run(&["abort", &id]);
    if aborted.code != 0 {
        // It had moved before the kill: then an abort comes too late, and says so.
        assert!(aborted.err.contains("committed") || aborted.err.contains("ended"), "{aborted:?}");
        return;
    }
    src.run(&["wait", &id]).fails(3, "abort");
    assert_eq!(files(&before), files(&src.export(&sample.name)));
    assert!(src.serves(&sample.name));
    let shown = src.run(&["show-model", &sample.name]).ok();
    assert!(shown.contains("aborted") && shown.contains("migration-end"), "{shown}");

    // The target learns it as soon as it is back, and keeps nothing that could be used.
    dst.start();
    dst.until("the target drops its copy", |dst| {
        let view = dst.run(&["show-migration", &id, "--format", "json"]);
        (view.code != 0 || view.out.contains("\"Dropped\"")).then_some(())
    });
    assert!(!dst.serves(&sample.name));
    // And the model can be moved after all, under a new migration.
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    assert!(dst.serves(&sample.name));
}

#[test]
fn both_agents_killed_again_and_again_end_with_one_owner() {
    let sample = big();
    let (mut src, mut dst, _) = ready(&sample);
    let before = src.export(&sample.name);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst"]).ok();
    // Different moments each round, the same in every run.
    for pause_ms in [0_u64, 40, 150, 320, 90, 500, 20] {
        std::thread::sleep(std::time::Duration::from_millis(pause_ms));
        src.kill();
        src.start();
        dst.kill();
        dst.start();
    }
    src.run(&["wait", &id]).ok();
    dst.until("the target is at rest", |dst| dst.migration(&id)["migration"]["ended-ms"].as_u64());
    arrived_whole(&src, &dst, &sample, &before);
}

#[test]
fn what_agents_have_counted_is_told_as_what_it_is_after_kills_on_both_sides() {
    let sample = big();
    let (mut src, mut dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    // Slow enough to be met half-way twice.
    src.run(&["limit", "dst", "40mbit"]).ok();
    src.run(&["migrate", &sample.name, "dst"]).ok();
    until_some_are_held(&src, &id);
    dst.kill();
    dst.start();
    let held = src.until("more bytes are held", |src| {
        let bytes = src.migration(&id)["migration"]["bytes"].clone();
        bytes["held"].as_u64().filter(|held| *held >= 6 << 20)
    });
    src.kill();
    src.start();
    let told = src.run(&["wait", &id]).ok();
    assert!(!told.contains("were there already"), "nobody knows whether they were: {told}");
    let bytes = |host: &Host, what: &str| host.migration(&id)["migration"]["bytes"][what].as_u64();
    let total = bytes(&src, "total").unwrap();
    // The target counts each blob once, over all its connections; the description it has in two versions.
    dst.until("the target is at rest", |dst| dst.migration(&id)["migration"]["ended-ms"].as_u64());
    let there = bytes(&dst, "total").unwrap();
    assert!((total..total + (1 << 20)).contains(&there), "{there} of {total}");
    assert_eq!(bytes(&dst, "held"), Some(there));
    // What the source had sent before it was killed it does not call reused, and what it tells adds up.
    assert!(bytes(&src, "counted-from-ms").is_some() && bytes(&dst, "counted-from-ms").is_some());
    let (sent, reused) = (bytes(&src, "sent").unwrap(), bytes(&src, "reused").unwrap());
    assert!(reused >= held && sent + reused >= total, "{sent} sent, {reused} were there, {held} before the kill");
    let shown = src.run(&["show-migration", &id]).ok();
    let line = shown.lines().find(|line| line.starts_with("bytes: ")).unwrap();
    assert!(line.contains("there when the agent was started") && !line.contains("reused"), "{line}");
    // And of one that was over before it was started it has counted nothing.
    src.kill();
    src.start();
    let shown = src.run(&["show-migration", &id]).ok();
    assert!(shown.contains("\nbytes: not counted: the agent was started "), "{shown}");
    let told = src.run(&["wait", &id]).ok();
    assert!(told.contains("has moved to controller \"dst\", frozen for"), "{told}");
}
