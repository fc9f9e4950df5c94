//! The floors of the house: imports only go down, and no file outgrows a reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up, as in `src/lib.rs` and ARCHITECTURE.md.
const FLOORS: [&str; 14] = [
    "clock",
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
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
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
    assert_eq!(crossings_named("core.parts.departure\n    .freeze(errand)"), ["departure.freeze("]);
    assert_eq!(crossings_named("perform(errand, &Call::Abort)"), ["Call::Abort"]);
    assert!(crossings_named("// departure.reap(\n#[cfg(test)]\nmod tests { Call::Abort }").is_empty());
}

#[test]
fn jujus_wire_knows_nothing_of_this_program() {
    for (path, source) in files_of("src/juju") {
        let others: Vec<&str> = floors_named(&source).into_iter().filter(|floor| *floor != "juju").collect();
        assert!(others.is_empty(), "{} sees {others:?}", path.display());
    }
}

/// Returns the paths that the `use` declarations of `source` name, outside of its tests: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths_used(source: &str) -> Vec<Vec<String>> {
    fn spread(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
        let tree = tree.trim();
        let Some((head, list)) = tree.split_once('{') else {
            let name = tree.split(" as ").next().unwrap_or_default();
            let segments =
                name.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| segment != "self");
            return paths.push(before.iter().cloned().chain(segments).collect());
        };
        let head = head.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| !segment.is_empty());
        let before: Vec<String> = before.iter().cloned().chain(head).collect();
        let (mut depth, mut begin) = (0, 0);
        let list = list.trim_end().strip_suffix('}').unwrap_or(list);
        for (at, letter) in list.char_indices().chain([(list.len(), ',')]) {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    if !list[begin..at].trim().is_empty() {
                        spread(&list[begin..at], &before, paths);
                    }
                    begin = at + 1;
                }
                _ => {}
            }
        }
    }
    let code = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
    let mut paths = Vec::new();
    for statement in code.join("\n").split(';') {
        let last = statement.trim_start();
        let declared = ["use ", "pub use ", "pub(crate) use "].into_iter().find_map(|begin| last.strip_prefix(begin));
        if let Some(tree) = declared {
            spread(tree, &[], &mut paths);
        }
    }
    paths
}

/// Files of src/juju by their module: `rpc::error`; those of a folder's `mod.rs` by the folder's name.
type Modules = BTreeMap<Vec<String>, String>;

/// Returns the module that holds what a path of `from` names; none for a path out of src/juju. What a module only passes on is
/// held by another.
fn holder(modules: &Modules, from: &[String], path: &[String]) -> Option<Vec<String>> {
    let is_folder =
        |module: &[String]| modules.keys().any(|known| known.len() > module.len() && known.starts_with(module));
    let (mut at, rest): (Vec<String>, &[String]) = match path {
        [krate, juju, rest @ ..] if krate == "crate" && juju == "juju" => (Vec::new(), rest),
        [begin, ..] if begin == "super" => {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            (from[..from.len().checked_sub(ups)?].to_vec(), &path[ups..])
        }
        [begin, ..] if is_folder(from) && modules.contains_key(&[from, std::slice::from_ref(begin)].concat()) => {
            (from.to_vec(), path)
        }
        _ => return None,
    };
    for (number, segment) in rest.iter().enumerate() {
        let child = [at.as_slice(), std::slice::from_ref(segment)].concat();
        if modules.contains_key(&child) {
            at = child;
            continue;
        }
        let passed_on = paths_used(modules.get(&at)?).into_iter().find(|path| path.last() == Some(segment));
        return match passed_on.and_then(|path| holder(modules, &at, &path)) {
            Some(holder) if number + 1 == rest.len() => Some(holder),
            _ => Some(at),
        };
    }
    Some(at)
}

/// Returns a circle of modules each of which imports from the next, if there is one.
fn circle(modules: &Modules) -> Option<Vec<String>> {
    let mut imports: BTreeMap<&Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
    for (module, source) in modules {
        let held = paths_used(source).into_iter().filter_map(|path| holder(modules, module, &path));
        imports.insert(module, held.filter(|other| other != module).collect());
    }
    // What imports nothing that is left is in no circle.
    while let Some(free) = imports.iter().find(|(_, held)| held.iter().all(|other| !imports.contains_key(other))) {
        let free = *free.0;
        imports.remove(free);
    }
    let mut at = (*imports.keys().next()?).clone();
    let mut walked: Vec<Vec<String>> = Vec::new();
    while !walked.contains(&at) {
        let next = imports[&at].iter().find(|other| imports.contains_key(other))?.clone();
        walked.push(std::mem::replace(&mut at, next));
    }
    let begin = walked.iter().position(|module| *module == at)?;
    Some(walked[begin..].iter().map(|module| module.join("::")).collect())
}

#[test]
fn no_circle_of_files_is_in_jujus_wire() {
    let base = root().join("src/juju");
    let mut modules = Modules::new();
    for (path, source) in files_of("src/juju") {
        let relative = path.strip_prefix(&base).unwrap().with_extension("");
        let mut module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        module.pop_if(|last| last == "mod");
        if !module.contains(&"tests".to_owned()) {
            modules.insert(module, source);
        }
    }
    assert_eq!(circle(&modules), None);
}

#[test]
fn a_circle_of_files_would_be_noticed() {
    let of = |files: &[(&str, &str)]| -> Modules {
        let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
        files.iter().map(|(name, source)| (module(name), (*source).to_owned())).collect()
    };
    let passing_on = ("rpc", "mod error;\npub use error::{Fault, RpcError};");
    let straight = [passing_on, ("rpc::error", "use serde::Serialize;"), ("params", "use crate::juju::rpc::RpcError;")];
    assert_eq!(circle(&of(&straight)), None, "`rpc` only passes it on");
    let round = [passing_on, ("rpc::error", "use crate::juju::{\n    params::Entity,\n};"), straight[2]];
    assert_eq!(circle(&of(&round)), Some(vec!["params".to_owned(), "rpc::error".to_owned()]));
    let beside = [("rpc::a", "use super::b::B;"), ("rpc::b", "use super::{a::A, c};"), ("rpc::c", ""), ("rpc", "")];
    assert_eq!(circle(&of(&beside)), Some(vec!["rpc::a".to_owned(), "rpc::b".to_owned()]));
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
            assert!(!named || path.ends_with("protocol/src/codec.rs"), "{} names bincode", path.display());
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
