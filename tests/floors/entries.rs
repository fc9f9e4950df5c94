//! No folder has more entries than a reader takes in at a glance.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::root;

/// Entries of a folder, without its `mod.rs` and its tests. About eight is what we aim at.
const ENTRIES_MAX: usize = 12;
/// Folders with more, and how many they may have. A folder that is split loses its line; none is added.
const CROWDED: [(&str, usize); 8] = [
    // The floors themselves.
    ("src", 15),
    // A file for each chapter of SPEC.md.
    ("protocol/src", 20),
    // To be split.
    ("src/config", 20),
    ("src/controller", 20),
    ("src/controller/description", 27),
    ("src/controller/juju", 28),
    ("src/demo", 17),
    ("src/store", 22),
];

/// Returns the entries of a folder. A file and the folder of its submodules are one; tests and folders without code are none.
fn entries(dir: &Path) -> BTreeSet<String> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let names = paths.filter_map(|path| {
        let is_module = if path.is_dir() {
            fs::read_dir(&path).unwrap().any(|entry| entry.unwrap().path().extension().is_some_and(|end| end == "rs"))
        } else {
            path.extension().is_some_and(|end| end == "rs")
        };
        is_module.then(|| path.file_stem().unwrap().to_str().unwrap().to_owned())
    });
    names.filter(|name| !["mod", "lib", "main", "tests"].contains(&name.as_str())).collect()
}

fn folders(dir: &Path, found: &mut Vec<String>) {
    found.push(dir.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests") {
            folders(&path, found);
        }
    }
}

#[test]
fn no_folder_has_more_entries_than_a_reader_takes_in() {
    let mut found = Vec::new();
    folders(&root().join("src"), &mut found);
    folders(&root().join("protocol/src"), &mut found);
    assert!(found.len() > 60, "{found:?}");
    let mut crowded = BTreeSet::new();
    for folder in found {
        let entries = entries(&root().join(&folder));
        let allowed = CROWDED.iter().find(|(name, _)| *name == folder).map_or(ENTRIES_MAX, |(_, entries)| *entries);
        assert!(
            entries.len() <= allowed,
            "{folder} has {} entries, at most {allowed} are allowed: {entries:?}",
            entries.len()
        );
        if entries.len() > ENTRIES_MAX {
            crowded.insert(folder);
        }
    }
    assert_eq!(crowded, CROWDED.map(|(name, _)| name.to_owned()).into(), "a folder that is crowded no more");
}

#[test]
fn an_entry_too_many_would_be_noticed() {
    assert!(entries(&root().join("src/link")).contains("flow"), "a folder counts");
    assert!(entries(&root().join("src/link")).contains("listen"), "a file counts");
    assert!(!entries(&root().join("src/link")).contains("mod"));
}
