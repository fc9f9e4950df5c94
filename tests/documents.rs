//! The documents agree with the tree: what they name is there, and what is there is named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns what stands in backticks and begins like a path of this repository.
fn paths_named(text: &str) -> BTreeSet<String> {
    const TREES: [&str; 7] = ["src/", "protocol/", "tests/", "fuzz/", "scripts/", "docs/", "engine/"];
    let quoted = text.split('`').skip(1).step_by(2);
    let paths =
        quoted.filter(|quoted| TREES.iter().any(|tree| quoted.starts_with(tree)) && !quoted.contains([' ', '<']));
    paths
        .map(|path| path.strip_prefix("engine/").map_or(path.to_owned(), |rest| format!("src/engine/{rest}")))
        .collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/in-doubt.md", "docs/performance.md"] {
        for path in paths_named(&text(document)) {
            assert!(root().join(&path).exists(), "{document} names {path}, which is not there");
        }
    }
}

#[test]
fn a_path_that_does_not_exist_would_be_noticed() {
    let named = paths_named("See `src/nowhere.rs`, `modelferry demo` and `engine/switchover`.");
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["src/engine/switchover", "src/nowhere.rs"]);
}

#[test]
fn every_floor_has_its_line_in_the_architecture() {
    let architecture = text("ARCHITECTURE.md");
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            assert!(architecture.contains(&format!("| `src/{name}` |")), "ARCHITECTURE.md has no line for src/{name}");
        }
    }
}

#[test]
fn every_decision_is_listed_and_has_its_three_parts() {
    let architecture = text("ARCHITECTURE.md");
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = Path::new("docs/decisions").join(&name);
        assert!(architecture.contains(&format!("`{}`", path.display())), "ARCHITECTURE.md does not list {name}");
        let decision = text(path.to_str().unwrap());
        for part in ["**Context.**", "**Choice.**", "**Price.**"] {
            assert!(decision.contains(part), "{name} lacks {part}");
        }
    }
}

#[test]
fn the_specification_has_every_close_code_and_no_other() {
    let specification = text("protocol/SPEC.md");
    let section = specification.split("## 14. Close codes").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows: BTreeSet<String> = section
        .lines()
        .filter(|line| line.starts_with("| 0x"))
        .map(|line| line.split('|').take(3).collect::<Vec<_>>().join("|"))
        .collect();
    let codes = modelferry::link::CloseCode::CODES.iter().map(|(code, name)| format!("| {code:#04x} | {name} "));
    assert_eq!(rows, codes.collect());
}
