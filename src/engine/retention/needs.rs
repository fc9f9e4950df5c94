//! Who needs which blob of the store.
//!
//! Each root, and what covers the time before it is durable:
//!
//! - *A model of the controller*: its description, its binaries, its log. The controller names them
//!   ([`Arrival::holdings`]), also of a copy that is staged. Before that, whatever an import or a restore copies is
//!   leased until the model is admitted, and what a migration brings is the migration's.
//! - *A kept backup* names its blobs in its document. While a copy arrives they are wanted under its id.
//! - *An unfinished migration whose snapshot is sealed*, on either side, in doubt or not: the snapshot, which is a blob,
//!   and all that it names. The journal has the root. From the export to that record the source has a lease, and what
//!   was offered to a target is wanted under the migration's id until the migration is at rest.
//! - *An unfinished migration without a snapshot*: on the target what was offered, partials included, which survives a
//!   restart in the store's rows; on the source nothing but the model and, while it sends, the lease on its export.
//! - *A migration that brought a model which is still here by it*: its snapshot and all that names, since `verify`
//!   compares the model with it. Of one that has left again nobody needs anything.
//! - *A pre-copy*: on the source the model and, while it sends, the lease on its export; on the target what was asked for
//!   is wanted while the source's question is open. Once it is there, or the link is down, nobody needs it: it stays for as
//!   long as whatever nobody needs does, so that a migration finds it.
//! - *A log that follows its model*: on the source the frozen model's, until it is reaped; on the target leased by the
//!   connection that brings it, until the controller has taken it. A connection that ends is followed by another offer.
//! - *What is read or cut now* is open, and stays readable; chunks that are taken from a blob which goes are lacking.
//!
//! Where any of these cannot be told, nothing at all is removed.
//!
//! [`Arrival::holdings`]: crate::controller::port::Arrival::holdings

use std::collections::{HashMap, HashSet};

use modelferry_protocol::ids::{Hash, MigrationId};
use modelferry_protocol::ledger::LastRecord;

use crate::controller::backup;
use crate::controller::port::{MigrationRef, Presence};
use crate::engine::migration::id::id_of;
use crate::engine::shared::core::Core;
use crate::engine::shared::seal;

/// What is needed by somebody who is at work and has no other name.
const IN_USE: &str = "in use";

/// Who needs what.
#[derive(Default)]
pub struct Needs {
    /// In words.
    by: Vec<String>,
    blobs: HashMap<Hash, Vec<usize>>,
    /// What the controller's models need.
    of_models: HashSet<Hash>,
    /// Whose needs cannot be told, and why.
    pub trouble: Vec<String>,
}

impl Needs {
    fn add(&mut self, by: String, blobs: impl IntoIterator<Item = Hash>) {
        let number = self.by.len();
        self.by.push(by);
        for hash in blobs {
            let needed_by = self.blobs.entry(hash).or_default();
            if needed_by.last() != Some(&number) {
                needed_by.push(number);
            }
        }
    }

    /// Reports whether a model of the controller needs a blob.
    pub fn is_of_a_model(&self, hash: Hash) -> bool {
        self.of_models.contains(&hash)
    }

    /// Returns who needs a blob, in words.
    ///
    /// `in_use`: whether somebody works with it.
    pub fn of(&self, hash: Hash, in_use: bool) -> Vec<&str> {
        let needed_by = self.blobs.get(&hash).into_iter().flatten().map(|number| self.by[*number].as_str());
        let named: Vec<&str> = needed_by.collect();
        if named.is_empty() && in_use { vec![IN_USE] } else { named }
    }
}

/// Finds out who needs what now.
pub async fn gather(core: &Core) -> Needs {
    let mut needs = Needs::default();
    wanted(core, &mut needs).await;
    models(core, &mut needs).await;
    backups(core, &mut needs).await;
    migrations(core, &mut needs).await;
    needs
}

/// What is on its way here. Of what has ended nothing is wanted any more.
async fn wanted(core: &Core, needs: &mut Needs) {
    let mut over = Vec::new();
    // Whoever wants something was followed before: so it is the wants that are looked at first.
    for (mid, blobs) in core.parts.store.wanted() {
        let Some(tracked) = core.receiver(mid).filter(|tracked| tracked.mailbox().is_some()) else {
            over.push(mid);
            continue;
        };
        let by = match core.tracked(mid) {
            Some(_) => format!("migration {}", id_of(&tracked.terms)),
            None => format!("a copy of {}/{} that arrives", &*tracked.terms.owner, &*tracked.terms.name),
        };
        needs.add(by, blobs);
    }
    let store = core.parts.store.clone();
    let released = Core::blocking(move || over.into_iter().try_for_each(|mid| store.release(mid))).await;
    if let Err(error) = released {
        tracing::warn!("what ended migrations wanted is not forgotten yet: {error}");
    }
}

async fn models(core: &Core, needs: &mut Needs) {
    match core.parts.arrival.holdings().await {
        Ok(holdings) => {
            for holding in holdings {
                needs.of_models.extend(holding.blobs.iter().copied());
                needs.add(format!("model {}", holding.model), holding.blobs);
            }
        }
        Err(error) => needs.trouble.push(format!("what the controller's models need: {error}")),
    }
}

async fn backups(core: &Core, needs: &mut Needs) {
    let store = core.parts.store.clone();
    match Core::blocking(move || backup::list(&store)).await {
        Ok(kept) => {
            for (id, kept) in kept {
                match kept {
                    Ok(kept) => needs.add(format!("backup {id}"), kept.manifest.files.iter().map(|file| file.blake3)),
                    Err(error) => needs
                        .trouble
                        .push(format!("what backup {id} needs: {error}; `modelferry backup remove {id}` gives it up")),
                }
            }
        }
        Err(error) => needs.trouble.push(format!("what kept backups need: {error}")),
    }
}

async fn migrations(core: &Core, needs: &mut Needs) {
    let last_records: Vec<(MigrationId, LastRecord, String)> = core.parts.journal.ledger(|ledger| {
        let named = |mid| ledger.terms(mid).map_or_else(|| mid.to_string(), id_of);
        ledger.last_records().map(|(mid, last)| (mid, last.clone(), named(mid))).collect()
    });
    for (mid, last, id) in last_records {
        let Some(root) = last.root() else { continue };
        let (at_rest, migration) = (last.is_at_rest(), MigrationRef { mid, model: last.model() });
        if at_rest {
            // What came of a source's migration is elsewhere, or is the model as it was.
            if let LastRecord::Source(_) = last {
                continue;
            }
            match core.parts.arrival.probe(migration).await {
                Ok(Presence::Live) => {}
                Ok(_) => continue,
                Err(error) => {
                    needs.trouble.push(format!("whether migration {id} is still needed: {error}"));
                    continue;
                }
            }
        }
        match seal::read(core, root).await {
            Ok((_, snapshot)) => {
                let blobs = snapshot.blobs().into_iter().map(|blob| blob.hash);
                needs.add(format!("migration {id}"), blobs.chain([root]));
            }
            // The model is here and whole, or `verify` tells otherwise: nothing hangs on it.
            Err(_) if at_rest => needs.add(format!("migration {id}"), [root]),
            Err(text) => needs.trouble.push(format!("what migration {id} needs: {text}")),
        }
    }
}
