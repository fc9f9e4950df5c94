//! The file as it is written. Values check themselves while they are read, so that an error knows its line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use modelferry_protocol::limits::NAME_BYTES_MAX;
use serde::Deserialize;

use super::embedded::EmbeddedTable;
use super::link::LinkTable;
use super::store::StoreTable;
use super::{
    COMMIT_FRESHNESS_DEFAULT, IN_DOUBT_AFTER_DEFAULT, MAX_FREEZE_DEFAULT, MigrationConfig, PARALLEL_MAX_DEFAULT,
    TransferConfig, parse_duration,
};

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(alias = "state_dir")]
    pub(super) state_dir: Option<PathBuf>,
    pub(super) socket: Option<PathBuf>,
    #[serde(alias = "admin_group")]
    pub(super) admin_group: Option<Named>,
    pub(super) listen: Option<Address>,
    pub(super) embedded: Option<EmbeddedTable>,
    pub(super) link: Option<LinkTable>,
    pub(super) migration: Option<MigrationTable>,
    pub(super) transfer: Option<TransferConfig>,
    pub(super) store: Option<StoreTable>,
    pub(super) log: Option<LogTable>,
}

/// The `[migration]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MigrationTable {
    max_freeze: Option<Span>,
    commit_freshness: Option<Span>,
    max_parallel: Option<NonZeroUsize>,
    in_doubt_after: Option<Span>,
}

impl MigrationTable {
    pub(super) fn into_config(self) -> MigrationConfig {
        MigrationConfig {
            max_freeze: self.max_freeze.map_or(MAX_FREEZE_DEFAULT, |span| span.0),
            commit_freshness: self.commit_freshness.map_or(COMMIT_FRESHNESS_DEFAULT, |span| span.0),
            max_parallel: self.max_parallel.map_or(PARALLEL_MAX_DEFAULT, NonZeroUsize::get),
            in_doubt_after: self.in_doubt_after.map_or(IN_DOUBT_AFTER_DEFAULT, |span| span.0),
        }
    }
}

/// The `[log]` table.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LogTable {
    #[serde(deserialize_with = "filter")]
    pub(super) filter: Option<String>,
}

/// Checks a log filter by building it.
fn filter<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match tracing_subscriber::EnvFilter::try_new(&text) {
        Ok(_) => Ok(Some(text)),
        Err(_) => Err(serde::de::Error::custom(format_args!(
            "`{text}` is no log filter; write a level such as \"info\", or \"info,modelferry::link=debug\""
        ))),
    }
}

/// A value that is read from text and checked on the way.
macro_rules! checked {
    ($(#[$meta:meta])* $name:ident($inner:ty), $check:expr) => {
        $(#[$meta])*
        #[derive(Debug, Deserialize)]
        #[serde(try_from = "String")]
        pub(super) struct $name(pub(super) $inner);

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> Result<$inner, String> = $check;
                check(&text).map(Self)
            }
        }
    };
}
pub(super) use checked;

checked!(
    /// An address to listen at.
    Address(SocketAddr),
    |text| text.parse().map_err(|_| format!("`{text}` is no address; write \"[::]:17171\" or \"192.0.2.7:17171\""))
);
checked!(
    /// A duration.
    Span(Duration),
    parse_duration
);
checked!(
    /// A name: not empty, and not longer than one may be on the wire.
    Named(String),
    |text| match text.len() {
        1..=NAME_BYTES_MAX => Ok(text.to_owned()),
        0 => Err("the name is empty; write one, or leave the key out".to_owned()),
        bytes => Err(format!("a name of {bytes} bytes, allowed are {NAME_BYTES_MAX}")),
    }
);
checked!(
    /// A Juju version.
    Version(String),
    |text| {
        let numbers = text.splitn(3, '.').filter(|part| part.starts_with(|first: char| first.is_ascii_digit()));
        match numbers.count() {
            3 => Ok(text.to_owned()),
            _ => Err(format!("`{text}` is no Juju version; write one such as \"3.6.23\"")),
        }
    }
);
checked!(
    /// `host:port` of an API.
    HostPort(String),
    |text| match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err(format!("`{text}` is no API address; write host:port, such as \"10.0.0.4:17070\"")),
    }
);
