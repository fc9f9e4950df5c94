//! What is printed in the place of a command's result: help, the version, or what is wrong with the command line.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::exit::Exit;
use crate::agent::control::{Failure, FailureKind};
use crate::cli::output::{Format, Sink, plain};

/// Returns a failure as JSON.
pub(in crate::cli) fn json(failure: &Failure) -> String {
    Format::Json.render(&serde_json::json!({ "error": failure }), String::new)
}

/// Prints what clap has to say, and tells how the command ends.
pub(in crate::cli) fn tell(error: &clap::Error, words: &[OsString]) -> Exit {
    let sink = Sink::default();
    let is_json = error.use_stderr() && wants_json(words);
    match better(error, words) {
        Some(failure) if is_json => {
            sink.out(&json(&failure));
        }
        Some(Failure { message, state, hint, .. }) => sink.err(&format!("ERROR {}\n{state}\n{hint}", plain(&message))),
        None if is_json => {
            sink.out(&json(&failure(&error.render().to_string())));
        }
        None => sink.printed(error.print()),
    }
    let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
    match sink.unwritten() {
        None => exit,
        Some(unwritten) => {
            // Where this cannot be written either, the exit code says it.
            let _ = writeln!(io::stderr(), "ERROR {}", unwritten.message());
            exit.graver(Exit::Refused)
        }
    }
}

/// Says better than clap what is wrong, where clap's words help nobody.
fn better(error: &clap::Error, words: &[OsString]) -> Option<Failure> {
    if error.kind() == ErrorKind::InvalidUtf8 {
        return words.iter().find(|word| word.to_str().is_none()).map(|word| not_utf8(word));
    }
    negative(error, words)
}

/// Refuses a name or a path that cannot be sent to the agent.
pub(in crate::cli) fn not_utf8(word: &OsStr) -> Failure {
    let text = format!("`{}` is not UTF-8, as names and paths must be that are sent to the agent", escaped(word));
    Failure::new(FailureKind::Usage, text)
        .state("nothing has changed")
        .hint("rename it, or name a copy whose whole path is UTF-8")
}

/// Returns a text with every byte that is no UTF-8 as `\xHH`.
fn escaped(word: &OsStr) -> String {
    let mut text = String::new();
    for chunk in word.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// Reports whether a command line that could not be read asks for JSON.
fn wants_json(words: &[OsString]) -> bool {
    let options = words.iter().take_while(|word| *word != "--");
    let values = options.clone().skip(1);
    options.clone().any(|word| word == "--format=json")
        || options.zip(values).any(|(word, value)| word == "--format" && value == "json")
}

/// Refuses a number below nothing where none can be: clap takes `-5mbit` for options, and offers `-- -5`.
fn negative(error: &clap::Error, words: &[OsString]) -> Option<Failure> {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return None };
    let is_number = unknown.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if error.kind() != ErrorKind::UnknownArgument || !is_number {
        return None;
    }
    let word = words.iter().filter_map(|word| word.to_str()).find(|word| word.starts_with(unknown)).unwrap_or(unknown);
    let text = format!("`{word}` is below nothing, and no rate, number or time here is");
    Some(Failure::new(FailureKind::Usage, text).state("nothing has changed").hint("write it without the hyphen"))
}

/// Splits clap's text into what is wrong, and what to type.
fn failure(text: &str) -> Failure {
    let (message, rest) = text.trim_end().split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let message = message.strip_prefix("error: ").unwrap_or(message);
    Failure::new(FailureKind::Usage, message.trim()).state("nothing has changed").hint(rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bug: `limit west -5mbit` was told to use '-- -5', which is refused as well.
    #[test]
    fn a_number_below_nothing_is_called_so() {
        for line in ["limit west -5mbit", "limit -5mbit", "migrate shop west --max-freeze -5m", "events --after -7"] {
            let words: Vec<OsString> = ["modelferry"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
            let error = crate::cli::command().try_get_matches_from(&words).unwrap_err();
            let failure = negative(&error, &words).unwrap_or_else(|| panic!("{line}: {error}"));
            let word = line.rsplit(' ').next().unwrap();
            assert!(failure.message.starts_with(&format!("`{word}` is below nothing")), "{failure:?}");
        }
        let error = crate::cli::command().try_get_matches_from(["modelferry", "limit", "-x"]).unwrap_err();
        assert_eq!(negative(&error, &[]), None);
    }

    #[test]
    fn a_mistake_in_the_command_line_is_json_where_json_is_asked_for() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&words("modelferry peers --format json --nonsense")));
        assert!(wants_json(&words("modelferry --format=json nonsense")));
        assert!(!wants_json(&words("modelferry --format yaml nonsense")));
        assert!(!wants_json(&words("modelferry precheck -- --format json")), "a model may be called anything");
        let error = crate::cli::command().try_get_matches_from(["modelferry", "migrat"]).unwrap_err();
        let failure = failure(&error.render().to_string());
        assert!(failure.message.contains("'migrat'") && !failure.message.contains("error:"), "{failure:?}");
        assert!(failure.hint.contains("Usage: modelferry"), "{failure:?}");
    }
}
