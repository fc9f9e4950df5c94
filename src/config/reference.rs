//! Generates the reference of the configuration file, docs/configuration.md and modelferry.toml(5), from the parsed
//! tables.

use std::fmt::Write;

use roff::{Roff, bold, italic, roman};

use super::controller::ControllerTable;
use super::embedded::{ApiTable, EmbeddedTable};
use super::file::{File, LogTable};
use super::gateway::GatewayTable;
use super::link::{LinkTable, PeerTable, WindowTable};
use super::migration::MigrationTable;
use super::refusal::RefusalRow;
use super::store::StoreTable;
use super::table::{Key, Table};
use super::{CredentialConfig, SpaceConfig, StoragePoolConfig, SubnetConfig, TransferConfig};

/// All tables, in the order of the reference.
pub const TABLES: [Table; 17] = [
    File::TABLE,
    MigrationTable::TABLE,
    TransferConfig::TABLE,
    LinkTable::TABLE,
    PeerTable::TABLE,
    WindowTable::TABLE,
    StoreTable::TABLE,
    LogTable::TABLE,
    ControllerTable::TABLE,
    GatewayTable::TABLE,
    EmbeddedTable::TABLE,
    RefusalRow::TABLE,
    ApiTable::TABLE,
    SpaceConfig::TABLE,
    SubnetConfig::TABLE,
    StoragePoolConfig::TABLE,
    CredentialConfig::TABLE,
];

/// Text before the tables.
const ABOUT: [&str; 4] = [
    "An agent reads one TOML file, once, when it starts: `modelferry agent --config FILE`. The packaged unit reads \
     `/etc/modelferry/modelferry.toml`. Missing keys, or a missing file, leave the defaults in force.",
    "An agent does not start with an unknown key or an invalid value. It reports the line and exits with 78. \
     `systemctl restart modelferry` applies a change; running migrations continue where they were.",
    "Durations look like `90s`, `10m`, `1h30m` or `7d`; rates like `20mbit`, `500kbit` or `1gbit`, where `0` is a pause; \
     sizes like `50GiB`, `512MiB` or `0`.",
    "Commands use the same rules to find the agent of their host. Give them `--config FILE` or `--socket PATH` if the \
     configuration names another socket.",
];

/// An example of a common file.
const EXAMPLE: &str = "admin-group = \"juju-admins\"

[migration]
max-freeze = \"90s\"

[link]
bwlimit = \"200mbit\"

[[link.windows]]
days = \"mon-fri\"
from = \"08:00\"
to = \"18:00\"
bwlimit = \"20mbit\"

[store]
quota = \"50GiB\"
";

/// Joins the lines of a doc comment to one paragraph.
fn paragraph(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

fn heading(table: &Table) -> String {
    match (table.path, table.path.strip_suffix("[]")) {
        ("", _) => "Top of the file".to_owned(),
        (_, Some(list)) => format!("[[{list}]]"),
        (path, None) => format!("[{path}]"),
    }
}

fn default(key: &Key) -> String {
    match (key.default, key.default_value()) {
        ("", _) => "none".to_owned(),
        (_, Some(value)) => format!("`{value}`"),
        (words, None) => words.trim_start_matches('(').trim_end_matches(')').to_owned(),
    }
}

/// Returns the text of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n<!-- Made of the tables that the agent parses: UPDATE_GOLDEN=1 cargo test --lib config::reference -->\n",
    );
    // Writing to a string cannot fail.
    for paragraph in ABOUT {
        let _ = write!(text, "\n{paragraph}\n");
    }
    let _ = write!(text, "\n```toml\n{EXAMPLE}```\n");
    for table in &TABLES {
        let title = heading(table);
        let title = if table.path.is_empty() { title } else { format!("`{title}`") };
        let _ = write!(text, "\n## {title}\n\n{}\n\n", paragraph(table.about));
        text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in table.keys {
            let about = paragraph(key.about);
            let _ = writeln!(text, "| `{}` | {} | {} | {about} |", key.name(), (key.kind)(), default(key));
        }
    }
    text
}

/// Returns the manual page modelferry.toml(5).
pub fn manual() -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["modelferry.toml", "5"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("modelferry.toml - configuration of the modelferry agent")]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([roman("/etc/modelferry/modelferry.toml")]);
    roff.control("SH", ["DESCRIPTION"]);
    for paragraph in ABOUT {
        roff.control("PP", []);
        roff.text([roman(paragraph.replace('`', ""))]);
    }
    for table in &TABLES {
        roff.control("SH", [heading(table).to_uppercase().as_str()]);
        roff.text([roman(paragraph(table.about).replace('`', ""))]);
        for key in table.keys {
            roff.control("TP", []);
            roff.text([bold(key.name()), roman(" = "), italic((key.kind)().replace('`', ""))]);
            let (about, default) = (paragraph(key.about), default(key));
            roff.text([roman(format!("{about} Default: {default}.").replace('`', ""))]);
        }
    }
    roff.control("SH", ["EXAMPLES"]);
    roff.control("EX", []);
    EXAMPLE.lines().for_each(|line| {
        roff.text([roman(line)]);
    });
    roff.control("EE", []);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("modelferry-agent"), roman("(1), "), bold("modelferry"), roman("(1)")]);
    roff.render()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Environment};

    #[test]
    fn the_document_says_what_is_parsed() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
        let made = markdown();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let there = fs::read_to_string(&path).unwrap_or_default();
        assert!(there == made, "docs/configuration.md differs; write it with UPDATE_GOLDEN=1, and look at `git diff`");
    }

    #[test]
    fn every_default_that_is_told_is_the_one_that_holds() {
        let environment = Environment { home: Some("/home/ann".into()), ..Environment::default() };
        let parse = |text: &str| Config::parse(text, Path::new("ferry.toml"), &environment).unwrap();
        let (mut text, mut told) = (String::new(), 0);
        // A list, a named table and a table whose presence matters have no defaults until somebody writes one.
        let counts = |table: &&Table| table.path == ApiTable::TABLE.path;
        for table in TABLES.iter().filter(|table| !table.path.contains(['[', 'N']) && !counts(table)) {
            if !table.path.is_empty() {
                text.push_str(&format!("[{}]\n", table.path));
            }
            for (key, value) in table.keys.iter().filter_map(|key| Some((key, key.default_value()?))) {
                text.push_str(&format!("{} = {value}\n", key.name()));
                told += 1;
            }
        }
        assert!(told >= 10, "only {told} defaults were found in {text}");
        assert_eq!(parse(&text), parse(""), "{text}");
    }

    #[test]
    fn every_table_that_a_key_names_is_in_the_reference() {
        let paths: Vec<&str> = TABLES.iter().map(|table| table.path).collect();
        for table in &TABLES {
            for key in table.keys.iter().filter(|key| (key.kind)().contains("a table")) {
                let name = match ((key.kind)().as_str(), table.path.trim_end_matches("[]")) {
                    ("a table", "") => key.name(),
                    ("a table", path) => format!("{path}.{}", key.name()),
                    ("a list: a table", path) => format!("{path}.{}[]", key.name()),
                    (_, "") => format!("{}.NAME", key.name()),
                    (_, path) => format!("{path}.{}.NAME", key.name()),
                };
                assert!(paths.contains(&name.as_str()), "no table {name} in {paths:?}");
            }
        }
    }

    #[test]
    fn the_api_is_off_without_its_table_and_listens_on_this_host_alone_with_an_empty_one() {
        let parse =
            |text: &str| Config::parse(text, Path::new("ferry.toml"), &Environment::default()).unwrap().embedded;
        assert_eq!((parse("").api, parse("").addresses), (None, Vec::new()));
        let listens = parse("[embedded.api]\n").api.unwrap().listen.to_string();
        assert_eq!(Some(format!("\"{listens}\"")), ApiTable::TABLE.keys[0].default_value());
        assert_eq!(listens, "127.0.0.1:17070");
        assert_eq!(parse("[embedded.api]\n").addresses, [listens], "where redirects and logins lead");
        let told = parse("[embedded]\naddresses = [\"10.0.0.4:17070\"]\n[embedded.api]\nlisten = \"[::]:17070\"\n");
        assert_eq!(told.addresses, ["10.0.0.4:17070"]);
    }

    #[test]
    fn the_example_is_a_configuration() {
        let config = Config::parse(EXAMPLE, Path::new("ferry.toml"), &Environment::default()).unwrap();
        assert_eq!(config.admin_group.as_deref(), Some("juju-admins"));
    }
}
