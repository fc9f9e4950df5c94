//! The floors of the house: imports only go down, and no file and no folder outgrows a reader.

#[path = "floors/circles.rs"]
mod circles;
#[path = "floors/entries.rs"]
mod entries;

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up, as in `src/lib.rs` and ARCHITECTURE.md.
const FLOORS: [&str; 15] = [
    "clock",
    "secret",
    "config",
    "disk",
    "patch",
    "store",
    "journal",
    "juju",
    "controller",
    "link",
    "engine",
    "agent",
    "sample",
    "cli",
    "demo",
];
/// Lines a file may have; a little grace over the 400 that we aim at.
const LINES_MAX: usize = 420;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn files_of(part: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    rust_files(&root().join(part), &mut found);
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Returns the floors that `source` names in a path from the crate's root, also inside `use crate::{…}`.
fn floors_named(source: &str) -> Vec<&'static str> {
    let squeezed: String =
        source.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join(" ");
    let mut named = Vec::new();
    for (at, _) in squeezed.match_indices("crate::") {
        let rest = squeezed[at + "crate::".len()..].trim_start();
        let heads: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => list.split([',', '{', '}', ';']).map(str::trim).collect(),
            None => vec![rest],
        };
        let word = |head: &str| head.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
        named.extend(heads.iter().filter_map(|head| FLOORS.into_iter().find(|floor| *floor == word(head))));
    }
    named
}

#[test]
fn imports_only_go_down() {
    for (floor, module) in FLOORS.iter().enumerate() {
        for (path, source) in files_of(&format!("src/{module}")) {
            for named in floors_named(&source) {
                let other = FLOORS.iter().position(|known| *known == named).unwrap();
                assert!(other <= floor, "{} reaches up from {module} to {named}", path.display());
            }
        }
    }
}

/// A database that is opened in another way refuses every call after its first failure, until the agent is restarted.
#[test]
fn every_database_is_opened_by_the_disk_floor() {
    let opens = |source: &str| {
        let imported = source.split("use redb::").skip(1).filter_map(|rest| rest.split(';').next());
        let names =
            |list: &str| list.split(|c: char| !c.is_alphanumeric()).any(|word| ["Database", "Builder"].contains(&word));
        imported.into_iter().any(names)
            || ["redb::Database::", "redb::Builder"].iter().any(|path| source.contains(path))
    };
    assert!(opens("use redb::{Builder, Durability};") && !opens("use redb::{ReadableDatabase, TableDefinition};"));
    let mut found: Vec<PathBuf> =
        files_of("src").into_iter().filter(|(_, source)| opens(source)).map(|(path, _)| path).collect();
    found.retain(|path| !path.starts_with(root().join("src/disk/database")));
    assert!(found.is_empty(), "a database is opened in {found:?}");
}

/// Only what goes through the sink of the command line is known to be lost on a full disk.
#[test]
fn only_the_sink_prints() {
    let prints = |source: &str| {
        let bare = source.replace("eprintln!(", "").replace("eprint!(", "");
        ["println!(", "print!(", "stdout().lock()"].iter().any(|word| bare.contains(word))
    };
    assert!(prints("print!(\"a\")") && !prints("eprintln!(\"a\")"));
    let mut found: Vec<PathBuf> =
        files_of("src").into_iter().filter(|(_, source)| prints(source)).map(|(path, _)| path).collect();
    // What a shell asks for while somebody types is lost without harm.
    let may = ["src/cli/output/sink.rs", "src/cli/shell/complete.rs"].map(|path| root().join(path));
    found.retain(|path| !may.contains(path));
    assert!(found.is_empty(), "standard output is written to in {found:?}");
}

#[test]
fn an_import_that_goes_up_would_be_noticed() {
    assert_eq!(floors_named("use crate::engine::Engine;"), ["engine"]);
    assert_eq!(floors_named("use crate::{\n    disk::Disk,\n    engine::Engine,\n};"), ["disk", "engine"]);
    assert!(floors_named("// use crate::engine::Engine;").is_empty());
}

#[test]
fn link_and_controller_never_see_each_other() {
    for (here, there) in [("link", "controller"), ("controller", "link")] {
        for (path, source) in files_of(&format!("src/{here}")) {
            assert!(!floors_named(&source).contains(&there), "{} sees {there}", path.display());
        }
    }
}

/// What changes who owns a model, as calls of the port.
const CROSSINGS: [&str; 7] = [
    "departure.freeze(",
    "departure.thaw(",
    "departure.redirect(",
    "departure.reap(",
    "Call::Activate",
    "Call::AdoptResources",
    "Call::Abort",
];

/// Returns what of [`CROSSINGS`] `source` names outside of its comments and tests.
fn crossings_named(source: &str) -> Vec<&'static str> {
    let inside = source.find("#[cfg(test)]\nmod tests {");
    let code = &source[..inside.unwrap_or(source.len())];
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or("").trim());
    // A call may be broken before its dot.
    let squeezed = lines.collect::<Vec<_>>().join(" ").replace(" .", ".");
    CROSSINGS.into_iter().filter(|crossing| squeezed.contains(crossing)).collect()
}

#[test]
fn only_the_switchover_freezes_thaws_redirects_reaps_activates_adopts_and_aborts() {
    let mut crossed = Vec::new();
    for part in ["src/engine", "src/agent", "src/cli"] {
        for (path, source) in files_of(part) {
            let named = crossings_named(&source);
            if path.starts_with(root().join("src/engine/switchover")) {
                crossed.extend(named);
            } else {
                assert!(named.is_empty(), "{} names {named:?}", path.display());
            }
        }
    }
    // Not because the calls have other names by now.
    assert!(CROSSINGS.iter().all(|crossing| crossed.contains(crossing)), "{crossed:?}");
}

#[test]
fn a_freeze_outside_of_the_switchover_would_be_noticed() {
    assert_eq!(crossings_named("core.parts.departure\n    .freeze(migration)"), ["departure.freeze("]);
    assert_eq!(crossings_named("perform(migration, &Call::Abort)"), ["Call::Abort"]);
    assert!(crossings_named("// departure.reap(\n#[cfg(test)]\nmod tests { Call::Abort }").is_empty());
}

#[test]
fn jujus_wire_knows_nothing_of_this_program() {
    for (path, source) in files_of("src/juju") {
        let others: Vec<&str> =
            floors_named(&source).into_iter().filter(|floor| !["juju", "secret"].contains(floor)).collect();
        assert!(others.is_empty(), "{} sees {others:?}", path.display());
    }
}

/// Lines of code that a function may have, without comments and empty lines.
const FUNCTION_LINES_MAX: usize = 70;

/// Returns the functions of `source`, as rustfmt lays them out, with the lines of code in their bodies.
fn functions(source: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(name) = words.iter().position(|word| *word == "fn").and_then(|at| words.get(at + 1)) else { continue };
        let is_declared = |word: &&str| word.starts_with("pub") || ["const", "async", "fn"].contains(word);
        if !words.iter().take_while(|word| **word != "fn").all(is_declared) {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let Some(open) = lines[at..].iter().position(|line| line.ends_with(['{', ';', '}'])) else { continue };
        if !lines[at + open].ends_with('{') {
            continue;
        }
        let body = lines[at + open + 1..].iter().take_while(|line| **line != end).map(|line| line.trim());
        let name = name.split(['(', '<']).next().unwrap_or_default();
        found.push((name, body.filter(|line| !line.is_empty() && !line.starts_with("//")).count()));
    }
    found
}

#[test]
fn functions_stay_short_enough_to_read() {
    for part in ["src", "protocol/src"] {
        for (path, source) in files_of(part) {
            for (name, lines) in functions(&source) {
                assert!(lines <= FUNCTION_LINES_MAX, "{}: {name} has {lines} lines", path.display());
            }
        }
    }
}

#[test]
fn a_long_function_would_be_noticed() {
    let source = "impl A {\n    /// fn none\n    pub(super) async fn a(\n        b: B,\n    ) {\n        // Why.\n\n        c();\n        d();\n    }\n}";
    assert_eq!(functions(source), [("a", 2)]);
}

#[test]
fn every_floor_is_in_the_library() {
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for floor in FLOORS {
        assert!(lib.contains(&format!("pub mod {floor};")), "src/lib.rs lacks {floor}");
    }
    assert_eq!(lib.matches("pub mod ").count(), FLOORS.len(), "a module that is no floor");
}

#[test]
fn only_the_codec_names_bincode() {
    for part in ["src", "protocol/src"] {
        for (path, source) in files_of(part) {
            let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            let named = code.iter().any(|line| line.contains("bincode::"));
            assert!(!named || path.ends_with("protocol/src/codec/coding.rs"), "{} names bincode", path.display());
        }
    }
}

#[test]
fn the_protocol_knows_no_runtime_no_files_and_no_clock() {
    let manifest = fs::read_to_string(root().join("protocol/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("[dev-dependencies]").next().unwrap();
    assert!(!dependencies.contains("tokio"), "protocol depends on tokio");
    for (path, source) in files_of("protocol/src") {
        for banned in ["std::fs", "std::net", "std::time", "std::env", "SystemTime", "Instant::now"] {
            assert!(!source.contains(banned), "{} uses {banned}", path.display());
        }
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    for part in ["src", "protocol", "tests"] {
        for (path, source) in files_of(part) {
            let lines = source.lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        }
    }
}

#[test]
fn locks_know_no_poisoning() {
    for (path, source) in files_of("src") {
        for word in ["PoisonError", "std::sync::Mutex", "std::sync::RwLock"] {
            assert!(!source.contains(word), "{} has a lock of the standard library; use parking_lot", path.display());
        }
        let imported = source.lines().filter(|line| line.starts_with("use std::sync::{"));
        for line in imported {
            let names: Vec<_> = line.split(|c: char| !c.is_alphanumeric()).collect();
            assert!(!names.contains(&"Mutex") && !names.contains(&"RwLock"), "{}: {line}", path.display());
        }
    }
}
