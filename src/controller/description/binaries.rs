//! Lists the binaries that a description names.

use std::collections::{HashMap, HashSet};

use super::wanted::Wanted;
use super::{Description, ModelKind};

/// Returns the revision of a local charm, and nothing for one of a store.
fn local_revision(url: &str) -> Option<u64> {
    url.strip_prefix("local:")?.rsplit_once('-')?.1.parse().ok()
}

/// Lists what a description names, each once: charms, agent binaries, resources.
pub(super) fn of(description: &Description) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let mut seen = HashSet::new();
    let mut charms: Vec<&str> = description.applications.iter().map(|app| app.charm_url.as_str()).collect();
    // A target numbers local charms as they come, and each must get the number it has: lower ones go first.
    charms.sort_by_key(|url| local_revision(url));
    // Any of the applications that share a charm may tell its hash.
    let origins = description.applications.iter().map(|app| (app.charm_url.as_str(), app.charm_origin.sha256()));
    let hashes: HashMap<&str, &str> = origins.filter(|(_, sha256)| !sha256.is_empty()).collect();
    for url in charms {
        if seen.insert(("charm", url)) {
            let sha256 = hashes.get(url).map_or_else(String::new, |sha256| sha256.to_lowercase());
            wanted.push(Wanted::Charm { url: url.to_owned(), sha256 });
        }
    }
    // On Kubernetes agents come as images: a description may name their version, but no binary travels.
    if description.kind == ModelKind::Iaas {
        let tools = description.all_machines().map(|machine| &machine.tools);
        for tools in tools.chain(description.all_units().map(|(_, unit)| &unit.tools)).flatten() {
            // Empty on a machine that was never provisioned.
            if !tools.tools_version.is_empty() && seen.insert(("tools", tools.tools_version.as_str())) {
                wanted.push(Wanted::AgentBinary {
                    version: tools.tools_version.clone(),
                    sha256: tools.sha256.to_lowercase(),
                    bytes: tools.size,
                });
            }
        }
    }
    for application in &description.applications {
        for resource in application.resources.iter().filter(|resource| !resource.revision.is_placeholder()) {
            let (application, name) = (application.name.clone(), resource.name.clone());
            let revision = resource.revision.revision;
            wanted.push(match resource.revision.kind.as_str() {
                "oci-image" => Wanted::OciImage { application, name, revision },
                _ => Wanted::File {
                    application,
                    name,
                    revision,
                    sha384: resource.revision.fingerprint.to_lowercase(),
                    bytes: resource.revision.size,
                },
            });
        }
    }
    wanted
}
