//! An agent that is there and does nothing, and a peer that is not there yet.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use modelferry::agent::control::SILENCE_MAX;
use modelferry::sample::Sample;
use rustix::process::Signal;

use super::host::{Host, ready, towards};
use super::keys::{leaves, name};

/// Every command waited for ever for the answer of an agent that was stopped or stuck.
#[test]
fn every_command_gives_a_stuck_agent_up_and_says_what_to_look_at() {
    let mut host = Host::new("src");
    host.start();
    host.signal(Signal::STOP);
    let at = |name: &str| host.dir.path().join(name).to_str().unwrap().to_owned();
    let (archive, export, juju, password) = (at("a.tar.zst"), at("export"), at("juju"), at("pw"));
    fs::write(&password, "an unguessable word\n").unwrap();
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/tiny.yaml");
    let commands: &[&[&str]] = &[
        &["status"],
        &["status", "-m", "shop"],
        &["status", "-m", "west:shop"],
        &["peers"],
        &["unpair", "west"],
        &["pair", "offer"],
        &["pair", "accept", "ZKTX-PJQE-7Z8D-DRZM-A", "127.0.0.1"],
        &["identity", "show"],
        &["controllers"],
        &["show-controller"],
        &["models"],
        &["show-model", "shop"],
        &["limit"],
        &["limit", "0"],
        &["precheck", "shop", "west"],
        &["precopy", "shop", "west"],
        &["migrate", "shop", "west", "--wait"],
        &["migrate", "--all", "west"],
        &["pause", "shop"],
        &["resume", "shop"],
        &["cutover", "shop"],
        &["abort", "shop"],
        &["reap", "shop"],
        &["wait", "shop"],
        &["wait", "shop", "--timeout", "10m"],
        &["verify", "shop"],
        &["migrations"],
        &["show-migration", "shop"],
        &["events"],
        &["events", "--follow"],
        &["audit", "verify"],
        &["doctor"],
        &["resolve", "shop", "--renounce"],
        &["backup", "list"],
        &["backup", "create", "shop", &archive],
        &["backup", "create", "shop", "west"],
        &["peer", "set", "west", "--keep", "on"],
        &["backup", "verify", "5b0d2c1e"],
        &["backup", "restore", "5b0d2c1e"],
        &["backup", "remove", "5b0d2c1e"],
        &["store", "show"],
        &["store", "prune"],
        &["embedded", "get", "shop"],
        &["embedded", "set", "shop", "a=b"],
        &["embedded", "import", tiny, "--without-blobs"],
        &["embedded", "export", "shop", &export],
        &["embedded", "remove", "shop"],
        &["embedded", "client-config", "--juju-data", &juju],
        &["embedded", "user", "list"],
        &["embedded", "user", "add", "bob"],
        &["embedded", "user", "set-password", "bob", "--password-file", &password],
        &["embedded", "user", "remove", "bob"],
    ];
    let mut every = BTreeSet::new();
    leaves(&modelferry::cli::command(), "", &mut every);
    // These ask no agent, or are refused before they do without a certificate's files.
    ["agent", "demo", "completion", "man", "gateway csr", "gateway sign"]
        .iter()
        .for_each(|alone| drop(every.take(*alone)));
    let tried: BTreeSet<String> = commands.iter().map(|args| name(args)).collect();
    assert_eq!(every.difference(&tried).collect::<Vec<_>>(), Vec::<&String>::new(), "nobody tries these");
    thread::scope(|scope| {
        for command in commands {
            let host = &host;
            scope.spawn(move || {
                let told = host.run(command).fails(5, "does not answer");
                assert!(told.contains("is stopped") && told.contains("kill -CONT"), "{command:?}: {told}");
            });
        }
    });
    host.signal(Signal::CONT);
    host.run(&["status"]).ok();
}

/// A demo on a fast host, and whoever typed `precheck` right after `pair accept`, was refused: "not connected yet".
#[test]
fn a_peer_that_is_being_dialled_is_waited_for_and_that_is_said() {
    let (src, mut dst) = towards(Host::new("dst"));
    let sample = Sample::default();
    src.import(&sample);
    // The destination may be back before it is asked for; then it is taken away once more.
    let told = (0..20).find_map(|_| {
        dst.stop();
        src.until("the link is down", |src| (!src.connected()).then_some(()));
        thread::scope(|scope| {
            let src = &src;
            let asking = scope.spawn(move || src.run(&["precheck", &sample_name(), "dst"]));
            dst.start();
            let told = asking.join().unwrap();
            (told.code == 0 && told.err.contains("waiting up to")).then_some(told)
        })
    });
    let told = told.expect("a precheck waits for the link, and passes");
    assert!(told.err.contains("for the agent of \"dst\", which is being dialled"), "{}", told.err);
}

fn sample_name() -> String {
    Sample::default().name
}

/// What takes long is no reason to give an agent up that is at it. Under a limit of 0 a copy for a peer waited in silence.
#[test]
fn an_agent_that_is_at_it_is_not_taken_to_be_stuck() {
    let sample = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let (src, dst, _) = ready(&sample);
    dst.run(&["peer", "set", "src", "--keep", "on"]).ok();
    src.run(&["limit", "dst", "0"]).ok();
    thread::scope(|scope| {
        let keeping = scope.spawn(|| src.run(&["backup", "create", &sample.name, "dst"]));
        thread::sleep(SILENCE_MAX + Duration::from_secs(1));
        src.run(&["limit", "dst", "none"]).ok();
        let told = keeping.join().unwrap();
        assert!(told.err.contains("limit for dst is 0: nothing is sent there"), "{}", told.err);
        told.ok();
    });
}

/// A peer whose agent was stopped or killed looks connected for half a minute: every command that asks it was silent for longer,
/// and then said the same twice.
#[test]
fn a_peer_that_gives_no_sign_of_life_is_named_while_it_is_waited_for_and_given_up() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    let other = format!("dst:{}", sample.name);
    let commands: &[&[&str]] = &[
        &["precheck", &sample.name, "dst"],
        &["migrate", &sample.name, "dst"],
        &["precopy", &sample.name, "dst"],
        &["status", "-m", &other],
        &["models", "-c", "dst"],
    ];
    for is_killed in [false, true] {
        if is_killed {
            dst.kill()
        } else {
            dst.signal(Signal::STOP)
        }
        thread::scope(|scope| {
            for command in commands {
                let src = &src;
                scope.spawn(move || {
                    let told = src.run(command).fails(5, "gives no sign of life (for 8 s)");
                    assert!(told.starts_with("waiting up to"), "{command:?}: {told}");
                    assert_eq!(told.matches("ERROR").count(), 1, "{command:?}: {told}");
                    assert!(told.contains("systemctl status modelferry"), "{command:?}: {told}");
                });
            }
        });
        if !is_killed {
            dst.signal(Signal::CONT);
            src.run(&["precheck", &sample.name, "dst"]).ok();
        }
    }
    assert!(src.serves(&sample.name), "nothing has begun");
}
