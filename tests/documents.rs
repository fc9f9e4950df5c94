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

/// Returns what stands in backticks and begins like a path of this repository; of a test in a file, the file.
fn paths_named(text: &str) -> BTreeSet<String> {
    const TREES: [&str; 8] = ["src/", "protocol/", "tests/", "fuzz/", "scripts/", "docs/", "link/", "engine/"];
    let quoted = text.split('`').skip(1).step_by(2);
    let paths =
        quoted.filter(|quoted| TREES.iter().any(|tree| quoted.starts_with(tree)) && !quoted.contains([' ', '<']));
    paths
        .map(|path| path.split("::").next().unwrap_or(path))
        .map(|path| {
            let is_room = ["link/", "engine/"].iter().any(|floor| path.starts_with(floor));
            if is_room { format!("src/{path}") } else { path.to_owned() }
        })
        .collect()
}

#[test]
fn every_path_that_a_document_names_exists() {
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/configuration.md",
        "docs/demo.md",
        "docs/in-doubt.md",
        "docs/while-it-migrates.md",
        "docs/juju-clients.md",
        "docs/juju.md",
        "docs/juju-parity.md",
        "docs/performance.md",
        "docs/threats.md",
    ] {
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

/// Returns the tests that a text names as `FILE::NAME`.
fn tests_named(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|quoted| quoted.split_once("::")).filter(|(file, _)| file.ends_with(".rs")).collect()
}

#[test]
fn every_test_that_the_page_of_threats_names_exists() {
    let page = text("docs/threats.md");
    let named = tests_named(&page);
    assert!(named.len() > 80, "{}", named.len());
    for (file, name) in named {
        assert!(text(file).contains(&format!("fn {name}()")), "docs/threats.md names {name}, which is not in {file}");
    }
}

#[test]
fn the_page_of_threats_has_tests_for_every_message_that_the_specification_bounds() {
    let (page, specification) = (text("docs/threats.md"), text("protocol/SPEC.md"));
    let first = |line: &str| line.split('|').nth(1).map(|cell| cell.trim().to_owned());
    let after = |text: &str, head: &str| -> Vec<String> {
        let table = text.lines().skip_while(|line| !line.starts_with(head)).skip(2);
        table.map_while(|line| first(line).filter(|cell| !cell.is_empty())).collect()
    };
    let (bounded, tested) =
        (after(&specification, "| message | journal records |"), after(&page, "| message | shown by |"));
    assert!(bounded.len() > 10, "{bounded:?}");
    assert_eq!(bounded, tested);
}

/// Returns the documents and headings that a text names as `docs/NAME.md, "HEADING"`.
fn headings_named(text: &str) -> Vec<(String, String)> {
    // In sources quotes are escaped, and lines go on behind a backslash.
    let joined = text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ").replace("\\\"", "\"");
    let mut found = Vec::new();
    for part in joined.split("docs/").skip(1) {
        let Some((name, rest)) = part.split_once(".md, \"") else { continue };
        if let Some((heading, _)) = rest.split_once('"').filter(|_| !name.contains(' ')) {
            found.push((format!("docs/{name}.md"), heading.to_owned()));
        }
    }
    found
}

#[test]
fn every_section_that_an_operator_is_sent_to_exists() {
    fn walk(dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(headings_named(&fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    assert!(found.len() >= 2, "{found:?}");
    for (document, heading) in found {
        let there = text(&document).lines().any(|line| line.trim_start_matches('#').trim() == heading);
        assert!(there, "{document} has no section {heading:?}");
    }
    assert!(!text("src/journal/error.rs").contains("see the manual"), "there is no manual beside the documents");
}

#[test]
fn the_readmes_excerpt_of_the_demo_stands_in_its_transcript() {
    let (readme, page) = (text("README.md"), text("docs/demo.md"));
    let transcript: BTreeSet<&str> = page.lines().collect();
    let section = readme.split("## What the demo shows").nth(1).unwrap();
    let excerpt = section.split("```").nth(1).unwrap().strip_prefix("text").unwrap();
    let missing: Vec<_> = excerpt.lines().filter(|line| !transcript.contains(line)).collect();
    assert!(missing.is_empty(), "the README has lines that docs/demo.md has not: {missing:#?}");
    assert!(excerpt.lines().count() >= 10, "{excerpt}");
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

const PARITY: &str = "docs/juju-parity.md";

/// Returns the words behind every `modelferry` that a document shows as something to type.
fn commands_shown(text: &str) -> Vec<Vec<String>> {
    let mut shown = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let typed: Vec<&str> = if fenced { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        for typed in typed {
            let mut words = typed.split_whitespace().map(str::to_owned);
            while words.by_ref().any(|word| word == "modelferry") {
                shown.push(words.clone().collect());
            }
        }
    }
    shown
}

/// Returns what is wrong with the command that these words begin with, if something is.
fn unknown_command(words: &[String]) -> Option<String> {
    let mut command = modelferry::cli::command();
    let mut words = words.iter();
    while command.has_subcommands() {
        let word = words.next()?;
        if matches!(word.as_str(), "--socket" | "--config" | "--format") {
            words.next();
            continue;
        }
        // An option of every command, a placeholder, or the end of what is typed.
        if word.starts_with(['-', '<', '[', '#', '|', '…', '(']) || word.chars().all(|c| c.is_ascii_uppercase()) {
            return None;
        }
        match command.find_subcommand(word) {
            Some(inner) => command = inner.clone(),
            None if word == "help" => return None,
            None => return Some(format!("`{}` has no command `{word}`", command.get_name())),
        }
    }
    let globals = modelferry::cli::command();
    let known = |word: &&String| {
        let name = word.trim_start_matches("--").split('=').next().unwrap_or_default();
        let mut options = command.get_arguments().chain(globals.get_arguments());
        name == "help" || options.any(|arg| arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&name)))
    };
    let mut options = words.filter(|word| word.starts_with("--") && word.len() > 2);
    let wrong = options.find(|word| !known(word))?;
    Some(format!("`{}` has no option `{wrong}`", command.get_name()))
}

#[test]
fn every_command_that_a_document_shows_exists() {
    let mut documents = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned(), "CHANGELOG.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        documents.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    let mut seen = 0;
    for document in documents {
        for words in commands_shown(&text(&document)) {
            let wrong = unknown_command(&words);
            assert!(wrong.is_none(), "{document}: modelferry {}: {}", words.join(" "), wrong.unwrap());
            seen += 1;
        }
    }
    assert!(seen >= 100, "only {seen} commands were found");
}

#[test]
fn a_command_that_does_not_exist_would_be_noticed() {
    let shown = commands_shown(
        "See `modelferry teleport` and `modelferry --format json backup steal`.\n```\n$ modelferry migrate a b --fast\n```\n`modelferry pair offer --as x`, group modelferry may",
    );
    let wrong: Vec<_> = shown.iter().map(|words| unknown_command(words)).collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert!(wrong[0].is_some() && wrong[1].is_some() && wrong[2].is_some() && wrong[3].is_none(), "{wrong:?}");
}

#[test]
fn the_readme_lists_every_command_as_its_help_does() {
    let readme = text("README.md");
    let section = readme.split("## Commands").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows: BTreeSet<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let command = modelferry::cli::command();
    let shown = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    let row = |inner: &clap::Command| format!("| `{}` | {} |", inner.get_name(), inner.get_about().unwrap());
    let expected: BTreeSet<String> = shown.map(row).collect();
    for row in &expected {
        assert!(rows.contains(row.as_str()), "README.md lacks the row\n{row}");
    }
    assert_eq!(rows.len(), expected.len(), "README.md has a row too many: {rows:?}");
}

/// Returns the rows of the page's tables, a cell each for what Juju says, what is here, what holds it, and what holds it with
/// Juju's own client.
fn parity() -> Vec<[String; 4]> {
    let page = text(PARITY);
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Juju |"));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    rows.map(|line| cells(line).try_into().unwrap_or_else(|cells| panic!("{cells:?} are not four cells"))).collect()
}

fn is_test(line: &str) -> bool {
    matches!(line.trim_start(), "#[test]" | "#[tokio::test]") || line.trim_start().starts_with("#[tokio::test(")
}

#[test]
fn every_sentence_of_jujus_page_is_held_by_a_test_that_exists() {
    let (mut held, rows) = (0, parity());
    for [juju, _, held_by, _] in &rows {
        let tests: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || held_by == "nothing to hold", "nothing holds {juju}");
        for test in &tests {
            let (path, name) = test.split_once("::").unwrap_or_else(|| panic!("{test} names no test"));
            let source = text(path);
            let at = source.find(&format!("fn {name}()")).unwrap_or_else(|| panic!("{path} has no test {name}"));
            let before: Vec<&str> = source[..at].lines().rev().take(2).collect();
            assert!(before.iter().any(|line| is_test(line)), "{test} is no test");
        }
        held += usize::from(!tests.is_empty());
    }
    assert!(held >= 30 && rows.len() - held <= 4, "{held} of {} sentences are held", rows.len());
}

#[test]
fn every_test_with_jujus_own_client_that_the_page_names_exists() {
    // What the client has no command for says why; nobody has left out what it could show.
    const REASONS: [&str; 4] = ["cannot: ", "nothing to type", "a page to read", "the rows below"];
    let mut held = 0;
    for [juju, _, _, client] in parity() {
        let tests: Vec<(&str, &str)> =
            client.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect();
        let has_reason = REASONS.iter().any(|reason| client.starts_with(reason));
        assert!(!tests.is_empty() || has_reason, "{juju}: {client:?} names no test and no reason");
        for (path, name) in &tests {
            assert!(text(path).contains(&format!("\ndef {name}(")), "{path} has no test {name}");
        }
        held += usize::from(!tests.is_empty());
    }
    assert!(held >= 29, "{held} sentences are held with Juju's own client");
}

#[test]
fn every_sentence_of_jujus_page_has_its_command_or_its_document() {
    for [juju, here, held_by, _] in parity() {
        let shown = commands_shown(&here).len() + paths_named(&here).len();
        assert!(shown > 0 || held_by == "nothing to hold" || here.starts_with("the same"), "{juju} has no command");
    }
}

/// Likewise, where the section stands before its page: `"Two copies of one model" in docs/in-doubt.md`.
#[test]
fn every_section_that_is_named_before_its_page_exists() {
    let page = text("docs/in-doubt.md");
    let mut named = 0;
    for file in rust_files(&root().join("src")) {
        // Line breaks of string literals are none for who reads the text.
        let source = fs::read_to_string(&file).unwrap().replace("\\\n", "").replace("\\\"", "\"");
        let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
        for (at, _) in source.match_indices("docs/in-doubt.md") {
            let before = source[..at].strip_suffix("\" in ").and_then(|rest| rest.rsplit('"').next());
            if let Some(section) = before {
                named += 1;
                assert!(page.contains(&format!("\n## {section}\n")), "{}: no section {section:?}", file.display());
            }
        }
    }
    assert!(named > 5, "the search finds nothing");
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false if path.extension().is_some_and(|ending| ending == "rs") => vec![path],
            false => Vec::new(),
        })
        .collect()
}
