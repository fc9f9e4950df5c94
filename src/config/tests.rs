use std::time::Duration;

use super::*;

fn environment() -> Environment {
    Environment { home: Some("/home/ann".into()), host_name: "north".into(), ..Environment::default() }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("ferry.toml"), &environment())
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn an_agent_runs_without_a_file() {
    let config = Config::load(None, &environment()).unwrap();
    assert_eq!(config, parse("").unwrap());
    assert_eq!(config.listen.to_string(), "[::]:17171");
    assert_eq!(config.embedded.name, "north");
    assert_eq!(config.migration.max_freeze, Duration::from_secs(600));
    assert_eq!(config.transfer.patches, Patches::Off);
}

#[test]
fn a_whole_file_is_read() {
    let config = parse(
        r#"
        state-dir = "/srv/ferry"
        socket = "/srv/ferry.sock"
        listen = "127.0.0.1:0"
        admin-group = "juju"
        [embedded]
        name = "dst"
        cloud = "openstack"
        region = "eu-2"
        type = "openstack"
        version = "3.6.9"
        addresses = ["10.0.0.4:17070", "[2001:db8::1]:17070"]
        identity-url = "https://id.example"
        accept-live-models = true
        spaces = [{ name = "alpha", subnets = [{ cidr = "10.0.0.0/24", zone = "a", provider-id = "net-1" }] }]
        storage-pools = [{ name = "fast", provider = "cinder" }]
        secret-backends = ["63c8ad37c906eb278540e942"]
        credentials = [{ name = "default", owner = "admin", valid = true }]
        [migration]
        max-freeze = "1h30m"
        commit-freshness = "45s"
        [transfer]
        patches = "auto"
        [store]
        retention = "30d"
        quota = "50GiB"
        [log]
        filter = "info,modelferry::link=debug"
        "#,
    )
    .unwrap();
    assert_eq!(config.state_dir, Path::new("/srv/ferry"));
    assert_eq!(config.listen, "127.0.0.1:0".parse().unwrap());
    assert_eq!(config.admin_group.as_deref(), Some("juju"));
    assert_eq!(config.embedded.spaces[0].subnets[0].provider_id, "net-1");
    assert!(config.embedded.credentials[0].valid);
    assert_eq!(config.migration.max_freeze, Duration::from_secs(5400));
    assert_eq!(config.transfer.patches, Patches::Auto);
    assert_eq!((config.store.retention.as_secs(), config.store.quota_bytes), (30 * 86_400, Some(50 << 30)));
}

#[test]
fn a_mistyped_key_is_named_with_its_line_and_the_right_one() {
    assert_eq!(
        refusal("listen = \"[::]:1\"\n\n[embedded]\nregoin = \"x\"\n"),
        "ferry.toml:4: embedded.regoin: unknown key `regoin`; did you mean `region`?"
    );
    assert_eq!(
        refusal("state-dri = \"/srv\"\n"),
        "ferry.toml:1: state-dri: unknown key `state-dri`; did you mean `state-dir`?"
    );
}

#[test]
fn a_key_like_no_other_is_answered_with_those_there_are() {
    let refusal = refusal("[log]\nverbosity = 3\n");
    assert_eq!(refusal, "ferry.toml:2: log.verbosity: unknown key `verbosity`; known here are filter");
}

#[test]
fn a_wrong_value_says_what_to_write() {
    for (text, line, key, hint) in [
        ("listen = \"everywhere\"", 1, "listen", "write \"[::]:17171\""),
        ("\n[migration]\nmax-freeze = \"soon\"", 3, "migration.max-freeze", "such as 90s, 10m, 1h30m or 7d"),
        ("[migration]\nmax-freeze = \"-5s\"", 2, "migration.max-freeze", "such as 90s"),
        ("state-dir = \"state\"", 1, "state-dir", "write a path from /"),
        ("[log]\nfilter = \"a=b=c\"", 2, "log.filter", "write a level"),
        ("[embedded]\nversion = \"latest\"", 2, "embedded.version", "such as \"3.6.23\""),
        ("[embedded]\naddresses = [\n  \"https://x/\",\n]", 2, "embedded.addresses", "write host:port"),
        ("[embedded]\nname = \"\"", 2, "embedded.name", "the name is empty"),
        ("[transfer]\npatches = \"always\"", 2, "transfer.patches", "expected `off` or `auto`"),
        ("[store]\nretention = \"long\"", 2, "store.retention", "such as 7d"),
        ("[store]\nquota = \"50\"", 2, "store.quota", "such as 50GiB"),
        ("log = 5", 1, "log", "expected a table"),
        ("[embedded]\nspaces = 7", 2, "embedded.spaces", "expected a list"),
        ("[embedded]\nspaces = [7]", 2, "embedded.spaces", "expected a table"),
        ("[embedded]\nspaces = [{ subnets = [] }]", 2, "embedded.spaces", "missing key `name`"),
        (
            "[embedded]\nrefusals = [{ section = \"machines\", level = \"pass\" }]",
            2,
            "embedded.refusals",
            "the oldest or",
        ),
        (
            "[embedded]\nrefusals = [{ hurdle = \"anything\", level = \"pass\" }]",
            2,
            "embedded.refusals",
            "integer-settings",
        ),
        (
            "[embedded]\nspaces = [{ name = \"a\", subnets = [{ cidr = \"999.0.0.0/8\" }] }]",
            2,
            "embedded.spaces",
            "write one such as \"10.0.0.0/24\"",
        ),
        (
            "[embedded]\nspaces = [{ name = \"a\", subnets = [{ cidr = \"10.0.0.1/8\" }] }]",
            2,
            "embedded.spaces",
            "write the network, \"10.0.0.0/8\"",
        ),
        ("socket = 7", 1, "socket", "invalid type: integer `7`, expected a text in quotes"),
        ("socket = \"\"", 1, "socket", "the path is empty"),
        ("socket = \"ferry.sock\"", 1, "socket", "is relative"),
        ("[migration]\nmax-freeze = 5", 2, "migration.max-freeze", "such as \"5s\""),
        ("[migration]\nmax-parallel = 0", 2, "migration.max-parallel", "expected a number, 1 or more"),
        ("[embedded]\nname = \"a/b\"", 2, "embedded.name", "no slash, colon or space"),
        ("[log]\nfilter = \"infoo\"", 2, "log.filter", "`infoo` is no log filter"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.starts_with(&format!("ferry.toml:{line}: {key}: ")), "{refusal}");
        assert!(refusal.contains(hint), "{refusal}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_how_toml_is_written() {
    for (text, line) in [("listen [::]:1\n", 1), ("\n[embedded\nname = \"x\"\n", 2), ("#!/bin/sh\nset -e\n", 2)] {
        let refusal = refusal(text);
        assert!(refusal.starts_with(&format!("ferry.toml:{line}: file: line {line} is no TOML (")), "{refusal}");
        assert!(refusal.contains("write `key = value`") && !refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn the_refusals_that_the_document_shows_are_read() {
    let document = include_str!("../../docs/refusals.md");
    let example = document.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let refusals = parse(example).unwrap().embedded.refusals;
    assert_eq!(refusals[0].about, Refused::Hurdle(HurdleKind::SharedPasswords));
    assert_eq!((refusals[0].level, refusals[0].from.as_deref()), (RefusalLevel::Pass, Some("4.1.0")));
    assert_eq!(refusals[1].about, Refused::Section { name: "machines".into(), oldest: 0, newest: 5 });
}

/// "As i128", "a nonzero usize": what the compiler calls them.
#[test]
fn numbers_of_the_file_are_called_numbers() {
    for text in ["[migration]\nmax-parallel = 0", "[migration]\nmax-parallel = 99999999999999999999", "listen = 5"] {
        let refusal = refusal(text);
        assert!(!refusal.contains("i128") && !refusal.contains("usize") && !refusal.contains("string"), "{refusal}");
    }
    parse("[log]\nfilter = \"warn,modelferry::link=debug\"").unwrap();
}

#[test]
fn a_version_before_a_release_is_one() {
    assert_eq!(parse("[embedded]\nversion = \"4.1-beta2\"").unwrap().embedded.version, "4.1-beta2");
    for text in ["4.1-", "4-beta2", "4.1-beta"] {
        refusal(&format!("[embedded]\nversion = \"{text}\""));
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let error = Config::load(Some(Path::new("/nonexistent/ferry.toml")), &environment()).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/ferry.toml"), "{error}");
}

#[test]
fn systemd_directories_come_first_then_roots_then_the_users() {
    let user = environment();
    assert_eq!(user.state_dir(), Path::new("/home/ann/.local/state/modelferry"));
    assert_eq!(user.socket(), Path::new("/home/ann/.local/state/modelferry/modelferry.sock"));
    let session = Environment { xdg_runtime_dir: Some("/run/user/7".into()), ..environment() };
    assert_eq!(session.socket(), Path::new("/run/user/7/modelferry/modelferry.sock"));
    let root = Environment { root: true, ..session };
    assert_eq!(root.state_dir(), Path::new("/var/lib/modelferry"));
    assert_eq!(root.socket(), Path::new("/run/modelferry/modelferry.sock"));
    let unit = Environment {
        state_directory: Some("/var/lib/private/x".into()),
        runtime_directory: Some("/run/x".into()),
        ..root
    };
    assert_eq!(unit.state_dir(), Path::new("/var/lib/private/x"));
    assert_eq!(unit.socket(), Path::new("/run/x/modelferry.sock"));
}
