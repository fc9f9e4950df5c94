//! `modelferry man`: writes the manual pages, for packages.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use roff::{Roff, roman};

use crate::agent::control::{Failure, FailureKind};
use crate::cli::base::exit::{self, Exit};
use crate::cli::base::help::Help;
use crate::config::reference;

const HELP: Help = Help {
    examples: &["modelferry man /usr/share/man", "modelferry man ~/.local/share/man"],
    exits: exit::ALONE,
    juju: Some("juju documentation, which writes Markdown"),
};

/// Write the manual pages into a directory
///
/// A page for every command goes to man1 in it, with what its --help says, and modelferry.toml(5) to man5: every key of the
/// configuration. `man modelferry-migrate` then shows one; both directories are made where they are not there.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct ManArgs {
    /// An existing directory, such as /usr/share/man
    dir: PathBuf,
}

impl ManArgs {
    pub(in crate::cli) fn run(self, command: Command) -> Result<Exit, Failure> {
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let (commands, files) = (self.dir.join("man1"), self.dir.join("man5"));
        let written = self.dir.metadata().and_then(|_| {
            fs::create_dir_all(&commands)?;
            fs::create_dir_all(&files)?;
            write_pages(&command, &commands)?;
            put_page(&files.join("modelferry.toml.5"), reference::manual().as_bytes())
        });
        written.map_err(|error| {
            Failure::new(
                FailureKind::Refused,
                format!("cannot write manual pages into {}: {error}", self.dir.display()),
            )
            .hint("name a directory that exists and that you may write to")
        })?;
        Ok(Exit::Done)
    }
}

/// Writes the lines of a section.
type WriteLines = fn(&mut Roff, &str);

/// What is below the options of a command's help, in the order and by the names that man-pages(7) wants.
const SECTIONS: [(&str, &str, WriteLines); 3] =
    [("EXIT CODES", "EXIT STATUS", exit_status), ("EXAMPLES", "EXAMPLES", examples), ("IN JUJU", "JUJU", text)];

/// Writes the pages of a command and of those below it into a directory.
fn write_pages(command: &Command, dir: &Path) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write_pages(inner, dir)?;
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    render(command, &man, &mut page)?;
    put_page(&dir.join(man.get_filename()), &page)
}

/// Writes a page, over an older one if need be. Whatever else has its name stays, and is not written through.
fn put_page(path: &Path, page: &[u8]) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(there) if !there.is_file() => {
            let text = format!("{} is there and is no regular file", path.display());
            Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
        }
        _ => fs::write(path, page),
    }
}

fn render(command: &Command, man: &Man, page: &mut dyn Write) -> io::Result<()> {
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        man.render_subcommands_section(page)?;
    }
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    for (heading, name, write) in SECTIONS {
        let section = help.split("\n\n").find_map(|section| section.strip_prefix(heading)?.strip_prefix(":\n"));
        if let Some(section) = section {
            roff.control("SH", [name]);
            write(&mut roff, section);
        }
    }
    roff.to_writer(page)?;
    if command.get_version().is_some() {
        man.render_version_section(page)?;
    }
    Ok(())
}

fn exit_status(roff: &mut Roff, lines: &str) {
    for (code, meaning) in lines.lines().filter_map(|line| line.trim().split_once(' ')) {
        roff.control("TP", []);
        roff.text([roman(code)]);
        roff.text([roman(meaning.trim())]);
    }
}

fn examples(roff: &mut Roff, lines: &str) {
    roff.control("EX", []);
    lines.lines().for_each(|line| {
        roff.text([roman(line.trim())]);
    });
    roff.control("EE", []);
}

fn text(roff: &mut Roff, lines: &str) {
    roff.text([roman(lines.trim())]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_not_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (elsewhere, page) = (dir.path().join("elsewhere"), dir.path().join("man1/modelferry-abort.1"));
        std::fs::create_dir(dir.path().join("man1")).unwrap();
        std::fs::write(&elsewhere, "precious").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &page).unwrap();
        let refused = ManArgs { dir: dir.path().to_owned() }.run(crate::cli::command()).unwrap_err();
        assert!(refused.message.contains("modelferry-abort.1 is there and is no regular file"), "{refused:?}");
        assert_eq!(std::fs::read(&elsewhere).unwrap(), b"precious");
    }

    #[test]
    fn every_page_has_its_sections_by_their_usual_names_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        ManArgs { dir: dir.path().to_owned() }.run(crate::cli::command()).unwrap();
        let pages: Vec<PathBuf> =
            std::fs::read_dir(dir.path().join("man1")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(pages.len() > 40, "{pages:?}");
        for path in pages {
            let page = std::fs::read_to_string(&path).unwrap();
            let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
            let wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "\"EXIT STATUS\"", "EXAMPLES", "JUJU"];
            let found: Vec<&str> = headings.iter().copied().filter(|heading| wanted.contains(heading)).collect();
            assert_eq!(found, wanted, "{path:?}: {headings:?}");
            assert!(!headings.contains(&"EXTRA"), "{path:?}");
        }
        let page = std::fs::read_to_string(dir.path().join("man1/modelferry-abort.1")).unwrap();
        let (_, below) = page.split_once(".SH \"EXIT STATUS\"\n.TP\n0\n").expect("a list of codes");
        assert!(below.contains(".SH EXAMPLES\n.EX\nmodelferry abort "), "{below}");
        assert!(below.contains("\n.EE\n.SH JUJU\n"), "{below}");
    }

    #[test]
    fn the_configuration_has_a_page_with_every_key() {
        let dir = tempfile::tempdir().unwrap();
        ManArgs { dir: dir.path().to_owned() }.run(crate::cli::command()).unwrap();
        let page = std::fs::read_to_string(dir.path().join("man5/modelferry.toml.5")).unwrap();
        for table in &reference::TABLES {
            for key in table.keys {
                let name = key.name().replace('-', "\\-");
                assert!(page.contains(&format!("\\fB{name}\\fR")), "{name} is not in {page}");
            }
        }
    }
}
