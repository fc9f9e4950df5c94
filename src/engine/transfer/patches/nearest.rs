//! Finds blobs that may be other versions of a blob.

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::{BlobRef, Call};

use crate::patch::kinship;
use crate::store::{Store, StoreError};

/// Blobs without a known name that are looked at, those of the nearest sizes.
const STRANGERS_MAX: usize = 8;
/// How much larger or smaller these may be.
const SIZE_RATIO_MAX: u64 = 4;
/// Thousandths of its bytes of which another version must lie in a stranger.
const KINSHIP_MIN: u32 = 100;
/// Bases that are proposed for a blob.
const BASES_MAX: usize = 4;

/// Returns the name under which versions of a call's blob follow each other: no revision, no version number.
pub fn lineage(call: &Call) -> Option<(String, BlobRef)> {
    let without_revision = |url: &str| match url.rsplit_once('-') {
        Some((name, revision)) if revision.bytes().all(|byte| byte.is_ascii_digit()) => name.to_owned(),
        _ => url.to_owned(),
    };
    match call {
        Call::UploadCharm(charm) => Some((format!("charm/{}", without_revision(&charm.url)), charm.blob)),
        Call::UploadAgentBinary(binary) => {
            let series = binary.version.split_once('-').map_or("", |(_, series)| series);
            Some((format!("agent/{series}"), binary.blob))
        }
        Call::UploadResource(resource) => {
            Some((format!("resource/{}/{}", &*resource.application, &*resource.name), resource.blob))
        }
        _ => None,
    }
}

/// Returns complete blobs of the store that may be other versions of `blob`, the most similar first.
///
/// `name`: its lineage. `all`: what the store holds.
/// Errors: [`StoreError`] if the blob itself cannot be read.
pub fn nearest(store: &Store, blob: BlobRef, name: &str, all: &[BlobRef]) -> Result<Vec<BlobRef>, StoreError> {
    let new = store.open_blob(blob.hash)?;
    let known = store.versions(name)?;
    let named = all.iter().filter(|other| known.contains(&other.hash));
    let is_near = |other: &&BlobRef| {
        other.bytes <= blob.bytes.saturating_mul(SIZE_RATIO_MAX)
            && blob.bytes <= other.bytes.saturating_mul(SIZE_RATIO_MAX)
            && !known.contains(&other.hash)
    };
    let mut strangers: Vec<&BlobRef> = all.iter().filter(is_near).collect();
    strangers.sort_by_key(|other| other.bytes.abs_diff(blob.bytes));
    strangers.truncate(STRANGERS_MAX);
    let kin_of = |hash: Hash| {
        // One that is gone, or that nobody can read, is no relation.
        let open = || -> Option<u32> { kinship(&new, &store.open_blob(hash).ok()?).ok() };
        open().unwrap_or(0)
    };
    let mut bases: Vec<(u32, BlobRef)> = named.map(|other| (kin_of(other.hash), *other)).collect();
    let strangers = strangers.into_iter().map(|other| (kin_of(other.hash), *other));
    bases.extend(strangers.filter(|(kin, _)| *kin >= KINSHIP_MIN));
    bases.retain(|(_, other)| *other != blob);
    // Of equal ones the one that bore the name.
    bases.sort_by_key(|(kin, _)| std::cmp::Reverse(*kin));
    Ok(bases.into_iter().take(BASES_MAX).map(|(_, base)| base).collect())
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::snapshot::{AgentBinary, Charm, Name, Resource};

    use super::*;

    const BLOB: BlobRef = BlobRef { hash: Hash([1; 32]), bytes: 1 };

    #[test]
    fn revisions_and_versions_are_no_part_of_a_lineage() {
        let charm = |url| lineage(&Call::UploadCharm(Charm { blob: BLOB, ..Charm::named(Name::cut(url)) })).unwrap().0;
        assert_eq!(charm("ch:amd64/postgresql-843"), charm("ch:amd64/postgresql-99"));
        assert_ne!(charm("ch:amd64/postgresql-843"), charm("ch:amd64/postgresql-k8s-843"));
        let agent = |version| {
            lineage(&Call::UploadAgentBinary(AgentBinary { version: Name::cut(version), blob: BLOB })).unwrap().0
        };
        assert_eq!(agent("3.6.23-ubuntu-amd64"), agent("3.6.24-ubuntu-amd64"));
        assert_ne!(agent("3.6.23-ubuntu-amd64"), agent("3.6.23-ubuntu-arm64"));
        let resource = |revision| {
            let (application, name) = (Name::cut("db"), Name::cut("image"));
            lineage(&Call::UploadResource(Resource {
                application,
                name,
                revision,
                query: Default::default(),
                blob: BLOB,
            }))
            .unwrap()
            .0
        };
        assert_eq!(resource(1), resource(2));
    }
}
