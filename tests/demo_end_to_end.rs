//! The demo as a newcomer runs it, only smaller: it judges itself, and fails if anything it claims is untrue.

use std::process::{Command, Output};

use modelferry::sample::Sample;

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_modelferry")).arg("demo").args(arguments).output().unwrap()
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[track_caller]
fn says(printed: &str, claims: &[&str]) {
    for claim in claims {
        assert!(printed.contains(claim), "`{claim}` is missing in:\n{printed}");
    }
}

/// Reads a size such as `11 MiB` at the beginning of a text.
fn size(text: &str) -> f64 {
    let mut words = text.split_whitespace();
    let number: f64 = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no size: {text}"));
    match words.next().map(|unit| unit.trim_end_matches([',', '.'])) {
        Some("GiB") => number * 1024.0 * 1024.0,
        Some("MiB") => number * 1024.0,
        Some("KiB") => number,
        _ => number / 1024.0,
    }
}

/// Looks whether the figures agree with each other, and with what was on the destination before.
#[track_caller]
fn adds_up(printed: &str) {
    let after =
        |words: &str| printed.split(words).nth(1).unwrap_or_else(|| panic!("`{words}` is missing in: {printed}"));
    let figure = |name: &str| size(after(&format!("\n  {name:<24} ")));
    let (total, reused, sent) = (figure("model and binaries"), figure("reused"), figure("sent"));
    let again = size(after("\n  sent ").split("of which ").nth(1).unwrap());
    // A figure is rounded to a tenth of a MiB.
    assert!((reused + sent - again - total).abs() < 300.0, "in KiB: {reused} + {sent} - {again} is not {total}");
    let neighbour = size(after("admin/warehouse").split(" binaries of ").nth(1).unwrap());
    assert!(reused > 0.0 && reused < neighbour + 100.0, "in KiB: {reused} reused of {neighbour} that were there");
}

#[test]
fn a_model_moves_though_the_destination_is_killed_and_a_user_is_missing() {
    let printed = succeeded(&demo(&["--size", "16MiB", "--link", "100mbit,20ms"]));
    says(
        &printed,
        &[
            "users granted access to the model do not exist",
            "dst$ modelferry embedded user add bob",
            "dst$ kill -9",
            "migrating: ",
            "Model \"admin/shop-eu\" has been migrated to controller \"dst\"",
            "binaries: 8/8 identical",
            "description: identical, byte for byte",
            "reads failed: 0",
            "lost: 0",
        ],
    );
    adds_up(&printed);
    // Once anywhere, then again: the doubt, who lives in it, and how it ends.
    let doubt = printed.split("Back again, and the link is cut").nth(1).expect("the step");
    says(
        doubt,
        &[
            "the link is cut",
            "IN DOUBT  model \"admin/shop-eu\"",
            "owners live: 0",
            "--proof > commit.proof",
            "owners live: 1",
            "the link is mended",
            "had to be sent, the rest was there",
        ],
    );
    assert_eq!(doubt.matches("IN DOUBT").count(), 2, "on both sides: {doubt}");
    let lives: Vec<&str> = doubt.lines().filter_map(|line| line.trim().strip_prefix("owners live: ")).collect();
    assert!(lives[0] == "0" && lives[1] == lives[2] && lives[1].starts_with("1 ("), "{lives:?}");
}

#[test]
fn a_model_moves_though_each_agent_is_killed_at_random() {
    for seed in ["1", "2", "3"] {
        let printed = succeeded(&demo(&["--size", "8MiB", "--link", "200mbit,10ms", "--interrupt", "--seed", seed]));
        assert_eq!(printed.matches("kill -9").count(), 3, "{printed}");
        says(&printed, &["binaries: 8/8 identical", "lost: 0"]);
        adds_up(&printed);
    }
}

#[test]
fn a_model_of_the_users_own_moves_with_made_up_binaries() {
    let dir = tempfile::tempdir().unwrap();
    let own = Sample { name: "mine".into(), document: 14, machines: 2, ..Sample::default() };
    let files = own.write(dir.path()).unwrap();
    let description = files.description.to_str().unwrap();
    let printed = succeeded(&demo(&["--description", description, "--size", "4MiB", "--link", "none"]));
    says(&printed, &["No binaries were given", "admin/mine", "binaries: 8/8 identical", "lost: 0"]);

    let blobs = files.blobs.to_str().unwrap();
    let printed = succeeded(&demo(&["--description", description, "--blobs", blobs, "--link", "none"]));
    assert!(!printed.contains("made up"), "{printed}");
}

#[test]
fn a_description_that_is_none_stops_the_demo_before_it_begins() {
    let output = demo(&["--description", file!()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!String::from_utf8_lossy(&output.stdout).contains("modelferry agent"), "no agent is started for it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("demo_end_to_end.rs cannot be used"), "{said}");
}

/// Returns the steps and the commands of what a demo printed; numbers, paths and codes differ from run to run.
fn script(printed: &str) -> Vec<String> {
    let step = |line: &str| line.starts_with(|first: char| first.is_ascii_digit()).then(|| line.to_owned());
    let command = |line: &str| {
        let (host, typed) = line.trim_start().split_once("$ ")?;
        let words = typed.split_whitespace().filter(|word| !word.contains(['/', ':']) && word.len() < 16);
        let words = words.take_while(|word| !word.starts_with('(') && *word != "at");
        let words = words.filter(|word| !word.starts_with(|first: char| first.is_ascii_digit()));
        Some(format!("{host}$ {}", words.collect::<Vec<_>>().join(" ")))
    };
    printed.lines().filter_map(|line| step(line).or_else(|| command(line))).collect()
}

#[test]
fn the_transcript_shows_the_steps_and_the_commands_that_the_demo_prints() {
    let page = include_str!("../docs/demo.md");
    let shown = page.split("<!-- demo output: begin -->").nth(1).and_then(|rest| rest.split("<!-- demo").next());
    let printed = succeeded(&demo(&["--size", "8MiB", "--link", "100mbit,20ms"]));
    assert_eq!(script(shown.unwrap()), script(&printed), "run scripts/demo-transcript");
}
