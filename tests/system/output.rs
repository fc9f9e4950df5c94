//! What commands print: where it goes, and what becomes of it if it cannot be written.

use std::fs::{self, OpenOptions};
use std::process::{Command, Stdio};

use modelferry::sample::Sample;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::host::{Host, THIN, big, ready};

/// Commands that print something about a host with model `shop-eu`, paired with "dst".
const PRINTING: [&[&str]; 23] = [
    &["status"],
    &["status", "-m", "shop-eu"],
    &["show-model", "shop-eu"],
    &["models"],
    &["models", "-c", "dst"],
    &["controllers"],
    &["show-controller"],
    &["peers"],
    &["identity", "show"],
    &["limit"],
    &["migrations"],
    &["precheck", "shop-eu", "dst"],
    &["events"],
    &["audit", "verify"],
    &["doctor"],
    &["backup", "list"],
    &["store", "show"],
    &["store", "prune", "--dry-run"],
    &["embedded", "get", "shop-eu"],
    &["embedded", "user", "list"],
    &["pair", "offer"],
    &["completion", "bash"],
    &["--version"],
];

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

fn source() -> (Host, Host) {
    let (src, dst, _) = ready(&Sample::default());
    src.run(&["embedded", "set", "shop-eu", "colour=blue"]).ok();
    (src, dst)
}

#[test]
fn output_that_cannot_be_written_is_a_failure_of_every_command() {
    // It was exit 0, so `show-migration --proof > file` on a full disk lost the proof without a word.
    let (src, _dst) = source();
    let sample = src.dir.path().join("sample");
    let write = ["demo", "--write-model", sample.to_str().unwrap(), "--size", "1MiB"];
    let mut tried = 0;
    for args in PRINTING.into_iter().chain([&write[..]]) {
        // An empty list is one line on standard error, and nothing that could be lost.
        if args[0] != "demo" && src.run(args).out.is_empty() {
            continue;
        }
        tried += 1;
        let lost = src.told(args, src.command(args).stdout(full()).stderr(Stdio::piped()));
        lost.fails(1, "cannot write to standard output: No space left on device");
        let json = [args, &["--format", "json"]].concat();
        if args[0] != "demo" && args[0] != "--version" && args[0] != "completion" {
            src.told(&json, src.command(&json).stdout(full()).stderr(Stdio::piped())).fails(1, "cannot write");
        }
    }
    assert!(tried >= PRINTING.len() - 3, "only {tried} commands printed anything");
    // What is open for reading alone takes nothing, and the standard library says that it took all.
    for args in [&["status"][..], &["--version"], &["help", "migrate"]] {
        let lost =
            src.told(args, src.command(args).stdout(fs::File::open("/dev/null").unwrap()).stderr(Stdio::piped()));
        lost.fails(1, "cannot write to standard output: Bad file descriptor");
    }
    // A remark that cannot be written is no panic, and no success.
    let remarking = ["precheck", "shop-eu", "dst"];
    assert_eq!(src.told(&remarking, src.command(&remarking).stderr(full()).stdout(Stdio::piped())).code, 1);
}

#[test]
fn output_that_nobody_wants_is_no_failure() {
    // Shells open it for writing; Python's `DEVNULL` and Node's `ignore` for reading as well.
    let host = Host::new("src");
    for both in [false, true] {
        let nobody = OpenOptions::new().read(both).write(true).open("/dev/null").unwrap();
        assert_eq!(host.told(&["--version"], host.command(&["--version"]).stdout(nobody)).code, 0, "{both}");
    }
}

#[test]
fn help_that_cannot_be_written_is_a_failure() {
    let host = Host::new("src");
    for args in [&["--help"][..], &["help", "migrate"], &["backup", "create", "-h"]] {
        let lost = host.command(args).stdout(full()).output().unwrap();
        assert_eq!(lost.status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (src, _dst) = source();
    for args in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let told = src.told(args, src.command(args).stdout(writer).stderr(Stdio::piped()));
        assert_eq!(told.code, 0, "{args:?}: {}", told.err);
        assert!(!told.err.contains("cannot write"), "{args:?}: {}", told.err);
    }
    // Nobody reads the first of the events, so none of those that follow is waited for.
    src.run(&["migrate", "shop-eu", "dst", "--hold"]).ok();
    src.run(&["abort", "shop-eu"]).ok();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let follow = ["events", "--follow"];
    assert_eq!(src.told(&follow, src.command(&follow).stdout(writer)).code, 0);
}

#[test]
fn a_mistake_in_the_command_line_is_json_where_json_is_asked_for() {
    let host = Host::new("src");
    let told = host.run(&["migrate", "--nonsense", "--format", "json"]);
    assert_eq!((told.code, told.err.as_str()), (2, ""), "{told:?}");
    let tree: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(tree["error"]["kind"], "usage");
    assert!(tree["error"]["message"].as_str().unwrap().contains("'--nonsense'"), "{tree}");
    host.run(&["migrate", "--nonsense"]).fails(2, "error: unexpected argument '--nonsense'");
}

#[test]
fn whoever_presses_ctrl_c_is_told_that_the_migration_goes_on() {
    let (src, dst, _) = ready(&big());
    let migrate = ["migrate", "shop-eu", "dst", "--wait", "--bwlimit", THIN];
    let waiting = src.command(&migrate).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    src.until("it copies", |src| {
        let views = src.run(&["migrations", "--format", "json"]).json();
        (views[0]["bytes"]["sent"].as_u64()? > 0).then_some(())
    });
    kill_process(Pid::from_child(&waiting), Signal::INT).unwrap();
    let ended = waiting.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains(":0\" goes on; nothing was stopped.") && said.contains("`modelferry wait "), "{said}");
    src.run(&["migrate", "shop-eu", "dst"]).fails(1, "is being migrated already");
    src.run(&["abort", "shop-eu"]).ok();
    drop(dst);
}

#[test]
fn times_that_have_passed_are_refused_as_they_were_understood() {
    // A migration `--at` an hour that had passed began at once; `--until` before `--at` was told without either time.
    let (src, _dst, _) = ready(&Sample::default());
    let migrate = |args: &[&str]| src.run(&[&["migrate", "shop-eu", "dst"], args].concat());
    migrate(&["--at", "2020-01-01T02:00Z"]).fails(2, "`2020-01-01T02:00Z` is 2020-01-01 ");
    migrate(&["--hold", "--until", "2020-01-01T02:00Z"]).fails(2, "is not after now, 20");
    migrate(&["--at", "+2h", "--until", "2020-01-01T02:00Z"]).fails(2, "is not after --at, 20");
    migrate(&["--at", "2099-01-01T22:00", "--until", "21:00"]).fails(2, "--at is 2099-01-01 22:00:00 ");
    src.run(&["cutover", "shop-eu", "--until", "2020-01-01T02:00Z"]).fails(2, "is not after now, 20");
    assert_eq!(src.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
    assert!(migrate(&["--at", "+1000d"]).err.contains("The model stays live until 20"));
    src.run(&["abort", "shop-eu"]).ok();
}

#[test]
fn help_wraps_at_any_width() {
    let host = Host::new("src");
    let mut commands = vec![vec!["--help".to_owned()]];
    for command in modelferry::cli::command().get_subcommands() {
        let inner = command.get_subcommands().map(|inner| vec![command.get_name(), inner.get_name()]);
        for words in inner.chain([vec![command.get_name()]]) {
            commands.push(words.into_iter().chain(["--help"]).map(str::to_owned).collect());
        }
    }
    for (width, args) in [20, 40, 50, 80].into_iter().flat_map(|width| commands.iter().map(move |args| (width, args))) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let told = host.command(&args).env("COLUMNS", width.to_string()).output().unwrap();
        let help = String::from_utf8(told.stdout).unwrap();
        // What is typed stays on one line, which fits the usual 80; a word alone may be longer than a narrow line.
        let typed = |line: &str| line.trim_start_matches("Usage:").trim_start().starts_with("modelferry ");
        // So does an option with its value's name, and a heading; they are never longer than 40 columns.
        let whole = |line: &str| line.trim_start().starts_with(['-', '<', '[']) || line.ends_with(':');
        let allowed = |line: &str| match line.split_whitespace().count() {
            0 | 1 => 80,
            _ if typed(line) => 80,
            _ if whole(line) => width.max(40),
            _ => width,
        };
        let long = help.lines().find(|line| line.chars().count() > allowed(line));
        assert_eq!(long, None, "{args:?} at {width}");
    }
}

#[test]
fn the_manual_has_a_page_for_every_command_and_one_for_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let host = Host::new("src");
    host.run(&["man", dir.path().to_str().unwrap()]).ok();
    assert!(dir.path().join("man1/modelferry-migrate.1").exists());
    let page = fs::read_to_string(dir.path().join("man5/modelferry.toml.5")).unwrap();
    for key in ["state\\-dir", "socket", "listen", "filter"] {
        assert!(page.contains(key), "{key} is not in {page}");
    }
    // Lines are broken where the width wants it.
    let top = host.run(&["--help"]).ok().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(top.contains("modelferry man DIR") && top.contains("modelferry.toml(5)"), "{top}");
    // Nobody makes a directory there, root neither.
    host.run(&["man", "/dev/null/pages"]).fails(1, "cannot write manual pages");
}

#[test]
fn a_dumb_terminal_and_no_color_have_no_colour() {
    let host = Host::new("src");
    // `script` gives a command a terminal; not every host has it.
    let typed = |environment: &[(&str, &str)]| {
        let line = format!("{} --socket /nonexistent peers", env!("CARGO_BIN_EXE_modelferry"));
        let mut script = Command::new("script");
        script.args(["-q", "-e", "-c", &line, "/dev/null"]).stdin(Stdio::null()).env_remove("NO_COLOR");
        script.env("TERM", "xterm").envs(environment.iter().copied());
        script.output().ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    drop(host);
    let Some(coloured) = typed(&[]) else { return };
    assert!(coloured.contains("\u{1b}[1;31mERROR"), "{coloured:?}");
    for plain in [[("TERM", "dumb")], [("NO_COLOR", "1")]] {
        let told = typed(&plain).unwrap();
        assert!(told.contains("ERROR") && !told.contains('\u{1b}'), "{plain:?}: {told:?}");
    }
}
