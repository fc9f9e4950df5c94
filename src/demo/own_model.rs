//! A model of the user's own: its description, and binaries made up where the user has none at hand.
//!
//! A description holds the hashes of its store charms, agent binaries and file resources. Made-up ones cannot have them, so the copy
//! that the demo moves names the hashes and sizes of those that it made; every other byte stays.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::controller::description::Description;
use crate::controller::description::wanted::Wanted;
use crate::sample::binaries::{self, Binary};
use crate::sample::seed::Seed;

/// A file resource and what it is to be replaced by.
#[derive(Debug, Clone)]
struct Replacement {
    hash: String,
    bytes: u64,
}

/// A model with made-up binaries.
#[derive(Debug)]
pub(super) struct MadeUp {
    /// The copy of the description that names them.
    pub(super) description: PathBuf,
    /// The binaries, as an import reads them.
    pub(super) blobs: PathBuf,
}

/// Makes up the binaries that `text` names, about `size_bytes` of them, and a description to go with them.
///
/// Errors: whatever the file system refuses.
pub(super) fn make_up(model: &Description, text: &str, dir: &Path, size_bytes: u64, seed: u64) -> io::Result<MadeUp> {
    let (blobs, description) = (dir.join("blobs"), dir.join("model.yaml"));
    let mut replacements = HashMap::new();
    let shares = Shares::of(model.wanted(), size_bytes);
    for wanted in model.wanted() {
        let path = blobs.join(wanted.path());
        // What the description calls by one hash is one content, wherever it is named.
        let (old, bytes, name) = match wanted {
            Wanted::Charm { url, sha256 } => (Some(sha256), shares.charm, url.as_str()),
            Wanted::AgentBinary { sha256, version, .. } => (Some(sha256), shares.agent, version.as_str()),
            Wanted::File { sha384, name, .. } => (Some(sha384), shares.file, name.as_str()),
            Wanted::OciImage { name, .. } => (None, 0, name.as_str()),
        };
        let old = old.filter(|hash| !hash.is_empty());
        let mut seed = Seed::new(seed, old.map_or(name, String::as_str));
        let made = match wanted {
            Wanted::Charm { .. } => binaries::charm(&path, "made-up", bytes, &mut seed)?,
            Wanted::AgentBinary { .. } => binaries::agent(&path, None, bytes, &mut seed)?,
            Wanted::File { .. } => binaries::resource(&path, bytes, &mut seed)?,
            Wanted::OciImage { .. } => binaries::image(&path, name, &mut seed)?,
        };
        if let Some(old) = old {
            let Binary { bytes, sha256, sha384 } = made;
            let hash = if matches!(wanted, Wanted::File { .. }) { sha384 } else { sha256 };
            replacements.insert(old.clone(), Replacement { hash, bytes });
        }
    }
    fs::create_dir_all(dir)?;
    fs::write(&description, renamed(text, &replacements))?;
    Ok(MadeUp { description, blobs })
}

/// Bytes of each made-up binary.
struct Shares {
    charm: u64,
    agent: u64,
    file: u64,
}

impl Shares {
    /// Charms and agent binaries get a share that looks like theirs, file resources what is left.
    fn of(wanted: &[Wanted], size_bytes: u64) -> Self {
        let count = |is: fn(&Wanted) -> bool| wanted.iter().filter(|wanted| is(wanted)).count().max(1) as u64;
        let files = wanted.iter().filter(|wanted| matches!(wanted, Wanted::File { .. })).count() as u64;
        let agents = count(|wanted| matches!(wanted, Wanted::AgentBinary { .. }));
        let charms = count(|wanted| matches!(wanted, Wanted::Charm { .. }));
        let (for_charms, for_agents) =
            if files > 0 { (size_bytes / 4, size_bytes / 8) } else { (size_bytes - size_bytes / 8, size_bytes / 8) };
        let left = size_bytes - for_charms - for_agents;
        Self { charm: for_charms / charms, agent: for_agents / agents, file: left / files.max(1) }
    }
}

/// Returns `text` with the hashes replaced, and the size that follows each of them.
fn renamed(text: &str, replacements: &HashMap<String, Replacement>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut size = None;
    for line in text.split_inclusive('\n') {
        let field = line.trim_start_matches([' ', '-']).trim_end();
        let (key, value) = field.split_once(": ").unwrap_or((field, ""));
        match (key, size) {
            ("sha256" | "sha384" | "fingerprint", _) => {
                let value = value.trim_matches(['"', '\'']);
                let replacement = replacements.get(&value.to_lowercase());
                size = replacement.map(|replacement| replacement.bytes);
                match replacement {
                    Some(replacement) => out.push_str(&line.replace(value, &replacement.hash)),
                    None => out.push_str(line),
                }
            }
            // Of a charm no size is told: one that follows is of something else.
            ("hash", _) => match replacements.get(&value.trim_matches(['"', '\'']).to_lowercase()) {
                Some(replacement) => {
                    out.push_str(&line.replace(value.trim_matches(['"', '\'']), &replacement.hash));
                    size = None;
                }
                None => out.push_str(line),
            },
            ("size", Some(bytes)) => {
                out.push_str(&line.replace(value, &bytes.to_string()));
                size = None;
            }
            _ => out.push_str(line),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn made_up_binaries_are_what_the_copy_names_and_nothing_else_changes() {
        let dir = tempfile::tempdir().unwrap();
        let files = Sample::default().write(&dir.path().join("own")).unwrap();
        let text = fs::read_to_string(&files.description).unwrap();
        let model = Description::parse(text.as_bytes()).unwrap();

        let made = make_up(&model, &text, &dir.path().join("made"), 512 << 10, 9).unwrap();
        let copy = fs::read_to_string(&made.description).unwrap();
        let moved = Description::parse(copy.as_bytes()).unwrap();
        assert_eq!(moved.wanted().len(), model.wanted().len());
        for wanted in moved.wanted() {
            let mut proving = wanted.proving(fs::File::open(made.blobs.join(wanted.path())).unwrap());
            io::copy(&mut proving, &mut io::sink()).unwrap();
            assert_eq!(proving.finish().unwrap(), None);
        }
        let changed = text.lines().zip(copy.lines()).filter(|(before, after)| before != after);
        for (before, after) in changed {
            let key = after.split(':').next().unwrap().trim_start_matches([' ', '-']);
            assert!(["sha256", "hash", "fingerprint", "size"].contains(&key), "{before} became {after}");
        }
        assert_eq!(text.lines().count(), copy.lines().count());
    }
}
