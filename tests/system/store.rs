//! The store as an operator sees it: whom its blobs are for, and what goes when nobody needs them.

use std::fs;

use modelferry::sample::Sample;
use serde_json::Value;

use super::host::{Host, files, ready};

const BIG: u64 = 24 << 20;

fn held(host: &Host) -> Value {
    host.run(&["store", "show", "--format", "json"]).json()
}

/// Returns a number of what `store show` or `store prune` tells.
fn number(told: &Value, key: &str) -> u64 {
    told[key].as_u64().unwrap_or_else(|| panic!("no {key} in {told}"))
}

/// Removes everything that nobody needs; returns how many blobs went.
fn pruned(host: &Host) -> u64 {
    number(&host.run(&["store", "prune", "--all-unneeded", "--format", "json"]).json(), "blobs")
}

fn is_needed_by(host: &Host, who: &str) -> bool {
    held(host)["needed"].as_array().unwrap().iter().any(|need| need["by"] == who)
}

#[test]
fn a_migrated_models_blobs_survive_and_those_of_the_model_that_left_go_after_the_retention() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let (model, id) = (sample.name.as_str(), format!("{}:0", sample.uuid));
    src.run(&["embedded", "set", model, "colour=blue"]).ok();
    let before = src.export(model);
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    dst.until("the target is at rest", |dst| dst.migration(&id)["migration"]["ended-ms"].as_u64());

    pruned(&dst);
    assert!(is_needed_by(&dst, &format!("model admin/{model}")) && is_needed_by(&dst, &format!("migration {id}")));
    dst.run(&["verify", &id]).ok();
    assert!(files(&before) == files(&dst.export(model)));

    // The source holds it for a while, so that the way back is short.
    let left = held(&src);
    assert!(number(&left, "idle-blobs") > 0 && number(&left, "idle-blobs") == number(&left, "blobs"), "{left}");
    src.run(&["store", "prune"]).ok();
    src.run(&["store", "prune", "--older-than", "1h"]).ok();
    assert_eq!(number(&held(&src), "blobs"), number(&left, "blobs"));
    assert_eq!(pruned(&src), number(&left, "blobs"));
    let empty = held(&src);
    assert_eq!((number(&empty, "blobs"), number(&empty, "bytes")), (0, 0), "{empty}");

    // And it comes back whole, if not as fast.
    dst.run(&["migrate", model, "src", "--wait"]).ok();
    pruned(&src);
    assert!(src.serves(model));
    src.run(&["verify", &format!("{}:1", sample.uuid)]).ok();
}

#[test]
fn a_kept_backups_blobs_stay_until_it_is_removed() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let model = sample.name.as_str();
    let before = src.export(model);
    dst.run(&["peer", "set", "src", "--keep", "on"]).ok();
    let kept = src.run(&["backup", "create", model, "dst", "--format", "json"]).json();
    let id = kept["id"].as_str().unwrap();
    assert_eq!(pruned(&dst), 0);
    assert!(is_needed_by(&dst, &format!("backup {id}")));
    src.run(&["embedded", "remove", model]).ok();
    pruned(&src);
    assert_eq!(number(&held(&src), "blobs"), 0);
    dst.run(&["backup", "verify", id]).ok();
    dst.run(&["backup", "restore", id]).ok();
    dst.run(&["backup", "remove", id]).ok();
    assert!(number(&held(&dst), "bytes") > 0);
    pruned(&dst);
    // The restored model needs the very blobs that the backup had.
    let mut before = files(&before);
    before.retain(|path, _| !path.starts_with("logs"));
    assert!(before == files(&dst.export(model)));
    dst.run(&["embedded", "remove", model]).ok();
    pruned(&dst);
    assert_eq!(number(&held(&dst), "blobs"), 0);
}

#[test]
fn what_an_unfinished_migration_has_brought_stays_over_restarts_and_goes_when_it_is_given_up() {
    let sample = Sample { size_bytes: BIG, ..Sample::default() };
    let (mut src, mut dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["limit", "40mbit"]).ok();
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    dst.until("something arrives", |dst| (number(&held(dst), "partial-bytes") > 1 << 20).then_some(()));
    src.kill();
    for _ in 0..2 {
        // The second time round nothing but the disk knows what was on its way.
        pruned(&dst);
        let left = held(&dst);
        // What was partial when it was looked at may have become whole since.
        assert!(number(&left, "bytes") + number(&left, "partial-bytes") > 1 << 20, "{left}");
        assert!(is_needed_by(&dst, &format!("migration {id}")), "{left}");
        dst.kill();
        dst.start();
    }
    src.start();
    src.run(&["abort", &id]).ok();
    src.run(&["wait", &id]).fails(3, "abort");
    dst.until("the target drops its copy", |dst| dst.migration(&id)["migration"]["ended-ms"].as_u64());
    dst.until("what had arrived goes", |dst| {
        pruned(dst);
        let left = held(dst);
        (number(&left, "blobs") == 0 && number(&left, "partials") == 0).then_some(())
    });
    pruned(&src);
    assert!(src.serves(&sample.name));
}

#[test]
fn what_a_precopy_has_brought_stays_for_the_retention_and_makes_the_migration_small() {
    let sample = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let (src, dst, _) = ready(&sample);
    let (model, id) = (sample.name.as_str(), format!("{}:0", sample.uuid));
    let sent = || src.migration(&id)["migration"]["bytes"]["sent"].as_u64().unwrap();
    src.run(&["precopy", model, "dst", "--wait"]).ok();
    dst.run(&["store", "prune"]).ok();
    let brought = held(&dst);
    assert!(number(&brought, "idle-bytes") > 4 << 20, "{brought}");
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    assert!(sent() < 1 << 20, "{} bytes were sent again", sent());
    pruned(&dst);
    dst.run(&["verify", &id]).ok();
}

#[test]
fn a_dry_run_removes_nothing_and_says_what_would_go() {
    let sample = Sample::default();
    let mut host = Host::new("src");
    host.start();
    host.add_users();
    host.import(&sample);
    assert_eq!(pruned(&host), 0, "all of it is the model's");
    host.run(&["embedded", "remove", &sample.name]).ok();
    let before = held(&host);
    let told = host.run(&["store", "prune", "--all-unneeded", "--dry-run", "--format", "json"]).json();
    assert_eq!((number(&told, "blobs"), number(&told, "bytes")), (number(&before, "blobs"), number(&before, "bytes")));
    assert_eq!(told["list"].as_array().unwrap().len() as u64, number(&told, "blobs"));
    assert_eq!(number(&held(&host), "bytes"), number(&before, "bytes"));
    let shown = host.run(&["store", "show", "--blobs"]).ok();
    assert!(shown.contains("Retention:  14 days") && shown.contains("nobody"), "{shown}");
    host.run(&["store", "prune", "--older-than", "a while"]).fails(2, "such as 7d");
    host.run(&["store", "prune", "--older-than", "1d", "--all-unneeded"]).fails(2, "cannot be used with");
    let told = host.run(&["store", "prune", "--all-unneeded"]).ok();
    assert!(told.contains("removed; nothing else is unneeded."), "{told}");
    assert_eq!(number(&held(&host), "blobs"), 0);
}

#[test]
fn an_agent_prunes_by_itself_when_it_starts_and_status_tells_what_it_found() {
    let sample = Sample::default();
    let mut host = Host::with("src", "[store]\nretention = \"0s\"");
    host.start();
    host.add_users();
    host.import(&sample);
    host.stop();
    host.start();
    let told = |host: &Host, what: &str| {
        let status = host.run(&["status"]).ok();
        status.contains(what).then_some(status)
    };
    host.until("status tells of the store", |host| told(host, ", of which nobody needed 0 B"));
    host.run(&["embedded", "remove", &sample.name]).ok();
    assert!(number(&held(&host), "blobs") > 0, "nobody has pruned yet");
    host.stop();
    host.start();
    host.until("what nobody needs is gone", |host| told(host, "Store: 0 B at "));
    assert_eq!(number(&held(&host), "blobs"), 0);
}

#[test]
fn what_nobody_needs_is_held_up_to_the_quota() {
    let sample = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let mut host = Host::with("src", "[store]\nquota = \"1MiB\"");
    host.start();
    host.add_users();
    host.import(&sample);
    host.run(&["store", "prune"]).ok();
    let needed = held(&host);
    assert!(number(&needed, "bytes") > 1 << 20, "a quota is for what nobody needs: {needed}");
    host.run(&["embedded", "remove", &sample.name]).ok();
    host.run(&["store", "prune"]).ok();
    let left = held(&host);
    assert!(number(&left, "bytes") <= 1 << 20, "{left}");
}

#[test]
fn where_it_cannot_be_told_who_needs_what_nothing_is_removed() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    dst.run(&["peer", "set", "src", "--keep", "on"]).ok();
    let kept = src.run(&["backup", "create", &sample.name, "dst", "--format", "json"]).json();
    let id = kept["id"].as_str().unwrap();
    let document = dst.dir.path().join(format!("state/kept/{id}.kept"));
    let whole = fs::read(&document).unwrap();
    fs::write(&document, &whole[..whole.len() / 2]).unwrap();
    let before = held(&dst);
    let refused = dst.run(&["store", "prune", "--all-unneeded"]).fails(1, "it cannot be told who needs what");
    assert!(refused.contains(&format!("modelferry backup remove {id}")), "{refused}");
    assert!(dst.run(&["store", "show"]).ok().contains("Nothing can be pruned while this cannot be told"));
    assert_eq!(number(&held(&dst), "bytes"), number(&before, "bytes"));
    fs::write(&document, &whole).unwrap();
    dst.run(&["backup", "verify", id]).ok();
    fs::write(&document, &whole[..whole.len() / 2]).unwrap();
    dst.run(&["backup", "remove", id]).ok();
    pruned(&dst);
    assert_eq!(number(&held(&dst), "blobs"), 0);
}
