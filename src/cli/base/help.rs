//! What every command's `--help`, and so its manual page, says below its options.
//!
//! To add a command:
//!
//! 1. Give its `Args`, or its variant, a doc comment: one line that says what it does, without a full stop; an empty
//!    line; one paragraph.
//! 2. Beside it write a `const HELP: Help`: examples as one would type them; the codes that it can end with, one of the
//!    lists in `exit` or its own; the command of Juju that it corresponds to, if there is one.
//! 3. Attach it: `#[command(after_long_help = HELP)]`.
//!
//! A group of commands (`backup`) has all three as well. The tests below walk the whole command line: they fail for a
//! command that lacks a part, and for an example that the command line does not take.

use std::fmt::Write;

use clap::builder::StyledStr;

use super::exit::Ending;

/// What a command's help says besides what it does and which options it has.
#[derive(Debug, Clone, Copy)]
pub struct Help {
    /// Command lines, most usual first; of them, what comes after `>` is the shell's.
    pub examples: &'static [&'static str],
    /// The codes that the command can end with, ascending.
    pub exits: &'static [Ending],
    /// What Juju has in its place.
    pub juju: Option<&'static str>,
}

impl From<Help> for StyledStr {
    fn from(help: Help) -> Self {
        let mut text = String::from("EXAMPLES:\n");
        // Writing to a string cannot fail.
        for example in help.examples {
            let _ = writeln!(text, "  {example}");
        }
        text.push_str("\nEXIT CODES:\n");
        let width = help.exits.iter().map(|(exit, _)| (*exit as u8).to_string().len()).max().unwrap_or(1);
        for (exit, meaning) in help.exits {
            let _ = writeln!(text, "  {:<width$}  {meaning}", *exit as u8);
        }
        let _ = write!(text, "\nIN JUJU:\n  {}", help.juju.unwrap_or("none: Juju has no such command"));
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use clap::error::ErrorKind;

    use crate::cli::command;

    /// Calls `check` for every command, groups and hidden ones and `modelferry` itself among them, with the words that
    /// lead to it.
    fn each_command(check: &mut impl FnMut(&Command, &[&str])) {
        fn walk<'a>(command: &'a Command, path: &mut Vec<&'a str>, check: &mut impl FnMut(&Command, &[&str])) {
            path.push(command.get_name());
            check(command, path);
            command.get_subcommands().for_each(|inner| walk(inner, path, check));
            path.pop();
        }
        walk(&command(), &mut Vec::new(), check);
    }

    /// Returns the lines under a heading of a command's help, without their indent.
    fn section(command: &Command, heading: &str) -> Vec<String> {
        let help = command.clone().render_long_help().to_string();
        let mut lines = help.lines().skip_while(|line| *line != format!("{heading}:"));
        lines.next();
        lines.take_while(|line| !line.is_empty()).map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn every_command_says_what_it_does_in_a_line_and_in_a_paragraph() {
        let mut seen = 0;
        each_command(&mut |command, path| {
            let about = command.get_about().unwrap_or_else(|| panic!("{path:?} does not say what it does")).to_string();
            assert!(!about.ends_with('.') && about.lines().count() == 1, "{path:?}: {about:?}");
            let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
            let paragraph = long.strip_prefix(&about).map(str::trim).unwrap_or_default();
            assert!(paragraph.ends_with('.') && !paragraph.contains("\n\n"), "{path:?} has no paragraph: {long:?}");
            seen += 1;
        });
        assert!(seen >= 40, "only {seen} commands were found");
    }

    #[test]
    fn every_command_has_examples_exit_codes_and_what_juju_has() {
        each_command(&mut |command, path| {
            assert!(!section(command, "EXAMPLES").is_empty(), "{path:?} has no examples");
            assert!(!section(command, "IN JUJU").is_empty(), "{path:?} does not say what Juju has");
            let codes = section(command, "EXIT CODES");
            let codes: Vec<u8> =
                codes.iter().filter_map(|line| line.split_once("  ")).filter_map(|(n, _)| n.parse().ok()).collect();
            // Every command can do its work, and every command line can make no sense.
            assert!(codes.contains(&0) && codes.contains(&2) && codes.is_sorted(), "{path:?} ends with {codes:?}");
        });
    }

    #[test]
    fn every_example_is_taken_by_the_command_that_shows_it() {
        let mut parsed = 0;
        each_command(&mut |shower, path| {
            for example in section(shower, "EXAMPLES") {
                let words = shlex::split(&example).unwrap_or_else(|| panic!("{path:?}: no shell takes {example:?}"));
                let words = words.into_iter().skip_while(|word| word != "modelferry").take_while(|word| word != ">");
                let matches = match command().try_get_matches_from(words) {
                    Ok(matches) => matches,
                    // Of `modelferry help` there is no more to take.
                    Err(error) if error.kind() == ErrorKind::DisplayHelp => continue,
                    Err(error) => panic!("{path:?}: {error}"),
                };
                let mut taken = Some(&matches);
                for name in &path[1..] {
                    taken = taken.and_then(|matches| matches.subcommand_matches(name));
                }
                assert!(taken.is_some(), "{path:?} shows an example of another command: {example}");
                parsed += 1;
            }
        });
        assert!(parsed >= 60, "only {parsed} examples were found");
    }

    #[test]
    fn what_help_says_fits_a_terminal() {
        each_command(&mut |command, path| {
            let shown = ["EXAMPLES", "EXIT CODES", "IN JUJU"].into_iter().flat_map(|heading| section(command, heading));
            shown.for_each(|line| assert!(line.len() <= 96, "{path:?}: {line}"));
        });
    }
}
