//! What is shown of agents and models: at home, over the link, out of a file, again and again.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use modelferry::sample::Sample;
use serde_json::{Value, json};

use super::host::{Host, ready};

/// The status as JSON, without the time at which it was taken.
fn status(host: &Host, args: &[&str]) -> Value {
    let mut status = host.run(&[&["status", "--format", "json"], args].concat()).json();
    assert!(status["controller"]["timestamp"].is_string(), "{status}");
    status["controller"] = json!(null);
    status
}

#[test]
fn a_models_status_over_the_link_is_the_same_as_at_home() {
    let sample = Sample::default();
    let (src, dst, files) = ready(&sample);
    src.run(&["peer", "set", "dst", "--read", "on"]).ok();
    let home = status(&src, &["-m", &sample.name]);
    assert_eq!(home, status(&dst, &["-m", &format!("src:{}", sample.name)]));
    assert_eq!(home["applications"]["postgresql"]["charm-name"], "postgresql");

    // A file shows the same inside; only its controller goes by the file's name.
    let mut file = status(&src, &["--from", files.description.to_str().unwrap()]);
    assert_eq!(file["model"]["controller"], "model.yaml");
    file["model"] = home["model"].clone();
    assert_eq!(home, file);
}

#[test]
fn a_controller_is_shown_with_its_models_at_home_and_over_the_link() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    src.run(&["peer", "set", "dst", "--read", "on"]).ok();
    let home = src.run(&["show-controller", "--format", "json"]).json();
    let model = &home["src"]["models"][&sample.name];
    assert_eq!((&model["uuid"], &model["machine-count"]), (&json!(sample.uuid), &json!(sample.machines)), "{home}");
    assert!(model["core-count"].as_u64().unwrap() > 0 && home["src"]["models"]["controller"].is_object(), "{home}");
    let far = dst.run(&["show-controller", "src", "--format", "json"]).json();
    assert_eq!(far["src"]["models"], home["src"]["models"]);
    let shown = dst.run(&["show-controller", "src"]).ok();
    assert!(shown.contains("    ca-fingerprint: ") && shown.contains("      model-uuid: "), "{shown}");
}

#[test]
fn a_file_is_shown_without_any_agent() {
    let sample = Sample::default();
    let host = Host::new("src");
    let file = sample.write(&host.dir.path().join("model")).unwrap().description;
    let file = file.to_str().unwrap();
    let tables = host.run(&["status", "--from", file, "--relations", "--storage"]).ok();
    for table in ["SAAS ", "App ", "Unit ", "Machine ", "Offer ", "Integration provider ", "Storage Unit "] {
        assert!(tables.contains(&format!("\n\n{table}")), "{table}: {tables}");
    }
    assert!(host.run(&["show-model", "--from", file]).ok().starts_with(&format!("{}:\n  name: admin/", sample.name)));
    let models = host.run(&["models", "--from", file, "--format", "json"]).json();
    assert_eq!(models["models"][0]["model-uuid"], sample.uuid.as_str());

    let cut = host.dir.path().join("cut.yaml");
    let yaml = fs::read_to_string(file).unwrap();
    fs::write(&cut, &yaml[..yaml.len() / 2]).unwrap();
    host.run(&["status", "--from", cut.to_str().unwrap()]).fails(1, "juju dump-model");
    host.run(&["models", "--from", "/no/such/file"]).fails(1, "/no/such/file");
}

#[test]
fn a_failed_migration_is_told_with_its_cause_and_what_to_do() {
    let sample = Sample { size_bytes: 24 << 20, ..Sample::default() };
    let (src, mut dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst"]).ok();
    dst.kill();
    let aborted = src.run(&["abort", &id]);
    if aborted.code != 0 {
        // It had moved before the kill, and there is nothing that failed.
        assert!(aborted.err.contains("committed") || aborted.err.contains("ended"), "{aborted:?}");
        return;
    }
    src.run(&["wait", &id]).fails(3, "abort");
    let cause = src.migration(&id)["migration"]["cause"].as_str().unwrap().to_owned();
    let again = format!("modelferry precheck admin/{} dst", sample.name);
    let tables = src.run(&["status", "-m", &sample.name]).ok();
    let agent = src.run(&["status"]).ok();
    let history = src.run(&["show-migration", &id]).ok();
    for text in [&tables, &agent, &history] {
        let when = format!("{id}\" failed ");
        assert!(text.contains(&cause) && text.contains(&again) && text.contains(&when), "{text}");
    }
    let model = src.run(&["show-model", &sample.name]);
    assert!(model.err.contains(&again), "{model:?}");
    let shown = model.ok();
    for key in ["    message: ", "    migration: ", "    migration-start: ", "    migration-end: "] {
        assert!(shown.contains(key), "{key}: {shown}");
    }
}

#[test]
fn colours_are_there_when_asked_for_and_only_then() {
    let (src, _dst, _) = ready(&Sample::default());
    let sample = Sample::default();
    let painted = src.run(&["status", "-m", &sample.name, "--color"]).ok();
    assert!(painted.contains("\u{1b}[32mactive\u{1b}[0m"), "{painted:?}");
    for args in [&["status", "-m", &sample.name][..], &["status", "-m", &sample.name, "--no-color"]] {
        let plain = src.run(args).ok();
        assert!(plain.contains("active") && !plain.contains('\u{1b}'), "{plain:?}");
    }
    assert!(src.run(&["status", "--color"]).ok().contains("\u{1b}[1mController\u{1b}[0m"));
}

#[test]
fn a_watched_status_comes_again_and_again_until_nobody_reads_it() {
    let mut host = Host::new("src");
    host.start();
    let mut watching = Command::new(env!("CARGO_BIN_EXE_modelferry"))
        .arg("--config")
        .arg(host.config())
        .args(["status", "--watch", "10ms"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    for _ in 0..3 {
        assert!(lines.any(|line| line.starts_with("Controller  ")), "the watch ended by itself");
    }
    drop(lines);
    assert!(watching.wait().unwrap().success());
}
