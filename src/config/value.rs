//! Values of the configuration file, checked while they are parsed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use modelferry_protocol::limits::NAME_BYTES_MAX;
use serde::Deserialize;

use super::duration::parse_duration;
use super::table::values;

/// A value that is parsed from text and checked.
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
    /// Directives of tracing's `EnvFilter`, checked by building the filter.
    Filter(String),
    |text| match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) if !text.split(',').any(is_level_misspelt) => Ok(text.to_owned()),
        _ => Err(format!(
            "`{text}` is no log filter; write a level such as \"info\", or \"info,modelferry::link=debug\""
        )),
    }
);
checked!(
    /// An IP address and a port.
    Address(SocketAddr),
    |text| text.parse().map_err(|_| format!("`{text}` is no address; write \"[::]:17171\" or \"192.0.2.7:17171\""))
);
checked!(
    /// An absolute path.
    Absolute(PathBuf),
    |text| match Path::new(text) {
        _ if text.is_empty() => Err("the path is empty; write one from /, or leave the key out".to_owned()),
        path if path.is_absolute() => Ok(path.to_owned()),
        _ => Err(format!("`{text}` is relative, so it would depend on where the agent is started; write a path from /")),
    }
);
checked!(Span(Duration), parse_duration);
checked!(
    /// A name: not empty, and at most [`NAME_BYTES_MAX`] long.
    Named(String),
    |text| match text.len() {
        1..=NAME_BYTES_MAX => Ok(text.to_owned()),
        0 => Err("the name is empty; write one, or leave the key out".to_owned()),
        bytes => Err(format!("a name of {bytes} bytes, allowed are {NAME_BYTES_MAX}")),
    }
);
checked!(
    /// A controller's name, as it stands before the colon of `CONTROLLER:OWNER/MODEL`.
    ControllerName(String),
    |text| match Named::try_from(text.to_owned()) {
        Ok(name) if !text.contains(['/', ':']) && !text.contains(char::is_whitespace) => Ok(name.0),
        Ok(_) => Err(format!(
            "`{text}` is no name of a controller: it stands in CONTROLLER:OWNER/MODEL, so it has no slash, colon or space"
        )),
        Err(why) => Err(why),
    }
);
checked!(Version(String), |text| {
    let numbers = text.splitn(3, '.').filter(|part| part.starts_with(|first: char| first.is_ascii_digit()));
    let is_tagged = text.split_once('-').is_some_and(|(_, tag)| tag.ends_with(|last: char| last.is_ascii_digit()));
    match numbers.count() {
        // A pre-release has a word instead of the last dot: 4.1-beta2.
        2 if is_tagged => Ok(text.to_owned()),
        3 => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no Juju version; write one such as \"3.6.23\"")),
    }
});
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

/// Reports whether a directive that names no module is no level: the filter would take it for a module, and log nothing.
fn is_level_misspelt(directive: &str) -> bool {
    let is_module = directive.contains(['=', ':', '[', '{']);
    !directive.trim().is_empty()
        && !is_module
        && directive.trim().parse::<tracing::level_filters::LevelFilter>().is_err()
}

values! {
    Address: "an address and a port";
    Absolute: "a path from the root";
    Span: "a duration";
    Named: "a name";
    ControllerName: "a name";
    Version: "a version of Juju";
    HostPort: "`host:port`";
    Filter: "a filter";
}
