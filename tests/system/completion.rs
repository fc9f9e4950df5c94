//! What a shell puts next: names that the running agent knows.

use std::path::Path;
use std::process::{Command, Stdio};

use modelferry::sample::Sample;

use super::host::{Host, ready};

const BINARY: &str = env!("CARGO_BIN_EXE_modelferry");

/// Returns what the fish script would be told may come next on `words`, without what is said about each.
fn next(host: &Host, words: &[&str]) -> Vec<String> {
    let asked = Command::new(BINARY)
        .args(["--", "modelferry", "--config"])
        .arg(host.config())
        .args(words)
        .env("MODELFERRY_COMPLETE", "fish")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(asked.status.success() && asked.stderr.is_empty(), "{asked:?}");
    let told = String::from_utf8(asked.stdout).unwrap();
    told.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

/// Returns what bash itself would put next, with the script that the program prints.
fn next_in_bash(host: &Host, line: &str) -> Vec<String> {
    let line = format!("modelferry --config {} {line}", host.config().display());
    let script = "source <(modelferry completion bash) && _modelferry; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let programs = Path::new(BINARY).parent().unwrap().display();
    let asked = Command::new("bash")
        .args(["--norc", "-c", script])
        .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()))
        .env("COMP_POINT", line.len().to_string())
        .env("COMP_LINE", line)
        .env("COMP_WORDBREAKS", " \t\n\"'><=;|&(:")
        .output()
        .unwrap();
    assert!(asked.status.success(), "{asked:?}");
    String::from_utf8(asked.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn has(told: &[String], name: &str) -> bool {
    told.iter().any(|told| told == name)
}

#[test]
fn a_shell_completes_the_names_that_the_running_agent_knows() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["peer", "set", "dst", "--read", "on"]).ok();
    dst.run(&["peer", "set", "src", "--keep", "on"]).ok();
    src.run(&["backup", "create", &sample.name, "dst"]).ok();

    assert_eq!(next(&src, &["embedded", "export", "sh"]), [sample.name.as_str()]);
    let moving = next(&src, &["migrate", ""]);
    assert!(has(&moving, &sample.name) && has(&moving, "dst") && has(&moving, "--wait"), "{moving:?}");
    assert_eq!(next(&src, &["unpair", "d"]), ["dst"]);
    assert_eq!(next(&src, &["show-controller", "s"]), ["src"]);
    let anywhere = next(&dst, &["status", "-m", ""]);
    assert!(has(&anywhere, "src:") && has(&anywhere, "controller"), "{anywhere:?}");
    assert_eq!(next(&dst, &["status", "-m", "src:sh"]), [format!("src:{}", sample.name)]);
    assert_eq!(next(&dst, &["status", "-m", "src:admin/sh"]), [format!("src:admin/{}", sample.name)]);
    let kept = dst.run(&["backup", "list", "--format", "json"]).json();
    assert_eq!(next(&dst, &["backup", "remove", ""])[0], kept[0]["id"].as_str().unwrap());

    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    let migrations = next(&src, &["show-migration", ""]);
    assert!(has(&migrations, &id) && has(&migrations, &sample.name), "{migrations:?}");
    assert_eq!(next(&src, &["verify", &id[..8]]), [id.as_str()]);
}

#[test]
fn bash_completes_names_at_whose_colons_it_cuts() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    src.run(&["peer", "set", "dst", "--read", "on"]).ok();
    assert_eq!(next_in_bash(&dst, "show-mo"), ["show-model"]);
    assert_eq!(next_in_bash(&dst, "status -m sr"), ["src:"]);
    // Only what comes after the colon takes the place of what was typed there.
    assert_eq!(next_in_bash(&dst, "status -m src:sh"), [sample.name.as_str()]);
    assert_eq!(next_in_bash(&dst, "status --format=ta"), ["tabular"]);
}

#[test]
fn without_an_agent_there_are_no_names_and_no_complaints() {
    let host = Host::new("src");
    assert_eq!(next(&host, &["status", "-m", "s"]), [""; 0]);
    assert_eq!(next(&host, &["backup", "remove", "s"]), [""; 0]);
    assert!(has(&next(&host, &["sta"]), "status"));
}
