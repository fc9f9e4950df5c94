//! Finds spaces that a model refers to and does not define.

use super::thing::Thing;
use crate::controller::description::Description;
use crate::controller::description::application::{Application, ExposedEndpoint};
use crate::controller::description::machine::Constraints;
use crate::controller::description::spaces::{ALPHA, SpaceRef};

/// Returns the spaces in constraints that the model has not.
pub(super) fn in_constraints(description: &Description) -> Vec<Thing> {
    let thing = |(of, space)| Thing {
        name: format!("space \"{space}\" ({of})"),
        fix: format!("juju add-space -m {} {space}", description.name),
    };
    unknown(description).into_iter().map(thing).collect()
}

/// Returns the endpoints that are exposed to a space which the model has not.
pub(super) fn exposed_to(description: &Description) -> Vec<Thing> {
    let mut things = Vec::new();
    for application in &description.applications {
        for (endpoint, exposed) in &application.exposed_endpoints {
            let dangling = exposed.expose_to_spaces.iter().filter(|id| description.space_of(id) == SpaceRef::Dangling);
            things.extend(dangling.map(|id| Thing {
                name: format!(
                    "space \"{id}\" ({} of application {})",
                    if endpoint.is_empty() { "every endpoint".to_owned() } else { format!("endpoint {endpoint}") },
                    application.name,
                ),
                fix: expose(description, application, endpoint, exposed),
            }));
        }
    }
    things
}

/// What stands in a command for the space that an operator has to choose.
const CHOSEN: &str = "NAME";
/// Subnets of everybody: a command that names none of these opens nothing to the world.
const WORLD: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Returns the command that exposes an endpoint as it is, with a space that the operator chooses in place of one that is not
/// there. It never opens an endpoint to the world: somebody may type it without a second look.
fn expose(description: &Description, application: &Application, endpoint: &str, exposed: &ExposedEndpoint) -> String {
    let spaces: Vec<&str> = exposed
        .expose_to_spaces
        .iter()
        .filter_map(|id| if let SpaceRef::Named(name) = description.space_of(id) { Some(name) } else { None })
        // Without any space, and without subnets, the client exposes to everybody.
        .chain([CHOSEN])
        .collect();
    let cidrs: Vec<&str> =
        exposed.expose_to_cidrs.iter().map(String::as_str).filter(|cidr| !WORLD.contains(cidr)).collect();
    let mut command = format!("juju expose -m {} {}", description.name, application.name);
    for (flag, values) in
        [("--endpoints", endpoint.to_owned()), ("--to-spaces", spaces.join(",")), ("--to-cidrs", cidrs.join(","))]
    {
        if !values.is_empty() {
            command.push_str(&format!(" {flag} {values}"));
        }
    }
    command
}

/// Lists the spaces in constraints that the model has not, each once, with who asks for it first.
fn unknown(description: &Description) -> Vec<(String, String)> {
    let machines = description.all_machines().map(|machine| (format!("machine {}", machine.id), &machine.constraints));
    let units = description.all_units().map(|(_, unit)| (format!("unit {}", unit.name), &unit.constraints));
    let applications = description
        .applications
        .iter()
        .map(|application| (format!("application {}", application.name), &application.constraints));
    let all = std::iter::once(("the model".to_owned(), &description.constraints))
        .chain(applications)
        .chain(machines)
        .chain(units);
    let mut unknown: Vec<(String, String)> = Vec::new();
    for (of, constraints) in all {
        for space in wanted(constraints) {
            let is_known = space == ALPHA || description.spaces.iter().any(|known| known.name == space);
            if !is_known && !unknown.iter().any(|(_, told)| told == space) {
                unknown.push((of.clone(), space.to_owned()));
            }
        }
    }
    unknown
}

/// Returns the names of the spaces that a machine must, or must not, be in.
fn wanted(constraints: &Constraints) -> impl Iterator<Item = &str> {
    constraints.spaces.iter().map(|space| space.trim_start_matches('^')).filter(|space| !space.is_empty())
}
