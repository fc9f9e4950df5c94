//! Completion in bash.
//!
//! Bash cuts the line into words at colons and equal signs as well, and puts a candidate in the place of the last piece
//! alone. Names of models and ids of migrations have colons in them; so what is passed on is the line itself and the
//! characters that bash cuts at, and what bash has put aside is taken off the candidates again.

use std::ffi::OsString;
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::engine;
use clap_complete::env::EnvCompleter;

#[derive(Debug)]
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        bin: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> Result<(), Error> {
        write!(
            script,
            r#"_{name}() {{
    local IFS=$'\n'
    COMPREPLY=($({variable}=bash {completer} -- "${{COMP_LINE:0:COMP_POINT}}" "$COMP_WORDBREAKS" 2>/dev/null))
    # What ends like that goes on.
    if [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *[:/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}}
complete -o bashdefault -F _{name} {bin}
"#
        )
    }

    fn write_complete(
        &self,
        command: &mut Command,
        asked: Vec<OsString>,
        current_dir: Option<&Path>,
        told: &mut dyn Write,
    ) -> Result<(), Error> {
        let [line, breaks] = asked.as_slice() else {
            return Err(Error::other("the script passes the line, and where bash cuts words"));
        };
        let (Some(words), Some(breaks)) = (words(&line.to_string_lossy()), breaks.to_str()) else { return Ok(()) };
        let aside = aside(words.last().map_or("", String::as_str), breaks).to_owned();
        let (index, words) = (words.len() - 1, words.into_iter().map(OsString::from).collect());
        for candidate in engine::complete(command, words, index, current_dir)? {
            if let Some(rest) = candidate.get_value().to_string_lossy().strip_prefix(&aside) {
                writeln!(told, "{rest}")?;
            }
        }
        Ok(())
    }
}

/// Returns the words of a line up to the cursor, the last of which is being typed and may be empty.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let mut words = shlex::split(line)?;
    if words.is_empty() || line.ends_with([' ', '\t']) {
        words.push(String::new());
    }
    Some(words)
}

/// Returns the beginning of a word that bash has put aside: up to the last character at which it cuts.
fn aside<'a>(word: &'a str, breaks: &str) -> &'a str {
    let cuts = |c: char| matches!(c, ':' | '=') && breaks.contains(c);
    word.rfind(cuts).map_or("", |at| &word[..=at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_the_word_that_is_being_typed() {
        assert_eq!(words("modelferry status -m ea").unwrap(), ["modelferry", "status", "-m", "ea"]);
        assert_eq!(words("modelferry status ").unwrap(), ["modelferry", "status", ""]);
        assert_eq!(words("").unwrap(), [""]);
        assert_eq!(words("modelferry show-model 'half"), None);
    }

    #[test]
    fn what_bash_puts_aside_ends_at_the_last_cut() {
        assert_eq!(aside("east:sh", " :="), "east:");
        assert_eq!(aside("--format=ta", " :="), "--format=");
        assert_eq!(aside("east:sh", " ="), "");
        assert_eq!(aside("shop", " :="), "");
    }
}
