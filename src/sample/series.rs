//! What earlier series of Juju write otherwise.

use std::fs;
use std::io;

use super::kit::SampleFiles;
use super::layout::LOGS;
use super::parts::charms;

/// The versions of sections, as a sample has them, and as Juju 3.6.11 does, which reads none that is later.
const SECTIONS: [(&str, &str); 3] = [
    ("\nmachines:\n  version: 4\n", "\nmachines:\n  version: 3\n"),
    ("\napplications:\n  version: 14\n", "\napplications:\n  version: 13\n"),
    ("instance:\n      version: 6\n", "instance:\n      version: 5\n"),
];

/// Returns a sample's description as Juju 3.6.11 writes it.
pub fn as_written_by_36(description: &str) -> String {
    SECTIONS.iter().fold(description.to_owned(), |text, (later, ours)| text.replace(later, ours))
}

/// What Juju 4.1-beta2 does not import of a sample, and what it does in its place: a setting that the charm does not have, a volume
/// without its link, a secret that an application reads.
const REFUSED: [(&str, &str); 5] = [
    ("max-connections: 400\n", ""),
    ("plugin-pg_trgm-enable: true\n", ""),
    // Another block device of its machine has that name.
    ("device-name: vdb\n", "device-name: vdc\n"),
    ("device-link: \"\"\n", "device-link: /dev/disk/by-id/virtio-pgdata\n"),
    ("consumer: application-shop\n", "consumer: unit-shop-0\n"),
];
/// Before this entity stands another, of the application that the model consumes: 4.1-beta2 asks for it.
const ENTITY: &str = "- id: application-postgresql\n";

/// How 4.1-beta2 calls the charm that was deployed from a file.
const SHOP_URL: &str = "local:shop-7";

/// Changes a sample, as it was written, to what Juju 3.6.11 writes and Juju 4.1-beta2 takes in.
///
/// Errors: whatever the file system refuses.
pub fn rewrite_for_41(files: &SampleFiles) -> io::Result<()> {
    let text = as_imported_by_41(&as_written_by_36(&fs::read_to_string(&files.description)?));
    fs::write(&files.description, text)?;
    let charm = |url: &str| files.blobs.join("charms").join(url.replace('/', "_"));
    fs::rename(charm(charms::SHOP_URL), charm(SHOP_URL))
}

fn as_imported_by_41(description: &str) -> String {
    // Of a charm with resources of both kinds it takes the file for an image.
    let description = description.replace(charms::SHOP_URL, SHOP_URL).replace("oci-image", "file");
    let mut text = String::with_capacity(description.len());
    for line in description.split_inclusive('\n') {
        // A key may be the first of an item.
        let key = line.trim_start_matches([' ', '-']);
        let before = &line[..line.len() - key.len()];
        if line.trim_start() == ENTITY {
            let (item, token) = (before.replace('-', " "), "7f2b9c1e-51d0-4c58-8a11-0d4f3a6b7c90");
            text += &format!("{before}id: application-{LOGS}\n{item}token: {token}\n{item}macaroon: \"\"\n");
        }
        match REFUSED.iter().find(|(refused, _)| *refused == key) {
            Some((_, "")) => {}
            Some((_, taken)) => text += &format!("{before}{taken}"),
            None => text += line,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[test]
    fn a_sample_has_each_section_that_is_written_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(Sample::default().write(dir.path()).unwrap().description).unwrap();
        for (later, ours) in SECTIONS {
            assert!(text.contains(later), "{later}");
            assert!(as_written_by_36(&text).contains(ours), "{ours}");
        }
        let taken = as_imported_by_41(&text);
        for (refused, _) in REFUSED {
            assert!(text.contains(refused) && !taken.contains(refused), "{refused}");
        }
        assert!(text.contains(ENTITY) && taken.contains("id: application-logs"), "{ENTITY}");
    }
}
