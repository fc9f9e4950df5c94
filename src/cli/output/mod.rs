//! What commands print: Juju's tables, Juju's YAML, JSON.

pub mod cloud;
mod paint;
mod sink;
mod table;
mod text;
mod time;
mod yaml;

use clap::ValueEnum;
use serde::Serialize;

pub use paint::{Paint, painted};
pub use sink::Sink;
pub use table::Table;
pub use text::{byte_count, plain};
pub use time::{ago, ago_rfc3339, clock, date, span, utc};

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Tables for people.
    #[default]
    Tabular,
    /// YAML as Juju writes it.
    Yaml,
    /// JSON on one line.
    Json,
}

impl Format {
    /// Renders `value` in this format; a table is made by `tabular` alone.
    pub fn render(self, value: &impl Serialize, tabular: impl FnOnce() -> String) -> String {
        match self {
            Self::Tabular => tabular(),
            Self::Yaml => yaml::document(&tree(value)),
            Self::Json => format!("{}\n", tree(value)),
        }
    }
}

/// Returns `value` as a tree whose keys keep the order in which they are declared.
fn tree(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("what commands print has text for keys")
}
