//! Opens the files of the state directory, in the order in which the parts depend on each other.

use std::any::Any;
use std::convert::Infallible;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use modelferry_protocol::ids::Pin;
use modelferry_protocol::ledger::Ledger;
use modelferry_protocol::record::{Alarm, AlarmKind, Body, Entry, Removed};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::switch::Cause;

use super::AgentError;
use super::control::view::ControllerView;
use super::inspection::alarms::Memory;
use super::inspection::model_alarms::served;
use super::inspection::state_check;
use crate::clock::now_ms;
use crate::config::{Config, ControllerConfig};
use crate::controller::embedded::Embedded;
use crate::controller::juju::Juju;
use crate::controller::local::LocalController;
use crate::controller::port::ControllerError;
use crate::disk::database::DatabaseError;
use crate::disk::words::io_kind;
use crate::disk::{Disk, quoted, remount_command};
use crate::engine::causes;
use crate::engine::view::AlarmView;
use crate::journal::{Journal, JournalError, Witness};
use crate::link::{Identity, Peers};
use crate::store::Store;

/// An operator makes this file in the state directory to have a new, empty controller made.
pub const NEW_CONTROLLER: &str = "new-controller";

/// What ends an untrusted journal.
const JOURNAL_REMEDY: &str = "Nothing is sent, thawed, frozen, activated or deleted until this is mended, and every model stays \
     as it is. Mend the disk, or put both journal files back from its own redundancy, never from an older backup; then \
     restart the agent. If they are lost, see docs/in-doubt.md, \"The journal cannot be trusted\"";

/// What is on disk, or what is left of it.
pub enum Opening {
    /// All of it.
    Whole(Box<Opened>),
    /// Something that the agent must not act without.
    StatusOnly(Box<StatusOnly>),
}

/// The parts of an agent that are on disk.
pub struct Opened {
    pub journal: Journal,
    pub witness: Witness,
    pub store: Store,
    pub embedded: Embedded,
    pub local: Arc<dyn LocalController>,
    pub identity: Identity,
    pub peers: Peers,
    pub memory: Memory,
}

/// Why an agent only reports its status, and what it reports.
pub struct StatusOnly {
    /// The controller as far as it is known.
    pub controller: ControllerView,
    /// What is wrong.
    pub alarm: AlarmView,
    /// What is wrong, without what to do.
    pub reason: String,
    /// Keeps a second agent away.
    pub guard: Guard,
}

/// Keeps a second agent away from a state directory for as long as it lives.
pub type Guard = Box<dyn Any + Send + Sync>;

/// Opens what is on disk, unless other users can change it: first the journal, which also keeps a second agent away from all the rest.
pub fn open(config: &Config) -> Result<Opening, AgentError> {
    let dir = &config.state_dir;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    let checked = made.and_then(|()| state_check::check(dir, rustix::process::geteuid().as_raw()));
    checked.map_err(|source| AgentError::StateDir { path: dir.clone(), source })??;
    let disk = Disk::real();
    // Each of these comes after the journal.
    let had_run =
        [Embedded::database_path(dir), dir.join("peers.toml"), dir.join("witness.toml")].iter().any(|it| it.exists());
    let (journal, found) = match Journal::open(dir, disk.clone()) {
        Ok(opened) => opened,
        // Whoever holds the lock may be acting on it.
        Err(locked @ JournalError::Locked(_)) => return Err(locked.into()),
        Err(untrusted) => return Ok(without_journal(config, &disk, &untrusted)),
    };
    if let Some(bytes) = found.truncated_bytes {
        tracing::warn!(bytes, "the journal's last record was not complete, and nothing had followed from it");
    }
    let had_table = Store::has_table(dir);
    let store = Store::open(dir, disk.clone())?;
    let embedded = match open_controller(config, &journal, &store, &disk)? {
        Ok(embedded) => embedded,
        Err(reason) => return Ok(without_controller(config, journal, reason)),
    };
    tell_removed(&journal, &embedded)?;
    let local = beside(config, &embedded, &store, &disk)?;
    let mut memory = Memory::new(dir, journal.clone(), embedded.clone(), local.clone());
    let had_witness = !Witness::is_missing(dir);
    let witness = Witness::load(dir, &disk)?;
    let identity = Identity::load_or_create(dir, &disk)?;
    if found.created && had_run {
        journal.append(vec![begun_anew(config, &local.card().name, identity.pin())])?;
    }
    let peers = Peers::load(dir, &disk)?.owned_by(identity.pin());
    if Witness::is_missing(dir) {
        let has_met = !peers.list().is_empty() || journal.ledger(|ledger| ledger.last_records().next().is_some());
        // One that was damaged has an alarm of its own, and a journal that was begun anew as well.
        let is_lost = has_met && !had_witness && !found.created;
        begin_witness(&journal, &witness, is_lost.then(|| witness_lost(config, &local.card().name, identity.pin())))?;
    }
    memory.note_peers(&peers);
    if had_run && !had_table {
        memory.note_new_table();
    }
    Ok(Opening::Whole(Box::new(Opened { journal, witness, store, embedded, local, identity, peers, memory })))
}

/// Tells the journal of models that were removed, where the agent ended before it could.
fn tell_removed(journal: &Journal, embedded: &Embedded) -> Result<(), AgentError> {
    for model in embedded.removed()? {
        let cause = Cause::cut("removed before this start, as the controller's database says");
        let body = Body::Removed(Removed { model, cause });
        let entry = Entry { time_ms: now_ms(), actor: Name::cut("agent"), body };
        let decide =
            |ledger: &Ledger| Ok::<_, Infallible>(if ledger.is_live(model) { vec![entry] } else { Vec::new() });
        match journal.append_with(decide) {
            Ok(Ok(_)) => {}
            // On a disk without room the next start does so.
            Err(JournalError::ReserveLow { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        if let Err(error) = embedded.forget_removed(model) {
            tracing::warn!(%model, "the database goes on remembering that the model was removed: {error}");
        }
    }
    Ok(())
}

/// Returns the controller beside the agent. The embedded one is there in any case, without models where another one is.
fn beside(
    config: &Config,
    embedded: &Embedded,
    store: &Store,
    disk: &Disk,
) -> Result<Arc<dyn LocalController>, AgentError> {
    let ControllerConfig::Juju(juju) = &config.controller else { return Ok(Arc::new(embedded.clone())) };
    let own: Vec<String> =
        embedded.models()?.into_iter().filter(|row| !row.is_controller).map(|row| row.name).collect();
    if !own.is_empty() {
        let text = format!(
            "this agent's embedded controller has models ({}), and the configuration puts the agent beside the real controller \
             \"{}\": migrate or export them first, or give the real one an agent with a state-dir of its own",
            own.join(", "),
            juju.name
        );
        return Err(ControllerError::Refused(text).into());
    }
    let refusals = config.embedded.refusals.clone();
    let opened = Juju::open(&config.state_dir, juju.clone(), refusals, store.clone(), disk.clone())?;
    Ok(Arc::new(opened))
}

/// Opens the controller's database. Inner error: why it must not be acted without what it held.
fn open_controller(
    config: &Config,
    journal: &Journal,
    store: &Store,
    disk: &Disk,
) -> Result<Result<Embedded, String>, AgentError> {
    let dir = &config.state_dir;
    let path = Embedded::database_path(dir);
    let wanted = dir.join(NEW_CONTROLLER);
    let has_begun = journal.sequence() > 0 || !store.blobs()?.is_empty();
    let is_new = !path.exists();
    if is_new && has_begun && !wanted.exists() {
        return Ok(Err(format!("`{}` is missing", path.display())));
    }
    if path.is_dir() {
        return Ok(Err(format!("`{}` is a directory, where a database was", path.display())));
    }
    match Embedded::open(dir, config.embedded.clone(), store.clone(), disk.clone()) {
        Ok(embedded) => {
            if is_new && has_begun {
                // What ended under the old database is over.
                embedded.end_all(journal.ledger(|ledger| {
                    ledger.last_records().filter(|(_, last)| last.is_at_rest()).map(|(mid, _)| mid).collect()
                }))?;
            }
            // Asked for once.
            disk.remove(&wanted).map_err(|source| AgentError::StateDir { path: wanted.clone(), source })?;
            Ok(Ok(embedded))
        }
        Err(ControllerError::Storage(error))
            if matches!(error.downcast_ref::<DatabaseError>(), Some(DatabaseError::Damaged { .. })) =>
        {
            Ok(Err(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Writes an empty list of what peers have shown, so that a later start knows that there was one.
///
/// `lost`: the alarm to record first, if there has been one before.
fn begin_witness(journal: &Journal, witness: &Witness, lost: Option<Entry>) -> Result<(), AgentError> {
    match journal.append(lost.into_iter().collect()) {
        // On a disk without room the next start does so.
        Err(JournalError::ReserveLow { .. }) => return Ok(()),
        appended => appended?,
    }
    if let Err(error) = witness.save() {
        tracing::warn!("{}", causes(&error));
    }
    Ok(())
}

/// Makes the alarm about a journal that was begun although the agent has had one before. `controller`: the name of the one
/// beside the agent.
fn begun_anew(config: &Config, controller: &str, own: Pin) -> Entry {
    let text = format!(
        "the journal in {} was missing or empty, although this agent had run before, and a new one was begun: what it had promised \
         to its peers is lost. If you moved it away yourself, go on as you were told. If not: stop the agent and put journal.0 and \
         journal.1 back from the disk's own redundancy, never from an older backup; or read \"The journal cannot be trusted\" in \
         docs/in-doubt.md. Then `modelferry resolve {} --acknowledge` ends this alarm",
        config.state_dir.display(),
        controller
    );
    of_own(own, AlarmKind::Journal, text)
}

/// Makes the alarm about a list of what peers have shown that was there and is gone.
fn witness_lost(config: &Config, controller: &str, own: Pin) -> Entry {
    let text = format!(
        "{}/witness.toml was missing at a start, although this agent had met peers, and an empty one was begun. Migrations go on; but a \
         peer that was set back by a backup since its last visit would not be noticed. Stop the agent, put the file back from a \
         backup of this host, however old, and start it. If there is none, and a peer can have been set back: compare the \
         models on both sides first. Then `modelferry resolve {} --acknowledge` ends this alarm",
        config.state_dir.display(),
        controller
    );
    of_own(own, AlarmKind::Witness, text)
}

/// Makes the record of an alarm about this agent itself.
fn of_own(own: Pin, kind: AlarmKind, text: String) -> Entry {
    tracing::error!("ALARM: {text}");
    let body = Body::Alarm(Alarm { peer: own, kind, text: Cause::cut(text) });
    Entry { time_ms: now_ms(), actor: Name::cut("agent"), body }
}

fn without_controller(config: &Config, journal: Journal, reason: String) -> Opening {
    let models = journal.ledger(served);
    let models = match models.as_slice() {
        [] => "The journal knows of no model that a migration brought here".to_owned(),
        models => format!("The journal says that these models are here: {}", models.join(", ")),
    };
    let dir = config.state_dir.display();
    let text = format!(
        "{reason}. {models}; others may have been. Nothing is sent, thawed, frozen, activated or deleted until this is \
         mended. Put the file back from the disk's own redundancy (a mirror, a snapshot of this moment), then restart the \
         agent. If it is lost: move what is left of it out of {dir}, type `touch {dir}/{NEW_CONTROLLER}`, restart the \
         agent, and take the models in again with `modelferry backup restore FILE --source-lost`: the new controller has another \
         UUID, and the lost one cannot be asked"
    );
    status_only(config, None, "database", reason, text, Box::new(journal))
}

fn without_journal(config: &Config, disk: &Disk, untrusted: &JournalError) -> Opening {
    let dir = &config.state_dir;
    let guard = Box::new(disk.lock_dir(dir).ok().flatten());
    let seen = Store::open(dir, disk.clone())
        .ok()
        .filter(|_| Embedded::database_path(dir).exists())
        .and_then(|store| Embedded::open(dir, config.embedded.clone(), store, disk.clone()).ok())
        .and_then(|embedded| embedded.view().ok());
    let reason = causes(untrusted);
    let shown = quoted(dir);
    let text = match io_kind(untrusted) {
        Some(ErrorKind::ReadOnlyFilesystem) => format!(
            "{reason}. The file system of {shown} is mounted read-only, so that nothing can be promised, and every model stays as it \
             is. See why (`dmesg | tail`); mount it writable again, for instance `{}`; then restart the agent",
            remount_command(dir)
        ),
        Some(ErrorKind::PermissionDenied) => format!(
            "{reason}. The agent runs as user {uid} and may not write there, so that nothing can be promised, and every model stays as \
             it is. See whose it is (`ls -ld {shown}`); give it to that user, for instance `sudo chown -R {uid} {shown}`; then \
             restart the agent",
            uid = rustix::process::geteuid().as_raw()
        ),
        _ => format!("{reason}. {JOURNAL_REMEDY}"),
    };
    status_only(config, seen.map(ControllerView::from), "journal", reason, text, guard)
}

fn status_only(
    config: &Config,
    controller: Option<ControllerView>,
    kind: &str,
    reason: String,
    text: String,
    guard: Guard,
) -> Opening {
    let known = ControllerView {
        name: config.embedded.name.clone(),
        version: config.embedded.version.clone(),
        cloud: config.embedded.cloud.clone(),
        region: config.embedded.region.clone(),
        cloud_type: config.embedded.cloud_type.clone(),
        ..ControllerView::default()
    };
    let alarm = AlarmView::new(kind, text);
    Opening::StatusOnly(Box::new(StatusOnly { controller: controller.unwrap_or(known), alarm, reason, guard }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use modelferry_protocol::ids::ModelUuid;
    use modelferry_protocol::record::Restored;

    use super::*;
    use crate::config::Environment;
    use crate::controller::embedded::Blobs;
    use crate::controller::files::OwnFiles;

    const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/tiny.yaml");

    fn whole(config: &Config) -> Opened {
        match open(config).unwrap() {
            Opening::Whole(opened) => *opened,
            Opening::StatusOnly(only) => panic!("{}", only.reason),
        }
    }

    /// Otherwise the next loss of the database would name the model as lost.
    #[test]
    fn a_removal_that_the_agent_did_not_live_to_record_is_recorded_at_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("state-dir = {:?}\n", dir.path().join("state"));
        let config = Config::parse(&text, Path::new("agent.toml"), &Environment::default()).unwrap();
        let opened = whole(&config);
        opened.embedded.import(Path::new(TINY), &Blobs::Without, &mut OwnFiles).unwrap();
        let model: ModelUuid = opened.embedded.find("tiny").unwrap();
        // The journal knows the model, and the database alone that it was removed.
        let body = Body::Restored(Restored { model, epoch: 1, cause: Cause::cut("of a test") });
        opened.journal.append(vec![Entry { time_ms: 1, actor: Name::cut("test"), body }]).unwrap();
        opened.embedded.remove("tiny").unwrap();
        assert!(opened.journal.ledger(|ledger| ledger.is_live(model)));
        drop(opened);
        let opened = whole(&config);
        assert!(opened.journal.ledger(|ledger| ledger.is_removed(model) && !ledger.is_live(model)));
        assert!(opened.embedded.removed().unwrap().is_empty(), "what the journal knows is forgotten");
    }
}
