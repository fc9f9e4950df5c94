//! Whether a model's users can go with it.

use std::collections::BTreeSet;

use modelferry_protocol::plan::{Finding, ModelFacts, OfferUser};

use super::facts::Target;
use super::{fail, pass};

/// The check.
pub const CHECK: &str = "users";

fn list(users: &BTreeSet<&str>) -> String {
    users.iter().copied().collect::<Vec<_>>().join("\n  - ")
}

fn add(users: &BTreeSet<&str>, target: &Target) -> String {
    users.iter().map(|user| add_one(user, target)).collect::<Vec<_>>().join(" && ")
}

fn add_one(user: &str, target: &Target) -> String {
    target.fix(
        |name| format!("juju add-user --controller {name} {user}"),
        || format!("modelferry embedded user add {user}"),
    )
}

fn revoke(users: &BTreeSet<&str>, model: &str) -> String {
    users.iter().map(|user| format!("juju revoke {user} read {model}")).collect::<Vec<_>>().join(" && ")
}

/// The check of those who are users of an offer alone.
const OFFER_CHECK: &str = "offer-users";
/// Whom Juju means when it says everybody: no user, and on every controller.
const EVERYBODY: &str = "everyone@external";

/// Compares the users of the model's offers alone with the controller's: an import grants them what they had, and fails
/// where there is no such user.
pub(super) fn offer_finding(facts: &ModelFacts, target: &Target) -> Finding {
    let same_identity = *facts.identity_url == *target.identity_url;
    let is_missing = |user: &str| match user.strip_suffix("@local").unwrap_or(user) {
        EVERYBODY => false,
        user if user.contains('@') => !same_identity,
        user => !target.users.contains(user),
    };
    let missing: Vec<_> = facts.offer_users.iter().filter(|one| is_missing(&one.user)).collect();
    if missing.is_empty() {
        return pass(OFFER_CHECK, "everybody who may use an offer of the model exists");
    }
    let named = missing.iter().map(|one| format!("{} ({} on offer {})", &*one.user, &*one.access, &*one.offer));
    let text = format!(
        "users of the model's offers do not exist on the destination controller, or are of another identity provider: {}",
        named.collect::<Vec<_>>().join(", ")
    );
    let mend = |one: &OfferUser| {
        let user = one.user.strip_suffix("@local").unwrap_or(&one.user);
        if user.contains('@') {
            format!("juju revoke {user} {} {}/{}.{}", &*one.access, &*facts.owner, &*facts.name, &*one.offer)
        } else {
            add_one(user, target)
        }
    };
    // One user may be missing on several offers, and is added once.
    let mut mends: Vec<String> = Vec::new();
    for mend in missing.into_iter().map(mend) {
        if !mends.contains(&mend) {
            mends.push(mend);
        }
    }
    fail(OFFER_CHECK, text, mends.join("\n"))
}

/// Compares the model's users with the controller's. The texts are Juju's, to the byte.
pub(super) fn finding(facts: &ModelFacts, target: &Target) -> Finding {
    let names = facts.users.iter().map(|user| user.strip_suffix("@local").unwrap_or(user));
    let (external, local): (BTreeSet<&str>, BTreeSet<&str>) = names.partition(|user| user.contains('@'));
    let missing: BTreeSet<&str> = local.iter().copied().filter(|user| !target.users.contains(*user)).collect();
    if !external.is_empty() && *facts.identity_url != *target.identity_url {
        let begin = "cannot initiate migration as external users have been granted access to the model\n\
            and the two controllers have different identity provider configurations. To resolve\n\
            this issue you";
        let remove = revoke(&external, &facts.name);
        if missing.is_empty() {
            let text =
                format!("{begin} can remove the following users from the current model:\n  - {}", list(&external));
            return fail(CHECK, text, remove);
        }
        let text = format!(
            "{begin} need to remove the following users from the current model:\n  - {}\n\n\
            and add the following users to the destination controller or remove them from\n\
            the current model:\n  - {}",
            list(&external),
            list(&missing)
        );
        // Two commands for two hosts.
        return fail(CHECK, text, format!("{remove}\n{}", add(&missing, target)));
    }
    if missing.is_empty() {
        return pass(CHECK, format!("all {} users of the model exist", facts.users.len()));
    }
    let text = format!(
        "cannot initiate migration as the users granted access to the model do not exist\n\
        on the destination controller. To resolve this issue you can add the following\n\
        users to the destination controller or remove them from the current model:\n  - {}",
        list(&missing)
    );
    fail(CHECK, text, add(&missing, target))
}
