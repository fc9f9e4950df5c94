//! Checks the names that a description has.

use modelferry_protocol::limits::NAME_BYTES_MAX;

use super::{Description, DescriptionError};

/// Refuses names that could not be printed or made into a file's name, or that no message could carry.
pub(super) fn check_names(description: &Description) -> Result<(), DescriptionError> {
    let plain = |what, name: &str| {
        let ok = name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        if ok { Ok(()) } else { Err(value(what, name)) }
    };
    let component = |what, name: &str| {
        plain(what, name)?;
        if name.is_empty() || name.starts_with('.') || name.contains('/') { Err(value(what, name)) } else { Ok(()) }
    };
    component("the model's name", &description.name)?;
    component("the model's owner", &description.owner)?;
    for (what, name) in [
        ("the agent version", &description.agent_version),
        ("the cloud's name", &description.cloud),
        ("the region's name", &description.region),
        ("the cloud's type", &description.cloud_type),
        ("the secret back-end's id", &description.secret_backend_id),
    ] {
        plain(what, name)?;
    }
    description.users.iter().try_for_each(|user| component("a user's name", &user.name))?;
    for application in &description.applications {
        component("an application's name", &application.name)?;
        component("a charm's URL", &application.charm_url.replace('/', "_"))?;
        application.resources.iter().try_for_each(|resource| component("a resource's name", &resource.name))?;
    }
    let tools = description.all_machines().map(|machine| &machine.tools);
    let tools = tools.chain(description.all_units().map(|(_, unit)| &unit.tools));
    let mut versions = tools.flatten().map(|tools| &tools.tools_version).filter(|version| !version.is_empty());
    versions.try_for_each(|version| component("an agent binary's version", version))
}

pub(super) fn value(what: &'static str, value: &str) -> DescriptionError {
    DescriptionError::Value { what, value: value.chars().take(80).flat_map(char::escape_default).collect() }
}
