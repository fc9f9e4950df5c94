//! Compares the models that the journal knows with those that the controller has.

use std::collections::BTreeSet;
use std::path::Path;

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::switch::source::SourceState;

use crate::controller::inventory::{Held, Inventory, ModelLocation};
use crate::engine::view::AlarmView;

/// Returns the name of a model as its last migration knew it, with its UUID.
pub fn named(ledger: &Ledger, model: ModelUuid) -> String {
    let of_model = ledger.last_records().filter(|(_, last)| last.model() == model);
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

/// Compares the journal with the controller's models. `before`: what the journal said before these were listed.
pub fn compared(before: &BTreeSet<ModelUuid>, ledger: &Ledger, inventory: &Inventory, dir: &Path) -> Vec<AlarmView> {
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
pub fn live(ledger: &Ledger) -> BTreeSet<ModelUuid> {
    ledger.holdings().filter(|(_, holding)| holding.live).map(|(model, _)| model).collect()
}

/// Reports whether the controller does not serve a model that the journal holds to be in service here.
pub fn is_lost(ledger: &Ledger, inventory: &Inventory, model: ModelUuid) -> bool {
    let is_removed = inventory.removed.contains(&model);
    match inventory.models.get(&model) {
        None => !is_removed,
        Some(held) => match held.place {
            ModelLocation::Gone => !is_removed,
            ModelLocation::Arriving => ledger.busy(model).is_none(),
            ModelLocation::Frozen => held.is_handed && ledger.busy(model).is_none(),
            ModelLocation::Live => false,
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
        |model: &&ModelUuid| inventory.models.get(*model).is_some_and(|held| held.place == ModelLocation::Frozen);
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
    Some(AlarmView::new("database", text))
}

/// Reports models that have moved away, and that a database which was set back has again.
fn back_alarm(ledger: &Ledger, inventory: &Inventory, dir: &Path) -> Option<AlarmView> {
    let back: Vec<String> = ledger
        .last_records()
        .filter(|(mid, last)| {
            let left = matches!(last, LastRecord::Source(record) if matches!(record.state, SourceState::Moved(_)));
            let place = inventory.models.get(&last.model()).map(|held| held.place);
            left && !inventory.ended.contains(mid)
                && !ledger.is_live(last.model())
                && matches!(place, Some(ModelLocation::Live | ModelLocation::Frozen))
        })
        .map(|(mid, last)| {
            let to = ledger.terms(mid).map_or_else(String::new, |terms| format!(" to \"{}\"", &*terms.peer));
            format!("{}{to}", named(ledger, last.model()))
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
    Some(AlarmView::new("database", text))
}

/// Reports models that an operator removed, and that a database which was set back has in service again.
fn removed_alarm(ledger: &Ledger, inventory: &Inventory, dir: &Path) -> Option<AlarmView> {
    let came_before = |held: &&Held| held.came.is_some_and(|mid| ledger.last_record(mid).is_some());
    let live =
        inventory.models.values().filter(|held| held.place == ModelLocation::Live && ledger.is_removed(held.uuid));
    // One that came in another way since has not come back by itself.
    let back: Vec<String> = live.filter(came_before).map(|held| named(ledger, held.uuid)).collect();
    if back.is_empty() {
        return None;
    }
    let text = format!(
        "the journal says that an operator removed these models, and the controller has them in service again: {}. The database \
         {}/controller.redb was set back: put the newest one back from the disk's own redundancy. If it is lost: `modelferry embedded \
         remove UUID` removes a model again; one that is wanted, and that no other controller has, stays with `modelferry resolve \
         UUID --keep-mine UUID`. Either ends this alarm",
        back.join(", "),
        dir.display()
    );
    Some(AlarmView::new("database", text))
}

/// Reports models that are held for migrations of which the journal knows nothing.
fn orphan_alarm(ledger: &Ledger, inventory: &Inventory) -> Option<AlarmView> {
    let orphans: Vec<String> = inventory
        .models
        .values()
        .filter(|held| held.mid.is_some_and(|mid| ledger.last_record(mid).is_none()))
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
         `modelferry resolve UUID --keep-mine UUID` puts a model into service here, and `modelferry resolve UUID \
         --discard-frozen UUID` deletes the copy. Read \"A lost journal has left a model held\" in docs/in-doubt.md",
        orphans.join(", ")
    );
    Some(AlarmView::new("journal", text))
}

/// Reports blobs that models need and the store does not have.
pub fn lacking(inventory: &Inventory, dir: &Path) -> Option<AlarmView> {
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
    Some(AlarmView::new("blobs", text))
}
