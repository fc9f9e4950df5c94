//! Compares what the journal says with what is on the disk, and reports what an operator has to mend.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::ledger::{Ledger, Standing};
use modelferry_protocol::switch::source::SourceState;

use crate::controller::embedded::Embedded;
use crate::controller::inventory::{Held, Inventory, Place};
use crate::controller::local::LocalController;
use crate::controller::port::ControllerError;
use crate::disk::database::HEADROOM_BYTES;
use crate::disk::words::io_kind;
use crate::disk::{Disk, is_read_only, remount_command, usage_command};
use crate::engine::causes;
use crate::engine::view::{AlarmView, Failing, MigrationView, State};
use crate::journal::Journal;
use crate::link::Peers;

/// What an agent compares.
#[derive(Clone)]
pub struct Memory {
    dir: PathBuf,
    journal: Journal,
    embedded: Embedded,
    local: Arc<dyn LocalController>,
    /// What was found at the start, and only a restart can change.
    noted: Vec<AlarmView>,
    /// The number of hand-set limits that were gone at the start.
    lost_limits: usize,
}

fn alarm(kind: &str, text: String) -> AlarmView {
    AlarmView { kind: kind.to_owned(), text }
}

/// Returns the name of a model as its last migration knew it, with its UUID.
fn named(ledger: &Ledger, model: ModelUuid) -> String {
    let of_model = ledger.standings().filter(|(_, standing)| standing.model() == model);
    match of_model.filter_map(|(mid, _)| ledger.terms(mid)).last() {
        Some(terms) => format!("\"{}/{}\" ({model})", &*terms.owner, &*terms.name),
        None => model.to_string(),
    }
}

/// Names the models that the journal holds to be in service here.
pub fn served(ledger: &Ledger) -> Vec<String> {
    let live = ledger.holdings().filter(|(_, holding)| holding.live);
    live.map(|(model, _)| named(ledger, model)).collect()
}

impl Memory {
    /// `dir`: the state directory.
    pub fn new(dir: &Path, journal: Journal, embedded: Embedded, local: Arc<dyn LocalController>) -> Self {
        Self { dir: dir.to_owned(), journal, embedded, local, noted: Vec::new(), lost_limits: 0 }
    }

    /// Compares the list of peers with this agent's key, and with the migrations that have not ended.
    pub fn note_peers(&mut self, peers: &Peers) {
        let strangers = peers.pinning_another_key();
        if !strangers.is_empty() {
            let dir = self.dir.display();
            let text = format!(
                "this agent's key is another than {} paired with, and they refuse it. No migration with them goes on; the \
                 models stay as they are. Put {dir}/identity back from a backup of this host and restart the agent. If the \
                 key is lost, pair again: on each host `modelferry unpair PEER`, which says of what has not ended with that peer how \
                 to end it first; then `modelferry pair offer` here, and there what it prints",
                strangers.join(", ")
            );
            self.noted.push(alarm("identity", text));
        }
        self.lost_limits = peers.lost_limits();
        let unknown: Vec<String> = self.journal.ledger(|ledger| {
            let unfinished = ledger.standings().filter(|(_, standing)| !standing.is_at_rest());
            let unknown = unfinished.filter(|(_, standing)| peers.by_pin(standing.peer()).is_none());
            unknown
                .map(|(mid, standing)| {
                    let peer =
                        ledger.terms(mid).map_or_else(String::new, |terms| format!(" with \"{}\"", &*terms.peer));
                    format!("{}{peer}", named(ledger, standing.model()))
                })
                .collect()
        });
        if !unknown.is_empty() {
            let text = format!(
                "peers.toml lacks the peers of migrations that have not ended: {}. They wait. Put {}/peers.toml back from a \
                 backup of this host and restart the agent, or pair with these peers again",
                unknown.join(", "),
                self.dir.display()
            );
            self.noted.push(alarm("peers", text));
        }
    }

    /// Reports that the store's table was gone although there were blobs, so that a new one was begun.
    pub fn note_new_table(&mut self) {
        let dir = self.dir.display();
        let text = format!(
            "{dir}/state.redb was missing when the agent started, although it had run before; a new one was begun. No model, no \
             migration and no complete file of {dir}/blobs is lost: files that were on their way in are sent again. Find out what \
             removed it, and whether other files are gone. This alarm ends with the next start of the agent"
        );
        tracing::error!("ALARM: {text}");
        self.noted.push(alarm("state", text));
    }

    /// Returns everything that an operator has to mend now. Blocks on the disk.
    ///
    /// `migrations`: those that have not ended.
    pub fn alarms(&self, migrations: &[MigrationView]) -> Vec<AlarmView> {
        let mut alarms = self.noted.clone();
        alarms.extend(self.disk());
        alarms.extend(migrations.iter().filter_map(failing));
        let before = self.journal.ledger(live);
        match self.local.inventory() {
            // A real controller's own database is compared by nobody: whoever runs that keeps it.
            Ok(None) => {}
            Ok(Some(inventory)) => {
                alarms.extend(self.journal.ledger(|ledger| compared(&before, ledger, &inventory, &self.dir)));
                alarms.extend(lacking(&inventory, &self.dir));
            }
            // Some kernels show the file system as writable after an error of its disk, and refuse every write.
            Err(error) if io_kind(&error) == Some(ErrorKind::ReadOnlyFilesystem) => {
                if !is_read_only(&self.dir) {
                    alarms.push(self.read_only());
                }
            }
            Err(error) => {
                let text = format!(
                    "the controller's models cannot be listed: {}. They stay as they are, and nothing new begins. Mend what it says, and \
                     look at the disk's health; the file is opened again by itself",
                    causes(&error)
                );
                alarms.push(alarm("database", text));
            }
        }
        alarms.extend(self.set_aside());
        alarms
    }

    /// Reports whether the journal holds a model to be in service here, and the controller has nothing of it.
    ///
    /// Errors: [`ControllerError::Storage`].
    pub fn has_lost(&self, model: ModelUuid) -> Result<bool, ControllerError> {
        if !self.journal.ledger(|ledger| ledger.is_live(model)) {
            return Ok(false);
        }
        // A real controller's own database is compared by nobody.
        let Some(inventory) = self.local.inventory()? else { return Ok(false) };
        let is_nowhere = inventory.models.get(&model).is_none_or(|held| held.place == Place::Gone);
        Ok(is_nowhere && self.journal.ledger(|ledger| is_lost(ledger, &inventory, model)))
    }

    fn disk(&self) -> Option<AlarmView> {
        let dir = self.dir.display();
        if is_read_only(&self.dir) {
            return Some(self.read_only());
        }
        let free = match self.embedded.store().free_bytes() {
            Ok(free) if free >= HEADROOM_BYTES => return None,
            Ok(free) => format!("{} KiB are free, {} KiB are needed", free >> 10, HEADROOM_BYTES >> 10),
            Err(error) => causes(&error),
        };
        let text = format!(
            "the disk of {dir} is full: {free}. Models stay as they are, transfers wait, and nothing new begins until there is \
             room. See what takes it with `{}`; `modelferry store prune --all-unneeded` removes what nobody needs",
            usage_command(&self.dir)
        );
        Some(alarm("disk", text))
    }

    fn read_only(&self) -> AlarmView {
        let text = format!(
            "the file system of {} is read-only, as some are after an error of their disk: nothing can be promised. Models stay as they \
             are, and nothing new begins. See why (`dmesg | tail`), look at the disk's health, and mount it writable again: `{}`; then \
             restart the agent",
            self.dir.display(),
            remount_command(&self.dir)
        );
        alarm("disk", text)
    }

    /// Reports hand-set limits that no longer hold.
    fn limits(&self) -> Option<AlarmView> {
        let dir = self.dir.display();
        let until_then = "Until then what is sent is limited by the configuration alone: see `modelferry limit`";
        let text = match Peers::why_limits_set_aside(&self.dir) {
            Some(why) => format!(
                "limits.toml could not be read, and lies in {dir}/limits.toml.damaged: {why}. Limits that were set by hand no longer \
                 hold. Set them again with `modelferry limit`; or stop the agent, mend the damaged file, put it back as \
                 {dir}/limits.toml, and start it. {until_then}. Then remove the damaged file: this alarm ends with it"
            ),
            None if self.lost_limits > 0 && Peers::has_no_limits(&self.dir) => format!(
                "{dir}/limits.toml is missing, in which {} limits were that had been set by hand: they no longer hold. Set them again \
                 with `modelferry limit`; or stop the agent, put the file back from a backup of this host, and start it. {until_then}. \
                 This alarm ends once the file is there",
                self.lost_limits
            ),
            None => return None,
        };
        Some(alarm("limits", text))
    }

    fn set_aside(&self) -> Vec<AlarmView> {
        let dir = self.dir.display();
        let mut alarms = Vec::new();
        let had_peers = self.journal.ledger(|ledger| ledger.standings().next().is_some());
        let peers_aside = Peers::why_set_aside(&self.dir);
        // A file that was set aside is not missing: its own alarm says what to do.
        if had_peers && peers_aside.is_none() && Peers::is_missing(&self.dir) {
            let text = format!(
                "{dir}/peers.toml is missing, although models have been migrated to or from here: no peer is known, and none is \
                 answered. Stop the agent, put the file back from a backup of this host, and start it; or pair again: this alarm ends \
                 with the first peer"
            );
            alarms.push(alarm("peers", text));
        }
        if let Some(why) = peers_aside {
            let text = format!(
                "peers.toml could not be read, and lies in {dir}/peers.toml.damaged: {why}. Peers that are not in `modelferry peers` \
                 are not connected, and migrations with them wait. Stop the agent, put {dir}/peers.toml back from a backup or \
                 mend the damaged file, and start it; or pair again. Then remove the damaged file: this alarm ends with it"
            );
            alarms.push(alarm("peers", text));
        }
        alarms.extend(self.limits());
        if is_set_aside(&self.dir, "state.redb") {
            let text = format!(
                "state.redb was damaged, and lies in {dir}/state.redb.damaged; a new one was begun. No model, no migration and no \
                 complete file of {dir}/blobs is lost: files that were on their way in are sent again. A disk that damages one file \
                 may damage others: look at its health. Then remove the damaged file: this alarm ends with it"
            );
            alarms.push(alarm("state", text));
        }
        if is_set_aside(&self.dir, "witness.toml") {
            let text = format!(
                "witness.toml could not be read, and lies in {dir}/witness.toml.damaged. Migrations go on; but a peer that was set \
                 back by a backup since its last visit would not be noticed. If that can be, compare the models on both sides \
                 first. Then remove the damaged file: this alarm ends with it"
            );
            alarms.push(alarm("witness", text));
        }
        alarms
    }
}

/// Reports a migration that must put its model back into service here and cannot.
fn failing(view: &MigrationView) -> Option<AlarmView> {
    let puts_back = matches!(view.state, State::Aborting | State::Reclaiming | State::Seizing | State::Activating);
    let waiting = view.waiting.as_ref().filter(|_| puts_back && view.failing == Some(Failing::Controller))?;
    let text = format!(
        "model \"{}/{}\" is to be in service here, and the controller fails (migration {}, {}): {waiting}. Nothing serves the \
         model until that succeeds. Mend what it says; nothing else needs to be typed",
        view.owner, view.model, view.id, view.state
    );
    Some(alarm("frozen", text))
}

/// Compares the journal with the controller's models. `before`: what the journal said before these were listed.
fn compared(before: &BTreeSet<ModelUuid>, ledger: &Ledger, inventory: &Inventory, dir: &Path) -> Vec<AlarmView> {
    let lost: Vec<ModelUuid> =
        before.iter().copied().filter(|model| ledger.is_live(*model) && is_lost(ledger, inventory, *model)).collect();
    let alarms = [
        lost_alarm(&lost, ledger, inventory, dir),
        back_alarm(ledger, inventory, dir),
        orphan_alarm(ledger, inventory),
        removed_alarm(ledger, inventory, dir),
    ];
    alarms.into_iter().flatten().collect()
}

/// Returns the models that the journal holds to be in service here.
fn live(ledger: &Ledger) -> BTreeSet<ModelUuid> {
    ledger.holdings().filter(|(_, holding)| holding.live).map(|(model, _)| model).collect()
}

/// Reports whether the controller does not serve a model that the journal holds to be in service here.
fn is_lost(ledger: &Ledger, inventory: &Inventory, model: ModelUuid) -> bool {
    let is_removed = inventory.removed.contains(&model);
    match inventory.models.get(&model) {
        None => !is_removed,
        Some(held) => match held.place {
            Place::Gone => !is_removed,
            Place::Arriving => ledger.busy(model).is_none(),
            Place::Frozen => held.is_handed && ledger.busy(model).is_none(),
            Place::Live => false,
        },
    }
}

/// Reports models that the journal holds to be in service here, and that the controller does not serve.
fn lost_alarm(lost: &[ModelUuid], ledger: &Ledger, inventory: &Inventory, dir: &Path) -> Option<AlarmView> {
    if lost.is_empty() {
        return None;
    }
    let names: Vec<String> = lost.iter().map(|model| named(ledger, *model)).collect();
    let is_in_the_way =
        |model: &&ModelUuid| inventory.models.get(*model).is_some_and(|held| held.place == Place::Frozen);
    let first = match lost.iter().filter(is_in_the_way).map(ToString::to_string).collect::<Vec<_>>() {
        none if none.is_empty() => String::new(),
        stale => format!(
            ". An older copy that was handed over before is still here of {}: keep it with `modelferry backup create UUID FILE \
             --held`, then `modelferry resolve UUID --discard-frozen UUID` makes room for the restored one",
            stale.join(", ")
        ),
    };
    let text = format!(
        "the journal says that these models are in service here, and the controller does not have them: {}. Nobody serves \
         them here. The database {}/controller.redb was lost or set back: stop the agent and put the newest one back from the \
         disk's own redundancy; or take the models in again with `modelferry backup restore FILE --source-lost`: a controller whose \
         database was lost has another UUID now, and none can be asked for what the lost one had. A model that is not wanted any \
         more: `modelferry embedded remove UUID` ends its alarm{first}",
        names.join(", "),
        dir.display()
    );
    Some(alarm("database", text))
}

/// Reports models that have moved away, and that a database which was set back has again.
fn back_alarm(ledger: &Ledger, inventory: &Inventory, dir: &Path) -> Option<AlarmView> {
    let back: Vec<String> = ledger
        .standings()
        .filter(|(mid, standing)| {
            let left = matches!(standing, Standing::Source(record) if matches!(record.state, SourceState::Moved(_)));
            let place = inventory.models.get(&standing.model()).map(|held| held.place);
            left && !inventory.ended.contains(mid)
                && !ledger.is_live(standing.model())
                && matches!(place, Some(Place::Live | Place::Frozen))
        })
        .map(|(mid, standing)| {
            let to = ledger.terms(mid).map_or_else(String::new, |terms| format!(" to \"{}\"", &*terms.peer));
            format!("{}{to}", named(ledger, standing.model()))
        })
        .collect();
    if back.is_empty() {
        return None;
    }
    let text = format!(
        "the journal says that these models have moved away, and the controller has them: {}. The database \
         {}/controller.redb was set back. They are frozen here, and their users are sent on; what was written to them \
         here since the database was set back is in this copy alone. Put the newest database back from the disk's own \
         redundancy; or compare the two copies with `modelferry show-model UUID --held` here and `modelferry show-model UUID` there, \
         keep the one here with `modelferry backup create UUID FILE --held`, and delete it: `modelferry resolve UUID --discard-frozen \
         UUID` ends this alarm",
        back.join(", "),
        dir.display()
    );
    Some(alarm("database", text))
}

/// Reports models that an operator removed, and that a database which was set back has in service again.
fn removed_alarm(ledger: &Ledger, inventory: &Inventory, dir: &Path) -> Option<AlarmView> {
    let came_before = |held: &&Held| held.came.is_some_and(|mid| ledger.standing(mid).is_some());
    let live = inventory.models.values().filter(|held| held.place == Place::Live && ledger.is_removed(held.uuid));
    // One that came in another way since has not come back by itself.
    let back: Vec<String> = live.filter(came_before).map(|held| named(ledger, held.uuid)).collect();
    if back.is_empty() {
        return None;
    }
    let text = format!(
        "the journal says that an operator removed these models, and the controller has them in service again: {}. The database \
         {}/controller.redb was set back: put the newest one back from the disk's own redundancy. If it is lost: `modelferry embedded \
         remove UUID` removes a model again; one that is wanted, and that no other controller has, stays with `modelferry resolve \
         UUID --supersede UUID`. Either ends this alarm",
        back.join(", "),
        dir.display()
    );
    Some(alarm("database", text))
}

/// Reports models that are held for migrations of which the journal knows nothing.
fn orphan_alarm(ledger: &Ledger, inventory: &Inventory) -> Option<AlarmView> {
    let orphans: Vec<String> = inventory
        .models
        .values()
        .filter(|held| held.mid.is_some_and(|mid| ledger.standing(mid).is_none()))
        .filter(|held| !ledger.in_conflict(held.uuid))
        // A Juju controller that brings a model decides about it, and is in no journal of agents.
        .filter(|held| held.brought.is_none())
        .map(|held| format!("\"{}\" ({})", held.path, held.uuid))
        .collect();
    if orphans.is_empty() {
        return None;
    }
    let text = format!(
        "these models are held for migrations of which the journal knows nothing: {}. They are neither thawed nor removed by \
         themselves. The journal was lost or replaced. Look at the other side first; then, with UUID from this line, \
         `modelferry resolve UUID --supersede UUID` puts a model into service here, and `modelferry resolve UUID \
         --discard-frozen UUID` deletes the copy. Read \"A lost journal has left a model held\" in docs/in-doubt.md",
        orphans.join(", ")
    );
    Some(alarm("journal", text))
}

/// Reports blobs that models need and the store does not have.
fn lacking(inventory: &Inventory, dir: &Path) -> Option<AlarmView> {
    if inventory.lacking.is_empty() {
        return None;
    }
    let models: Vec<String> = inventory.lacking.iter().map(|(model, count)| format!("\"{model}\" ({count})")).collect();
    let dir = dir.display();
    let text = format!(
        "files that models need are missing in {dir}/blobs, or are cut: {}. These models can be neither shown nor moved as a whole. \
         Put the files back from a backup of the directory, each named by its BLAKE3 (`b3sum` tells): this alarm ends by itself. \
         If they are lost, a model comes back from a backup of its own as it was when that was taken, and what is left of it here \
         goes. Prove the backup with `modelferry backup verify FILE`; then type `modelferry embedded remove MODEL` and \
         `modelferry backup restore FILE`",
        models.join(", ")
    );
    Some(alarm("blobs", text))
}

/// Reports whether a file could not be read and was set aside.
fn is_set_aside(dir: &Path, name: &str) -> bool {
    Disk::aside(&dir.join(name)).exists()
}
