//! What the target of a migration checks: whether it could keep the model.

mod belongings;
mod cloud;
mod content;
mod presence;
mod versions;

use modelferry_protocol::plan::{Finding, Level, ModelFacts};

pub use super::facts::{Credential, Kind, Known, LEAVING, ModelPresence, StoragePool, TWO_COPIES, Target};
use super::refusals;
use super::users;
pub use super::users::CHECK as USERS;

/// Returns the first thing that stands against a model whose description is being imported, if anything does.
///
/// A source may have asked before or not: an import holds to the same rules. What only the source could tell,
/// its version, its identity provider and whether machines run the model, is as it told, or is not judged.
pub fn refusal(facts: &ModelFacts, target: &Target) -> Option<Finding> {
    findings(facts, target).into_iter().find(|finding| finding.level == Level::Fail)
}

/// Judges a model that wants to come.
pub fn findings(facts: &ModelFacts, target: &Target) -> Vec<Finding> {
    let mut findings = vec![
        content::live(facts, target),
        content::document(facts),
        cloud::cloud(facts, target),
        cloud::region(facts, target),
        versions::model_version(facts, target),
        versions::controller_version(facts, target),
        users::finding(facts, target),
        presence::uuid(facts, target),
        presence::name(facts, target),
        belongings::credential(facts, target),
        belongings::secret_backends(facts, target),
        belongings::storage_pools(facts, target),
        content::manifests(facts, target),
        content::fan(facts, target),
        users::offer_finding(facts, target),
    ];
    findings.extend(versions::never_run(target));
    findings.extend(refusals::findings(facts, target));
    findings
}
