//! The format of `peers.toml`.

use std::collections::BTreeMap;

use modelferry_protocol::ids::Pin;
use serde::{Deserialize, Serialize};

use super::peer::{LEARNED_MAX, Peer, check_peer_name};
use super::rights::Rights;
use crate::config::{TomlProblem, words};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    /// The number of entries that follow. A file with fewer was truncated.
    #[serde(default)]
    pub peers: Option<usize>,
    /// The number of caps in `limits.toml`. If that file is missing, they were lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<usize>,
    /// The number of peers that follow with rights of their own. A file with fewer was truncated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<usize>,
    #[serde(default)]
    pub peer: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub name: String,
    pub pin: String,
    pub addresses: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<String>,
    pub paired_ms: u64,
    /// This agent's pin when the peer was paired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_pin: Option<String>,
    /// What it may do here, if an operator has changed that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<Rights>,
}

/// What the file holds.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// Each peer, with this agent's pin when it was paired.
    pub peers: Vec<(Peer, Option<Pin>)>,
    pub rights: BTreeMap<Pin, Rights>,
    /// The number of caps that an operator had set.
    pub limits: usize,
}

/// Parses the file.
///
/// Errors: a description of what is wrong.
pub(super) fn parse(text: &[u8]) -> Result<Parsed, String> {
    // Every complete file begins with a comment, so an empty file was truncated.
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    let text = words::text(text)?;
    let document: Document = toml::from_str(text).map_err(|error| TomlProblem::of(text, &error).to_string())?;
    match document.peers {
        None if document.peer.is_empty() => {
            return Err("it names no peer and does not say that there is none".to_owned());
        }
        Some(peers) if peers > document.peer.len() => {
            return Err(format!("it should have {peers} peers and has {}", document.peer.len()));
        }
        _ => {}
    }
    let (mut list, mut rights) = (Vec::<(Peer, Option<Pin>)>::new(), BTreeMap::new());
    for entry in document.peer {
        let pin: Pin = entry.pin.parse().map_err(|error| format!("{error}"))?;
        let own =
            entry.own_pin.as_ref().map(|own| own.parse::<Pin>().map_err(|error| format!("{error}"))).transpose()?;
        check_peer_name(&entry.name).map_err(|error| error.to_string())?;
        if list.iter().any(|(peer, _)| peer.name == entry.name || peer.pin == pin) {
            return Err(format!("`{}` or its pin stands there twice", entry.name));
        }
        let Entry { name, addresses, mut learned, paired_ms, rights: own_rights, .. } = entry;
        rights.extend(own_rights.map(|rights| (pin, rights)));
        learned.truncate(LEARNED_MAX);
        list.push((Peer { name, pin, addresses, learned, paired_ms }, own));
    }
    if document.rights.unwrap_or(0) > rights.len() {
        return Err(format!("the rights of {} peers are missing", document.rights.unwrap_or(0) - rights.len()));
    }
    Ok(Parsed { peers: list, rights, limits: document.limits.unwrap_or(0) })
}
