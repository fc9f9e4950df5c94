//! README's "Two hosts, by hand", typed as it stands there, on two agents as its last paragraph sets them up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::host::Host;

fn section() -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, section) = readme.split_once("## Two hosts, by hand").expect("the section");
    section.split("\n## ").next().unwrap().to_owned()
}

/// Returns the lines of the section's first block in this language.
fn block(section: &str, language: &str) -> String {
    let (_, rest) = section.split_once(&format!("```{language}\n")).expect("a block");
    rest.split("```").next().unwrap().to_owned()
}

/// Makes a host whose agent has the README's configuration, at a directory and a port of its own.
fn agent(name: &'static str, toml: &str) -> Host {
    let mut host = Host::bare(name, "");
    let dir = host.dir.path().display();
    let config = toml.replace("/var/tmp/ferry-east", &format!("{dir}/ferry")).replace("east", name);
    fs::write(host.config(), config.replace(":17171", &format!(":{}", host.port))).unwrap();
    host.start();
    host
}

/// Puts a program called modelferry into a directory, which asks the agent of `host`.
fn shim(host: &Host) -> String {
    let bin = host.dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let program = bin.join("modelferry");
    let text =
        format!("#!/bin/sh\nexec {} --config {} \"$@\"\n", env!("CARGO_BIN_EXE_modelferry"), host.config().display());
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

/// Types a line into a shell on a host.
fn typed(path: &str, dir: &Path, line: &str) -> (i32, String) {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir(dir).env("PATH", path).env("NO_COLOR", "1").stdin(Stdio::null());
    let output = shell.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn two_hosts_by_hand_works_as_it_is_typed() {
    // Its model passed no precheck on agents that run on their defaults, and there was no file to import.
    let section = section();
    let toml = block(&section, "toml");
    let hosts = ["east", "west"].map(|name| agent(name, &toml));
    let paths: BTreeMap<&str, String> = hosts.iter().map(|host| (host.name, shim(host))).collect();
    let (mut accept, mut seen): (Vec<String>, u32) = (Vec::new(), 0);
    for line in block(&section, "sh").lines() {
        let Some((name, line)) = line.split_once("$ ").filter(|(name, _)| paths.contains_key(name)) else {
            assert!(line.is_empty() || line.starts_with('#'), "a line that nobody types: {line}");
            continue;
        };
        let host = hosts.iter().find(|host| host.name == name).unwrap();
        let typed_line = match accept.as_slice() {
            [code, address] => line.replace("<CODE>", code).replace("<ADDRESS>", address),
            _ => line.to_owned(),
        };
        if line.contains("precheck") {
            host.until("connected", |host| host.connected().then_some(()));
        }
        let (code, said) = typed(&paths[name], host.dir.path(), &typed_line);
        let expected = i32::from(line.contains("# redirects"));
        assert_eq!(code, expected, "{name}$ {typed_line}\n{said}");
        if let Some((_, rest)) = said.split_once("pair accept ") {
            // What is printed can be dialled as it is: these agents hear loopback alone.
            accept = rest.split_whitespace().take(2).map(str::to_owned).collect();
            assert!(accept[1].starts_with("127.0.0.1:"), "{said}");
        }
        seen += 1;
    }
    assert!(seen >= 11, "only {seen} lines were found");
}
