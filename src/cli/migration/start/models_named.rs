//! Which models a command is about: some by name, or all of them; and where they go.

use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client;
use crate::controller::embedded::view::ModelState;

/// Splits what was named into models and destination, and finds all models if they were asked for.
///
/// Errors: what Juju says when one of the two is missing; [`FailureKind::Refused`] if there is no model at all.
pub(in crate::cli) fn resolve(
    context: &Context,
    names: Vec<String>,
    all: bool,
) -> Result<(Vec<String>, String), Failure> {
    let (named, peer) = split(names, all)?;
    if !all {
        return Ok((named, peer));
    }
    let Response::Models { models, controller, .. } = context.ask(&Request::Models { controller: None })? else {
        return Err(client::unexpected());
    };
    let movable = models.into_iter().filter(|model| !model.is_controller && model.state == ModelState::Live);
    let movable: Vec<String> = movable.map(|model| format!("{}/{}", model.owner, model.name)).collect();
    if movable.is_empty() {
        let message = format!("controller \"{controller}\" has no model in service besides its own");
        return Err(Failure::new(FailureKind::Refused, message).hint("see `modelferry models`"));
    }
    Ok((movable, peer))
}

fn split(mut names: Vec<String>, all: bool) -> Result<(Vec<String>, String), Failure> {
    let usage = |message: &str| Failure::new(FailureKind::Usage, message);
    let peer = names.pop().ok_or_else(|| usage("model not specified"))?;
    match (all, names.is_empty()) {
        (true, false) => Err(usage("--all takes the destination alone").hint("name models, or say --all")),
        (false, true) => {
            Err(usage("target controller not specified").hint("name models and then the peer to move them to"))
        }
        _ => Ok((names, peer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_last_name_is_the_destination() {
        assert_eq!(split(names(&["a", "b", "dst"]), false).unwrap(), (names(&["a", "b"]), "dst".to_owned()));
        assert_eq!(split(names(&["dst"]), true).unwrap(), (Vec::new(), "dst".to_owned()));
    }

    #[test]
    fn what_is_missing_is_told_in_jujus_words() {
        assert_eq!(split(names(&[]), false).unwrap_err().message, "model not specified");
        assert_eq!(split(names(&["prod"]), false).unwrap_err().message, "target controller not specified");
        assert_eq!(split(names(&["prod", "dst"]), true).unwrap_err().kind, FailureKind::Usage);
    }
}
