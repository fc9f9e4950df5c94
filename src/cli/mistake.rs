//! What is printed in the place of a command's result: help, the version, or what is wrong with the command line.

use std::ffi::OsString;
use std::io::{self, Write};

use super::exit::Exit;
use super::output::{Format, Sink};
use crate::agent::control::{Failure, FailureKind};

/// Returns a failure as JSON.
pub(super) fn json(failure: &Failure) -> String {
    Format::Json.render(&serde_json::json!({ "error": failure }), String::new)
}

/// Prints what clap has to say, and tells how the command ends.
pub(super) fn tell(error: &clap::Error, words: &[OsString]) -> Exit {
    let sink = Sink::default();
    if error.use_stderr() && wants_json(words) {
        sink.out(&json(&failure(&error.render().to_string())));
    } else {
        sink.printed(error.print());
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

/// Reports whether a command line that could not be read asks for JSON.
fn wants_json(words: &[OsString]) -> bool {
    let options = words.iter().take_while(|word| *word != "--");
    let values = options.clone().skip(1);
    options.clone().any(|word| word == "--format=json")
        || options.zip(values).any(|(word, value)| word == "--format" && value == "json")
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

    #[test]
    fn a_mistake_in_the_command_line_is_json_where_json_is_asked_for() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&words("modelferry peers --format json --nonsense")));
        assert!(wants_json(&words("modelferry --format=json nonsense")));
        assert!(!wants_json(&words("modelferry --format yaml nonsense")));
        assert!(!wants_json(&words("modelferry precheck -- --format json")), "a model may be called anything");
        let error = super::super::command().try_get_matches_from(["modelferry", "migrat"]).unwrap_err();
        let failure = failure(&error.render().to_string());
        assert!(failure.message.contains("'migrat'") && !failure.message.contains("error:"), "{failure:?}");
        assert!(failure.hint.contains("Usage: modelferry"), "{failure:?}");
    }
}
