//! Looks at what is on the disk, and reports what an operator has to mend there.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use modelferry_protocol::ids::ModelUuid;

use super::model_alarms::{compared, is_lost, lacking, live, named};
use crate::controller::embedded::Embedded;
use crate::controller::inventory::ModelLocation;
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
                 key is lost, pair again: on each host `modelferry unpair PEER`, which gives up what nothing was promised about, and names \
                 the rest; then `modelferry pair offer` here, and there what it prints",
                strangers.join(", ")
            );
            self.noted.push(AlarmView::new("identity", text));
        }
        self.lost_limits = peers.lost_limits();
        let unknown: Vec<String> = self.journal.ledger(|ledger| {
            let unfinished = ledger.last_records().filter(|(_, last)| !last.is_at_rest());
            let unknown = unfinished.filter(|(_, last)| peers.by_pin(last.peer()).is_none());
            unknown
                .map(|(mid, last)| {
                    let peer =
                        ledger.terms(mid).map_or_else(String::new, |terms| format!(" with \"{}\"", &*terms.peer));
                    format!("{}{peer}", named(ledger, last.model()))
                })
                .collect()
        });
        if !unknown.is_empty() {
            let text = format!(
                "peers.toml lacks the peers of migrations that have not ended: {}. They wait. If these peers were unpaired, `modelferry \
                 status` says what ends each of them. If not, put {}/peers.toml back from a backup of this host and restart the agent, \
                 or pair with these peers again",
                unknown.join(", "),
                self.dir.display()
            );
            self.noted.push(AlarmView::new("peers", text));
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
        self.noted.push(AlarmView::new("state", text));
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
                alarms.push(AlarmView::new("database", text));
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
        let is_nowhere = inventory.models.get(&model).is_none_or(|held| held.place == ModelLocation::Gone);
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
        Some(AlarmView::new("disk", text))
    }

    fn read_only(&self) -> AlarmView {
        let text = format!(
            "the file system of {} is read-only, as some are after an error of their disk: nothing can be promised. Models stay as they \
             are, and nothing new begins. See why (`dmesg | tail`), look at the disk's health, and mount it writable again: `{}`; then \
             restart the agent",
            self.dir.display(),
            remount_command(&self.dir)
        );
        AlarmView::new("disk", text)
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
        Some(AlarmView::new("limits", text))
    }

    fn set_aside(&self) -> Vec<AlarmView> {
        let dir = self.dir.display();
        let mut alarms = Vec::new();
        let had_peers = self.journal.ledger(|ledger| ledger.last_records().next().is_some());
        let peers_aside = Peers::why_set_aside(&self.dir);
        // A file that was set aside is not missing: its own alarm says what to do.
        if had_peers && peers_aside.is_none() && Peers::is_missing(&self.dir) {
            let text = format!(
                "{dir}/peers.toml is missing, although models have been migrated to or from here: no peer is known, and none is \
                 answered. Stop the agent, put the file back from a backup of this host, and start it; or pair again: this alarm ends \
                 with the first peer"
            );
            alarms.push(AlarmView::new("peers", text));
        }
        if let Some(why) = peers_aside {
            let text = format!(
                "peers.toml could not be read, and lies in {dir}/peers.toml.damaged: {why}. Peers that are not in `modelferry peers` \
                 are not connected, and migrations with them wait. Stop the agent, put {dir}/peers.toml back from a backup or \
                 mend the damaged file, and start it; or pair again. Then remove the damaged file: this alarm ends with it"
            );
            alarms.push(AlarmView::new("peers", text));
        }
        alarms.extend(self.limits());
        if is_set_aside(&self.dir, "state.redb") {
            let text = format!(
                "state.redb was damaged, and lies in {dir}/state.redb.damaged; a new one was begun. No model, no migration and no \
                 complete file of {dir}/blobs is lost: files that were on their way in are sent again. A disk that damages one file \
                 may damage others: look at its health. Then remove the damaged file: this alarm ends with it"
            );
            alarms.push(AlarmView::new("state", text));
        }
        if is_set_aside(&self.dir, "witness.toml") {
            let text = format!(
                "witness.toml could not be read, and lies in {dir}/witness.toml.damaged. Migrations go on; but a peer that was set \
                 back by a backup since its last visit would not be noticed. If that can be, compare the models on both sides \
                 first. Then remove the damaged file: this alarm ends with it"
            );
            alarms.push(AlarmView::new("witness", text));
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
    Some(AlarmView::new("frozen", text))
}

/// Reports whether a file could not be read and was set aside.
fn is_set_aside(dir: &Path, name: &str) -> bool {
    Disk::aside(&dir.join(name)).exists()
}
