//! Reads every text of the program as an operator does who types what it says.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use super::command;

/// Returns the source files below `dir`, tests aside, of which this is one.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && !name.starts_with("tests") && name != "advice.rs" {
            found.push(path);
        }
    }
    found
}

/// Returns the code of a source file, up to its tests, with each text that goes on over several lines on one.
fn texts(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let (mut texts, mut goes_on) = (String::new(), false);
    for line in code {
        let line = if goes_on { line.trim_start() } else { line };
        let begun = line.strip_suffix('\\');
        goes_on = begun.is_some();
        texts.push_str(begun.unwrap_or(line));
        if !goes_on {
            texts.push('\n');
        }
    }
    texts
}

/// Returns what a text has in backquotes that begins with `modelferry`, and the texts that begin with it themselves, as
/// findings do, up to their remark.
fn typed(texts: &str) -> Vec<String> {
    let mut typed = Vec::new();
    for line in texts.lines() {
        let quoted = line.split('`').skip(1).step_by(2).map(str::to_owned);
        typed.extend(quoted.filter(|words| words.starts_with("modelferry ")));
        let whole = line
            .split('"')
            .skip(1)
            .step_by(2)
            .filter(|text| text.starts_with("modelferry ") && text.len() > "modelferry ".len());
        // A usage, which clap prints, and what the manual says of itself are no advice.
        let whole = whole.filter(|text| !text.contains(['<', '[']));
        typed.extend(whole.map(|text| text.split(" # ").next().unwrap_or_default().trim().to_owned()));
    }
    typed
}

/// Returns the words that a shell would hand over, each placeholder being one.
fn words(typed: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut depth = 0;
    for c in typed.chars() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                plain.push('x');
            }
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let words = shlex::split(&plain).unwrap_or_else(|| panic!("no shell takes {typed:?}"));
    words.into_iter().take_while(|word| !matches!(word.as_str(), ">" | "&&" | "|")).collect()
}

/// Returns why the command line does not take what a text says, if it does not.
fn refusal(typed: &str) -> Option<String> {
    match command().try_get_matches_from(words(typed)) {
        Ok(_) => None,
        // A placeholder is no rate and no duration; what stands in its place is.
        Err(error) if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::DisplayVersion) => None,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => None,
        Err(error) => Some(error.to_string()),
    }
}

/// The bug: texts said `modelferry precheck`, `modelferry unpair` or `modelferry abort`, and typed so each is a mistake.
#[test]
fn what_a_text_says_to_type_is_taken_by_the_command_line() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in sources(&src) {
        for typed in typed(&texts(&fs::read_to_string(&path).unwrap())) {
            // The demo's narration puts a whole command line there.
            if words(&typed) == ["modelferry", "x"] {
                continue;
            }
            let first = |refused: String| refused.lines().next().unwrap_or_default().to_owned();
            wrong.extend(refusal(&typed).map(|refused| format!("{}: `{typed}`: {}", path.display(), first(refused))));
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 150, "only {seen} commands were found");
}

#[test]
fn a_text_that_cannot_be_typed_would_be_noticed() {
    let source = "say(\"see `modelferry precheck` or `modelferry show-model {name} \\\n    --held`\", \"modelferry abort # it\")";
    let typed = typed(&texts(source));
    assert_eq!(typed, ["modelferry precheck", "modelferry show-model {name} --held", "modelferry abort"]);
    let refused: Vec<bool> = typed.iter().map(|typed| refusal(typed).is_some()).collect();
    assert_eq!(refused, [true, false, true]);
}

/// The bug: texts named `/var/lib/modelferry` whatever the configuration says.
#[test]
fn no_text_of_the_agent_names_a_directory_that_only_some_configurations_have() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources(&src) {
        // The defaults themselves, and a sample of what a charm's storage looks like.
        if path.starts_with(src.join("config")) || path.starts_with(src.join("sample")) {
            continue;
        }
        let texts = texts(&fs::read_to_string(&path).unwrap());
        // Where Juju keeps its own files is no choice of ours.
        let ours = |line: &str| line.contains("/var/lib") && !line.contains("/var/lib/juju/agents");
        let named = texts.lines().find(|line| ours(line) || line.contains("/run/modelferry"));
        assert_eq!(named, None, "{}", path.display());
    }
}
