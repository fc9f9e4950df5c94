//! Where the pods of a model on Kubernetes have the images of their agents from.

use modelferry_protocol::plan::Finding;

use super::facts::{Arriving, Departing};
use crate::controller::checks::{pass, warn};

/// What a controller means by an empty `caas-image-repo`.
const DEFAULT: &str = "Juju's own";

pub(super) fn finding(departing: &Departing, arriving: &Arriving) -> Finding {
    let check = "image-registry";
    if !departing.is_kubernetes {
        return pass(check, "the model is not on Kubernetes, and pulls no images of agents");
    }
    let shown = |repo: &str| if repo.is_empty() { DEFAULT.to_owned() } else { format!("\"{repo}\"") };
    let see = format!("juju controller-config --controller {} caas-image-repo", arriving.controller);
    let Some(there) = &arriving.image_repo else {
        return warn(check, "the destination's controller has not told its image registry (caas-image-repo)", see);
    };
    if *there == departing.image_repo {
        return pass(check, format!("both controllers have images of agents from one registry: {}", shown(there)));
    }
    let text = format!(
        "from the next upgrade or restart on the model's cluster pulls images of agents from the destination's registry, {}, and not \
         from {}: it must reach that one, with its credentials",
        shown(there),
        shown(&departing.image_repo)
    );
    warn(check, text, see)
}
