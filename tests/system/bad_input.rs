//! What people get wrong: a clear message, the right exit code, and nothing lost.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use modelferry::sample::{Sample, SampleFiles};

use super::host::Host;

/// A running host, and a sample written there but not imported.
fn host() -> (Host, SampleFiles) {
    let mut host = Host::new("src");
    host.start();
    let files = Sample::default().write(&host.dir.path().join("sample")).unwrap();
    (host, files)
}

/// Imports a description with the sample's binaries, expects a refusal that says `text`, and that no model is here.
#[track_caller]
fn refused(host: &Host, description: &Path, blobs: &Path, text: &str) {
    let told = host.run(&["embedded", "import", description.to_str().unwrap(), "--blobs", blobs.to_str().unwrap()]);
    told.fails(1, text);
    let models = host.run(&["models", "--format", "json"]).ok();
    assert!(!models.contains("shop-eu"), "{models}");
}

#[test]
fn a_truncated_description_is_refused_with_its_line() {
    let (host, files) = host();
    let text = fs::read(&files.description).unwrap();
    let cut = host.dir.path().join("cut.yaml");
    for end in [text.len() / 3, text.len() / 2, text.len() * 9 / 10] {
        fs::write(&cut, &text[..end]).unwrap();
        refused(&host, &cut, &files.blobs, "cut.yaml");
    }
}

#[test]
fn garbage_is_no_description() {
    let (host, files) = host();
    let garbage = host.dir.path().join("garbage.yaml");
    for bytes in [&b"\x00\xff\xfe garbage"[..], b"- just\n- a list\n", b"", b"{{{{", b"version: twelve\n"] {
        fs::write(&garbage, bytes).unwrap();
        refused(&host, &garbage, &files.blobs, "garbage.yaml");
    }
}

/// What libraries say of these ("Invalid cross-device link", "it has no `version`", "at path …/.modelferry-backup-VaE4TE")
/// tells nobody what to do.
#[test]
fn what_is_empty_behind_a_link_or_nowhere_is_called_so() {
    let (host, files) = host();
    let empty = host.dir.path().join("empty.yaml");
    fs::write(&empty, "\n").unwrap();
    refused(&host, &empty, &files.blobs, "empty.yaml: the file is empty");
    let log = files.blobs.join("logs/0001.log");
    let outside = host.dir.path().join("outside.log");
    fs::rename(&log, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &log).unwrap();
    refused(&host, &files.description, &files.blobs, "a link out of its directory");
    let nowhere = host.dir.path().join("nodir/model.tar.zst");
    let told = host.run(&["backup", "create", "controller", nowhere.to_str().unwrap()]);
    assert!(told.err.contains("nodir") && !told.err.contains(".modelferry-backup"), "{told:?}");
    let told = host.run(&["migrate", "shop-eu", "dst", "--at", "-5m"]).fails(2, "`-5m` is in the past");
    assert!(!told.contains("tip:"), "{told}");
    host.run(&["migrate", "shop-eu", "dst", "--bwlimit", "1bit"]).fails(2, "from 64kbit up");
}

/// Some were refused in a library's words, some were said to be done or not.
#[test]
fn a_path_that_is_not_utf8_is_refused_in_one_way_by_every_command_that_sends_it() {
    let (host, files) = host();
    let bad = host.dir.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::copy(&files.description, &bad).unwrap();
    let lines: [&[&str]; 8] = [
        &["embedded", "import", "--without-blobs"],
        &["embedded", "export", "controller"],
        &["migrate", "shop-eu", "dst", "--backup"],
        &["backup", "create", "controller"],
        &["backup", "verify"],
        &["backup", "restore"],
        &["migrate", "shop-eu"],
        &["show-model"],
    ];
    for line in lines {
        let said = host.told(line, host.command(line).arg(&bad)).fails(2, "caf\\xe9");
        assert!(said.contains("is not UTF-8") && said.contains("nothing has changed"), "{line:?}: {said}");
        let told = host.told(line, host.command(line).arg(&bad).args(["--format", "json"]));
        assert!(told.code == 2 && told.out.contains("is not UTF-8"), "{line:?}: {told:?}");
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let (host, files) = host();
    let bomb = host.dir.path().join("bomb.yaml");
    let mut text = String::from("version: 12\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let previous = format!("*a{}", n - 1);
        text.push_str(&format!("a{n}: &a{n} [{}]\n", [previous.as_str(); 9].join(", ")));
    }
    fs::write(&bomb, text).unwrap();
    refused(&host, &bomb, &files.blobs, "alias");
}

#[test]
fn a_description_of_200_mb_is_refused_without_being_read() {
    let (host, files) = host();
    let huge = host.dir.path().join("huge.yaml");
    // Sparse: nothing of it is on the disk, and nothing of it must be read.
    fs::File::create(&huge).unwrap().set_len(200_000_000).unwrap();
    refused(&host, &huge, &files.blobs, "48 MiB");
}

#[test]
fn a_document_of_version_1_is_refused_with_its_version() {
    let (host, files) = host();
    let old = host.dir.path().join("old.yaml");
    let text = fs::read_to_string(&files.description).unwrap();
    fs::write(&old, text.replacen("version: 12", "version: 1", 1)).unwrap();
    refused(&host, &old, &files.blobs, "document version 1; versions 11 to 14 are understood");
}

#[test]
fn a_missing_binary_is_named_with_the_file_that_was_expected() {
    let (host, files) = host();
    let charm = fs::read_dir(files.blobs.join("charms")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(&charm).unwrap();
    let name = charm.file_name().unwrap().to_str().unwrap().to_owned();
    refused(&host, &files.description, &files.blobs, &name);
}

#[test]
fn a_binary_of_the_wrong_hash_is_refused() {
    let (host, files) = host();
    let tools = fs::read_dir(files.blobs.join("tools")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&tools).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&tools, bytes).unwrap();
    refused(&host, &files.description, &files.blobs, "SHA-256");
}

#[test]
fn a_model_is_not_imported_twice() {
    let (host, files) = host();
    let import = ["embedded", "import", files.description.to_str().unwrap(), "--blobs", files.blobs.to_str().unwrap()];
    host.run(&import).ok();
    host.run(&["embedded", "set", "shop-eu", "kept=yes"]).ok();
    host.run(&import).fails(1, "model with same UUID already exists");
    assert!(host.run(&["embedded", "get", "shop-eu"]).ok().contains("kept"));
}

#[test]
fn a_key_file_that_others_can_read_stops_the_agent_with_the_chmod_to_type() {
    let (mut host, _) = host();
    host.stop();
    let key = host.dir.path().join("state/identity/key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let told = host.run(&["agent"]);
    let text = told.fails(78, "0644");
    assert!(text.contains("chmod") && text.contains("key.pem"), "{text}");
}

#[test]
fn a_typo_in_the_configuration_stops_the_agent_with_its_line() {
    let host = Host::with("src", "verison = \"3.6.0\"");
    host.run(&["agent"]).fails(78, "verison");
}
