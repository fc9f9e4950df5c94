//! Tables about the need for blobs: which migration wants which blob, and since when nobody needs a blob.

use std::collections::HashMap;

use modelferry_protocol::ids::{Hash, MigrationId, Pin};
use modelferry_protocol::snapshot::BlobRef;
use redb::ReadableTable;

use super::StoreError;
use super::rows::Rows;
use super::tables::{BROUGHT, IDLE, MANIFESTS, PARTIALS, WANTED};

impl Rows {
    /// Returns every wanted blob with its migration.
    pub fn wanted(&self) -> Result<Vec<(MigrationId, Hash)>, StoreError> {
        self.read(WANTED, |table| {
            let mut wanted = Vec::new();
            for row in table.iter()? {
                let (key, _) = row?;
                let (mid, hash) = key.value();
                wanted.push((MigrationId(*mid), Hash(*hash)));
            }
            Ok(wanted)
        })
    }

    /// Notes which peer sends a blob. Becomes durable with the next durable write: losing the row only lets a quota count less.
    pub fn bring(&self, hash: Hash, peer: Pin) -> Result<(), StoreError> {
        self.write_soon(|transaction| {
            transaction.open_table(BROUGHT)?.insert(&hash.0, &peer.0)?;
            Ok(())
        })
    }

    /// Returns the peer that has sent each blob.
    pub fn brought(&self) -> Result<HashMap<Hash, Pin>, StoreError> {
        self.read(BROUGHT, |table| {
            let mut brought = HashMap::new();
            for row in table.iter()? {
                let (hash, peer) = row?;
                brought.insert(Hash(*hash.value()), Pin(*peer.value()));
            }
            Ok(brought)
        })
    }

    /// Adds blobs that a migration wants. Becomes durable with the next durable write: losing the rows only causes
    /// bytes to be sent again, and an own sync would delay every blob.
    pub fn want(&self, mid: MigrationId, blobs: &[Hash]) -> Result<(), StoreError> {
        self.write_soon(|transaction| {
            let (mut wanted, mut idle) = (transaction.open_table(WANTED)?, transaction.open_table(IDLE)?);
            for hash in blobs {
                wanted.insert((&mid.0, &hash.0), ())?;
                idle.remove(&hash.0)?;
            }
            Ok(())
        })
    }

    /// Removes the wanted blobs of a migration.
    pub fn release(&self, mid: MigrationId) -> Result<(), StoreError> {
        self.write_soon(|transaction| {
            let all = (&mid.0, &[0; 32])..=(&mid.0, &[u8::MAX; 32]);
            transaction.open_table(WANTED)?.retain_in(all, |_, ()| false)?;
            Ok(())
        })
    }

    /// Returns the unneeded blobs, each with the time since which nobody needs it, Unix milliseconds.
    pub fn idle(&self) -> Result<HashMap<Hash, u64>, StoreError> {
        self.read(IDLE, |table| {
            let mut idle = HashMap::new();
            for row in table.iter()? {
                let (hash, since_ms) = row?;
                idle.insert(Hash(*hash.value()), since_ms.value());
            }
            Ok(idle)
        })
    }

    /// Replaces the list of unneeded blobs. Writes nothing if the list is unchanged.
    pub fn set_idle(&self, idle: &[(Hash, u64)]) -> Result<(), StoreError> {
        let mut gone = self.idle()?;
        let changed: Vec<_> =
            idle.iter().filter(|(hash, since_ms)| gone.remove(hash) != Some(*since_ms)).copied().collect();
        if gone.is_empty() && changed.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut table = transaction.open_table(IDLE)?;
            for (hash, since_ms) in &changed {
                table.insert(&hash.0, since_ms)?;
            }
            for hash in gone.keys() {
                table.remove(&hash.0)?;
            }
            Ok(())
        })
    }

    /// Takes blobs off the list of unneeded ones. A full disk is not an error.
    pub fn used(&self, blobs: impl IntoIterator<Item = Hash>) -> Result<(), StoreError> {
        let blobs: Vec<Hash> = blobs.into_iter().collect();
        let idle = self.read(IDLE, |table| {
            let mut idle = Vec::new();
            for hash in blobs {
                idle.extend(table.get(&hash.0)?.map(|_| hash));
            }
            Ok(idle)
        })?;
        if idle.is_empty() {
            return Ok(());
        }
        let written = self.write_soon(|transaction| {
            let mut table = transaction.open_table(IDLE)?;
            for hash in &idle {
                table.remove(&hash.0)?;
            }
            Ok(())
        });
        match written {
            Err(error) if error.is_full() => Ok(()),
            done => done,
        }
    }

    /// Returns every partial blob and its held bytes.
    pub fn partials(&self) -> Result<Vec<(BlobRef, u64)>, StoreError> {
        let partials = self.read(PARTIALS, |table| {
            let mut partials = Vec::new();
            for row in table.iter()? {
                let (hash, partial) = row?;
                partials.push((Hash(*hash.value()), partial.value().0));
            }
            Ok(partials)
        })?;
        self.read(MANIFESTS, |table| {
            let mut found = Vec::new();
            for (hash, held) in partials {
                let bytes = table.get(&hash.0)?.map(|manifest| manifest.value().0);
                found.extend(bytes.map(|bytes| (BlobRef { hash, bytes }, held)));
            }
            Ok(found)
        })
    }
}
