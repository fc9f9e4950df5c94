//! Whether the target has the model, or another of its name.

use modelferry_protocol::plan::{Finding, ModelFacts};

use crate::controller::checks::facts::{Known, LEAVING, ModelPresence, TWO_COPIES, Target};
use crate::controller::checks::{fail, pass};

pub(super) fn uuid(facts: &ModelFacts, target: &Target) -> Finding {
    let check = "uuid";
    let Some(known) = target.models.iter().find(|known| known.uuid == facts.uuid) else {
        return pass(check, "no model of that UUID is here");
    };
    let exists = format!("model with same UUID already exists ({})", facts.uuid);
    match known.presence {
        ModelPresence::Ours => pass(check, "the copy of the model that is here is this migration's own"),
        ModelPresence::Gone => pass(check, "the model was here before, and comes back"),
        // Which of the two counts only a person can tell, so nothing is to be typed that ends one of them.
        ModelPresence::Live => {
            let model = format!("{}/{}", known.owner, known.name);
            let fix = target.fix(
                |name| format!("juju show-model {name}:{model} # and on the other controller; then read {TWO_COPIES}"),
                || format!("modelferry show-model {model} # and on the other host; then read {TWO_COPIES}"),
            );
            fail(check, exists, fix)
        }
        ModelPresence::Leaving => fail(check, LEAVING, "modelferry migrations"),
        ModelPresence::LeftOver => {
            // Juju's own prechecks let it pass, and its import fails. Only the migration that made it can remove it.
            let fix = known.mid.map_or_else(
                || "modelferry migrations".to_owned(),
                |mid| format!("modelferry abort {mid} # on the host of its source"),
            );
            fail(check, format!("{exists}: the left-over import of another migration; abort that on its source"), fix)
        }
    }
}

pub(super) fn name(facts: &ModelFacts, target: &Target) -> Finding {
    let same = |known: &&Known| known.uuid != facts.uuid && known.name == *facts.name && known.owner == *facts.owner;
    match target.models.iter().filter(same).find(|known| known.presence != ModelPresence::Gone) {
        None => pass("name", format!("no model is called {}/{}", &*facts.owner, &*facts.name)),
        Some(known) => {
            let model = format!("{}/{}", known.owner, known.name);
            // It may be in service: whether it can go, only its operator knows.
            let other = format!("another model, of UUID {}, has that name there", known.uuid);
            let fix = target.fix(
                |name| format!("juju show-model {name}:{model} # {other}"),
                || format!("modelferry show-model {model} # {other}"),
            );
            fail("name", format!("model named \"{}\" already exists", known.name), fix)
        }
    }
}
