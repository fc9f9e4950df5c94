//! The keys of JSON: every command prints some, and all are of one style.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Command;
use modelferry::sample::Sample;
use serde_json::Value;

use super::host::{Host, ready};

/// Commands that print no result: they serve, show, write a shell's text, or pages.
const PRINT_NONE: [&str; 5] = ["agent", "demo", "completion", "man", "help"];

/// Returns every command that has none below it, as its words.
pub fn leaves(command: &Command, path: &str, found: &mut BTreeSet<String>) {
    let mut inner = command.get_subcommands().filter(|inner| !inner.is_hide_set()).peekable();
    if inner.peek().is_none() {
        found.insert(path.to_owned());
    }
    for inner in inner {
        leaves(inner, format!("{path} {}", inner.get_name()).trim_start(), found);
    }
}

/// Calls `check` for every key of a tree.
fn each_key(value: &Value, check: &mut impl FnMut(&str)) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            check(key);
            each_key(value, check);
        }),
        Value::Array(list) => list.iter().for_each(|value| each_key(value, check)),
        _ => {}
    }
}

/// Types commands, and looks at the keys of what they print.
#[derive(Default)]
struct Typist {
    typed: BTreeSet<String>,
    several_words: usize,
}

impl Typist {
    /// Runs a command with JSON, whatever its exit code, and returns its last document. Every line is one.
    fn json(&mut self, host: &Host, args: &[&str]) -> Value {
        let told = host.run(&[args, &["--format", "json"]].concat());
        let mut last = Value::Null;
        for line in told.out.lines() {
            let document = serde_json::from_str(line).unwrap_or_else(|error| panic!("{args:?}: {error}: {line}"));
            each_key(&document, &mut |key| {
                let other_style = key.contains('_') || key.contains(|c: char| c.is_ascii_uppercase());
                assert!(!other_style, "{args:?}: {key:?} in {document}");
                self.several_words += usize::from(key.contains('-'));
            });
            last = document;
        }
        assert!(!last.is_null(), "{args:?} printed no JSON: {told:?}");
        self.typed.insert(name(args));
        last
    }
}

/// Returns the command that words begin with.
pub fn name(args: &[&str]) -> String {
    let mut command = modelferry::cli::command();
    let mut name = Vec::new();
    for arg in args {
        let Some(inner) = command.find_subcommand(arg).cloned() else { break };
        name.push(*arg);
        command = inner;
    }
    name.join(" ")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_command_prints_keys_of_one_style() {
    let (src, dst, files) = ready(&Sample::default());
    let mut typist = Typist::default();
    typist.json(&dst, &["peer", "set", "src", "--keep", "on"]);
    let at = |name: &str| src.dir.path().join(name);
    let (archive, export, password) = (at("a.tar.zst"), at("export"), at("pw"));
    std::fs::write(&password, "an unguessable word\n").unwrap();
    for args in [
        &["status"][..],
        &["status", "-m", "shop-eu", "--relations", "--storage"],
        &["status", "--from", text(&files.description)],
        &["show-model", "shop-eu"],
        &["models"],
        &["models", "-c", "dst"],
        &["controllers"],
        &["show-controller"],
        &["peers"],
        &["identity", "show"],
        &["peer", "set", "dst", "--models", "shop-*"],
        &["limit"],
        &["doctor"],
        &["limit", "dst", "1gbit"],
        &["precheck", "shop-eu", "dst"],
        &["precheck", "shop-eu", "nowhere", "dst"],
        &["audit", "verify"],
        &["store", "show", "--blobs"],
        &["store", "prune", "--dry-run"],
        &["embedded", "set", "shop-eu", "colour=blue"],
        &["embedded", "get", "shop-eu"],
        &["embedded", "export", "shop-eu", text(&export)],
        &["embedded", "user", "add", "zoe"],
        &["embedded", "user", "set-password", "zoe", "--password-file", text(&password)],
        &["embedded", "user", "list"],
        &["embedded", "user", "remove", "zoe"],
        &["embedded", "client-config", "--juju-data", text(&at("juju"))],
        &["backup", "create", "shop-eu", text(&archive)],
        &["backup", "create", "shop-eu", "dst"],
        &["backup", "list", text(&archive)],
        &["backup", "verify", text(&archive)],
        &["precopy", "shop-eu", "dst"],
        &["migrate", "shop-eu", "dst", "--hold"],
        &["pause", "shop-eu"],
        &["resume", "shop-eu"],
        &["abort", "shop-eu"],
        &["wait", "shop-eu"],
        &["migrate", "shop-eu", "dst", "--hold", "--hold-reap", "1h"],
        &["cutover", "shop-eu", "--wait"],
        &["show-migration", "shop-eu"],
        &["migrations"],
        &["verify", "shop-eu"],
        &["show-model", "shop-eu"],
        &["show-model", "shop-eu", "--held"],
        &["status"],
        &["resolve", "shop-eu", "--renounce"],
        &["reap", "shop-eu"],
        &["events"],
    ] {
        typist.json(&src, args);
    }
    let kept = typist.json(&dst, &["backup", "list"])[0]["id"].as_str().unwrap().to_owned();
    typist.json(&dst, &["backup", "remove", &kept]);
    typist.json(&dst, &["embedded", "remove", "shop-eu"]);
    typist.json(&dst, &["embedded", "import", text(&files.description), "--blobs", text(&files.blobs)]);
    typist.json(&dst, &["embedded", "remove", "shop-eu"]);
    typist.json(&dst, &["backup", "restore", text(&archive), "--source-lost"]);
    typist.json(&src, &["unpair", "dst"]);
    dst.run(&["unpair", "src"]).ok();
    let offer = typist.json(&src, &["pair", "offer", "--as", "dst"]);
    let (code, address) = (offer["code"].as_str().unwrap(), format!("127.0.0.1:{}", src.port));
    typist.json(&dst, &["pair", "accept", code, &address, "--as", "src"]);

    let asked = typist.json(&src, &["gateway", "csr", "--key", text(&at("gateway.key"))]);
    std::fs::write(at("gateway.csr"), asked["request"].as_str().unwrap()).unwrap();
    let ca = modelferry::juju::tls::Authority::make().unwrap();
    let conf = serde_json::json!({ "cacert": ca.cert_pem, "caprivatekey": ca.key_pem });
    std::fs::write(at("agent.conf"), conf.to_string()).unwrap();
    typist.json(&src, &["gateway", "sign", text(&at("gateway.csr")), "--agent-conf", text(&at("agent.conf"))]);

    let mut all = BTreeSet::new();
    leaves(&modelferry::cli::command(), "", &mut all);
    all.retain(|command| !PRINT_NONE.contains(&command.as_str()));
    let missing: Vec<_> = all.difference(&typist.typed).collect();
    assert!(missing.is_empty(), "nobody looks at the keys of {missing:?}");
    assert!(typist.several_words > 500, "only {} keys of several words were seen", typist.several_words);
}
