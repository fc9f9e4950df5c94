//! A model out of a file alone, shown as if a controller had it.

use jiff::Timestamp;

use super::named::Named;
use crate::controller::description::Description;
use crate::controller::embedded::view::{CredentialView, ModelDetails, ModelRow, ModelState, ModelUserView};

/// The user whose access and connections a list of models tells: the administrator, as on a controller.
const ADMIN: &str = "admin";

/// Returns what is known of a model from its description alone.
///
/// `from`: what stands where its controller's name would.
pub fn details(description: &Description, from: &str) -> ModelDetails {
    ModelDetails {
        row: row(description),
        controller_name: from.to_owned(),
        controller_uuid: String::new(),
        agent_version: description.agent_version.clone(),
        sla: description.sla.clone(),
        message: description.status.message.clone(),
        since_ms: since_ms(description),
        users: users(description),
        cores: cores(description),
        credential: description.credential.as_ref().map(|credential| CredentialView {
            name: credential.name.clone(),
            owner: credential.owner.clone(),
            cloud: credential.cloud.clone(),
            validity: String::new(),
        }),
        document_version: description.document_version,
        description_bytes: 0,
        description_hash: String::new(),
        binaries: description.wanted().len() as u64,
        binaries_held: 0,
        entries: 0,
        counts: description.counts(),
        mid: None,
        brought: None,
    }
}

fn row(description: &Description) -> ModelRow {
    let status = &description.status.value;
    let admin = description.users.iter().find(|user| user.name == ADMIN);
    ModelRow {
        name: description.name.clone(),
        owner: description.owner.clone(),
        uuid: description.uuid.to_string(),
        model_type: description.kind.as_str().to_owned(),
        cloud: description.cloud.clone(),
        region: description.region.clone(),
        cloud_type: description.cloud_type.clone(),
        status: if status.is_empty() { "available".to_owned() } else { status.clone() },
        machines: description.machines.len() as u64,
        units: description.all_units().count() as u64,
        access: admin.map_or_else(|| "-".to_owned(), |admin| admin.access.clone()),
        last_connection: admin.map(|admin| admin.last_connection.clone()).filter(|at| !at.is_empty()),
        state: ModelState::Live,
        // A file holds no binaries, and is none the worse for it.
        incomplete: false,
        is_controller: false,
    }
}

/// Returns since when the model has its status, Unix milliseconds; 0 where the document does not tell.
fn since_ms(description: &Description) -> u64 {
    let since = description.status.updated.parse::<Timestamp>().ok();
    since.and_then(|since| u64::try_from(since.as_millisecond()).ok()).unwrap_or(0)
}

/// Returns a model's users.
pub(in crate::controller) fn users(description: &Description) -> Vec<ModelUserView> {
    let users = description.users.iter().map(|user| ModelUserView {
        name: user.name.clone(),
        display_name: user.display_name.clone(),
        access: user.access.clone(),
        last_connection: Some(user.last_connection.clone()).filter(|at| !at.is_empty()),
    });
    users.collect()
}

/// Returns the cores of a model's machines.
pub(in crate::controller) fn cores(description: &Description) -> Named<u64> {
    let cores = |machine: &crate::controller::description::machine::Machine| {
        machine.instance.as_ref().map_or(0, |instance| instance.cores)
    };
    description.machines.iter().map(|machine| (machine.id.clone(), cores(machine))).collect()
}
