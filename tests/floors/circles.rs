//! No file and no folder imports itself by way of others.

use std::collections::{BTreeMap, BTreeSet};

use super::{FLOORS, files_of, root};

/// Returns the paths that a `use` declaration's tree names: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn spread(tree: &str, before: &[String], paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, list)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default();
        let segments = name.split("::").map(|segment| segment.trim().to_owned()).filter(|segment| segment != "self");
        return paths.push(before.iter().cloned().chain(segments).collect());
    };
    let head = head.split("::").map(|segment| segment.trim().to_owned());
    let head = head.filter(|segment| !segment.is_empty() && segment != "self");
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

/// Returns what stands behind the word in a line that begins a `use` declaration.
fn begun(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or(rest, |(_, rest)| rest),
        Some(rest) => rest,
        None => line,
    };
    line.trim_start().strip_prefix("use ")
}

/// Returns the paths that `source` names outside of its tests: those of its `use` declarations, and those in its code that begin
/// with one of `roots`.
fn paths_used(source: &str, roots: &[&str]) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    // Tests that stand in the file; what follows the declaration of a file of tests is code.
    let inside = source.find("#[cfg(test)]\nmod tests {");
    let code = &source[..inside.unwrap_or(source.len())];
    let (mut declared, mut inline) = (Vec::new(), Vec::new());
    let mut rest = String::new();
    let mut lines = code.lines().map(|line| line.split("//").next().unwrap_or(""));
    while let Some(line) = lines.next() {
        let Some(tree) = begun(line) else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut tree = tree.to_owned();
        while !tree.contains(';') {
            tree.push_str(lines.next().expect("a declaration ends"));
        }
        spread(tree.split(';').next().unwrap_or_default(), &[], &mut declared);
    }
    // A visibility is no import.
    let rest = rest.replace("pub(in crate::", "pub(in ").replace("pub(in super::super)", "pub");
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    for root in roots {
        for (at, _) in rest.match_indices(&format!("{root}::")) {
            if !rest[..at].ends_with(|letter: char| is_word(letter) || letter == ':' || letter == '.') {
                let path =
                    rest[at..].split(|letter: char| !is_word(letter) && letter != ':').next().unwrap_or_default();
                inline.push(path.trim_end_matches(':').split("::").map(str::to_owned).collect());
            }
        }
    }
    (declared, inline)
}

/// The files of a floor by their module: `rpc::error`; those of a folder's `mod.rs` by the folder's name.
struct Modules {
    /// The floor's path from the crate's root: `crate::juju`.
    floor: Vec<String>,
    files: BTreeMap<Vec<String>, String>,
}

impl Modules {
    fn of(dir: &str, floor: &str) -> Self {
        let base = root().join(dir);
        let mut files = BTreeMap::new();
        for (path, source) in files_of(dir) {
            let relative = path.strip_prefix(&base).unwrap().with_extension("");
            let mut module: Vec<String> = relative.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            module.pop_if(|last| last == "mod" || last == "lib");
            if !module.contains(&"tests".to_owned()) {
                files.insert(module, source);
            }
        }
        Self { floor: floor.split("::").map(str::to_owned).collect(), files }
    }

    /// Returns the module that holds what a path of `from` names; none for a path out of the floor. What a module only passes on is
    /// held by another.
    fn holder(&self, from: &[String], path: &[String]) -> Option<Vec<String>> {
        let is_folder =
            |module: &[String]| self.files.keys().any(|known| known.len() > module.len() && known.starts_with(module));
        let (mut at, rest): (Vec<String>, &[String]) = match path {
            _ if path.starts_with(&self.floor) => (Vec::new(), &path[self.floor.len()..]),
            [begin, ..] if begin == "super" => {
                let ups = path.iter().take_while(|segment| *segment == "super").count();
                (from[..from.len().checked_sub(ups)?].to_vec(), &path[ups..])
            }
            [begin, ..]
                if is_folder(from) && self.files.contains_key(&[from, std::slice::from_ref(begin)].concat()) =>
            {
                (from.to_vec(), path)
            }
            _ => return None,
        };
        for segment in rest {
            let child = [at.as_slice(), std::slice::from_ref(segment)].concat();
            if self.files.contains_key(&child) {
                at = child;
                continue;
            }
            let (declared, _) = paths_used(self.files.get(&at)?, &[]);
            let is_it = |path: &Vec<String>| segment != "*" && path.last() == Some(segment) && path.len() > 1;
            let passed_on = declared.into_iter().find(is_it);
            match passed_on.and_then(|path| self.holder(&at, &path)) {
                Some(holder) => at = holder,
                None => return Some(at),
            }
        }
        Some(at)
    }

    /// Returns the modules that each module imports from.
    fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (module, source) in &self.files {
            let children =
                self.files.keys().filter(|child| child.len() == module.len() + 1 && child.starts_with(module));
            let roots: Vec<&str> =
                children.map(|child| child[module.len()].as_str()).chain(["crate", "super"]).collect();
            let (declared, inline) = paths_used(source, &roots);
            let held = declared.into_iter().chain(inline).filter_map(|path| self.holder(module, &path));
            imports.insert(module.clone(), held.filter(|other| other != module).collect());
        }
        imports
    }

    /// Returns the folders of the floor, the floor's own first.
    fn folders(&self) -> BTreeSet<Vec<String>> {
        self.files.keys().flat_map(|module| (0..module.len()).map(|depth| module[..depth].to_vec())).collect()
    }
}

type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// Returns what the entries of `folder` import from each other. A folder among them stands for all files in it; the `mod.rs` of
/// `folder` is an entry.
fn entries_of(imports: &Imports, folder: &[String]) -> Imports {
    let entry = |module: &Vec<String>| {
        module.starts_with(folder).then(|| module[..module.len().min(folder.len() + 1)].to_vec())
    };
    let mut entries = Imports::new();
    for (module, held) in imports {
        let Some(here) = entry(module) else { continue };
        let others: Vec<_> = held.iter().filter_map(entry).filter(|other| *other != here).collect();
        entries.entry(here).or_default().extend(others);
    }
    entries
}

/// Returns a circle of modules each of which imports from the next, if there is one.
fn circle_of(mut imports: Imports) -> Option<Vec<String>> {
    // What imports nothing that is left is in no circle.
    while let Some(free) = imports.iter().find(|(_, held)| held.iter().all(|other| !imports.contains_key(other))) {
        let free = free.0.clone();
        imports.remove(&free);
    }
    let mut at = imports.keys().next()?.clone();
    let mut walked: Vec<Vec<String>> = Vec::new();
    while !walked.contains(&at) {
        let next = imports[&at].iter().find(|other| imports.contains_key(*other))?.clone();
        walked.push(std::mem::replace(&mut at, next));
    }
    let begin = walked.iter().position(|module| *module == at)?;
    Some(walked[begin..].iter().map(|module| module.join("::")).collect())
}

/// Returns every floor by its path and its name in code, and the protocol.
fn floors() -> Vec<(String, String)> {
    let floors = FLOORS.map(|floor| (format!("src/{floor}"), format!("crate::{floor}")));
    floors.into_iter().chain([("protocol/src".to_owned(), "crate".to_owned())]).collect()
}

#[test]
fn no_circle_of_files_is_in_a_floor() {
    for (dir, floor) in floors() {
        assert_eq!(circle_of(Modules::of(&dir, &floor).imports()), None, "{dir}");
    }
}

/// Folders whose entries import each other in a circle, though no file does. Untie them and remove their line; add none.
const KNOTS: [&str; 3] = [
    // A source's `relay` reads the state of `source`, which lets it answer.
    "protocol/src/switch",
    "src/controller",
    "src/controller/description",
];

#[test]
fn no_circle_of_folders_is_in_a_floor() {
    let mut knots = BTreeSet::new();
    for (dir, floor) in floors() {
        let modules = Modules::of(&dir, &floor);
        let imports = modules.imports();
        for folder in modules.folders() {
            let path = [vec![dir.clone()], folder.clone()].concat().join("/");
            if let Some(circle) = circle_of(entries_of(&imports, &folder)) {
                assert!(KNOTS.contains(&path.as_str()), "{path}: {circle:?}");
                knots.insert(path);
            }
        }
    }
    assert_eq!(knots, KNOTS.map(str::to_owned).into(), "a knot that is none any more");
}

/// Returns the modules of a floor `crate::juju` that has these files.
fn sample(files: &[(&str, &str)]) -> Modules {
    let module = |name: &str| name.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let files = files.iter().map(|(name, source)| (module(name), (*source).to_owned())).collect();
    Modules { floor: vec!["crate".to_owned(), "juju".to_owned()], files }
}

#[test]
fn a_circle_of_files_would_be_noticed() {
    let circle = |files: &[(&str, &str)]| circle_of(sample(files).imports());
    let passing_on = ("rpc", "mod error;\npub use error::{Fault, RpcError};");
    let straight = [passing_on, ("rpc::error", "use serde::Serialize;"), ("params", "use crate::juju::rpc::RpcError;")];
    assert_eq!(circle(&straight), None, "`rpc` only passes it on");
    let round = [passing_on, ("rpc::error", "use crate::juju::{\n    params::Entity,\n};"), straight[2]];
    assert_eq!(circle(&round), Some(vec!["params".to_owned(), "rpc::error".to_owned()]));
    let beside = [("rpc::a", "use super::b::B;"), ("rpc::b", "use super::{a::A, c};"), ("rpc::c", ""), ("rpc", "")];
    assert_eq!(circle(&beside), Some(vec!["rpc::a".to_owned(), "rpc::b".to_owned()]));
    let inline = [("rpc::a", "fn a() {\n    super::b::b()\n}"), ("rpc::b", "use super::a::A;"), ("rpc", "")];
    assert_eq!(circle(&inline), Some(vec!["rpc::a".to_owned(), "rpc::b".to_owned()]), "without a declaration");
    let behind = [("rpc::a", "#[cfg(test)]\nmod tests;\nuse super::b::B;"), beside[1], beside[2], beside[3]];
    assert_eq!(circle(&behind), Some(vec!["rpc::a".to_owned(), "rpc::b".to_owned()]), "behind a file of tests");
    let down = [("rpc", "mod a;\nfn b() {\n    a::a()\n}"), ("rpc::a", "use super::b;")];
    assert_eq!(circle(&down), Some(vec!["rpc".to_owned(), "rpc::a".to_owned()]), "a folder's own child");
}

#[test]
fn a_circle_of_folders_would_be_noticed() {
    let circle = |files: &[(&str, &str)]| circle_of(entries_of(&sample(files).imports(), &[]));
    let there = [("http", ""), ("http::head", "use crate::juju::rpc::error::Fault;"), ("http::body", ""), ("rpc", "")];
    let straight = [&there[..], &[("rpc::error", ""), ("rpc::call", "use super::error::Fault;")]].concat();
    assert_eq!(circle(&straight), None, "two files of a folder are one entry");
    let round = [&there[..], &[("rpc::error", ""), ("rpc::call", "use crate::juju::http::body::Body;")]].concat();
    assert_eq!(circle(&round), Some(vec!["http".to_owned(), "rpc".to_owned()]), "though no file is in a circle");
    let shown =
        [("rpc", "mod a;\nfn b() {\n    a::a()\n}"), ("rpc::a", ""), ("rpc::a::c", "pub(in super::super) fn c() {}")];
    let inside = circle_of(entries_of(&sample(&shown).imports(), &["rpc".to_owned()]));
    assert_eq!(inside, None, "a visibility is no import");
}
