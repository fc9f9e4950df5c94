//! What a target must know of a model to judge it.

use std::collections::BTreeSet;

use modelferry_protocol::codec::{Bounded, Text, TooMany};
use modelferry_protocol::plan::{Hurdle, ModelFacts, OfferUser};
use modelferry_protocol::snapshot::Name;

use super::hurdle::Thing;
use super::{Description, DescriptionError};
use crate::config::HurdleKind;
use crate::controller::checks::cut;

/// Things of a kind whose commands are told.
const FIXES_MAX: usize = 5;

impl Description {
    /// Returns what the description tells of the facts; the rest is the source controller's to add.
    ///
    /// Errors: [`DescriptionError::Value`] for more users or pools than any plan carries.
    pub fn facts(&self) -> Result<ModelFacts, DescriptionError> {
        Ok(ModelFacts {
            uuid: self.uuid,
            name: Name::cut(&self.name),
            owner: Name::cut(&self.owner),
            agent_version: Name::cut(&self.agent_version),
            document_version: u16::try_from(self.document_version).unwrap_or(u16::MAX),
            cloud: Name::cut(&self.cloud),
            region: Name::cut(&self.region),
            cloud_type: Name::cut(&self.cloud_type),
            users: names("the number of users", self.user_names())?,
            credential: self.credential.as_ref().map_or_else(Name::default, |credential| {
                Name::cut(format!("{}/{}/{}", credential.owner, credential.cloud, credential.name))
            }),
            secret_backends: names("the number of secret back-ends", self.secret_backends())?,
            storage_pools: names("the number of storage pools", self.pools_used())?,
            charms_without_manifest: names("the number of charms", self.charms_without_manifest())?,
            fan: Text::cut(&self.fan),
            offer_users: Bounded::truncated(self.offer_users()),
            sections: Bounded::truncated(
                self.sections.iter().map(|(name, version)| Name::cut(format!("{name}:{version}"))).collect(),
            ),
            hurdles: Bounded::truncated(self.hurdles().iter().map(|(kind, things)| hurdle(*kind, things)).collect()),
            ..ModelFacts::default()
        })
    }

    /// Returns the model's users and its owner, each once.
    fn user_names(&self) -> BTreeSet<String> {
        self.users.iter().map(|user| &user.name).chain([&self.owner]).cloned().collect()
    }

    /// Returns who may use what the model offers, and not the model itself, each once.
    fn offer_users(&self) -> Vec<OfferUser> {
        let local = |user: &str| user.strip_suffix("@local").unwrap_or(user).to_owned();
        let mut seen: BTreeSet<String> = self.user_names().iter().map(|user| local(user)).collect();
        let mut users = Vec::new();
        for offer in self.applications.iter().flat_map(|application| &application.offers) {
            for (user, access) in offer.acl.iter().filter(|(user, _)| seen.insert(local(user))) {
                let offer = Name::cut(&offer.offer_name);
                users.push(OfferUser { user: Name::cut(user), offer, access: Name::cut(access) });
            }
        }
        users
    }

    /// Returns the ids of the secret back-ends outside the controller that the model refers to.
    pub fn secret_backends(&self) -> BTreeSet<String> {
        let revisions = self.secrets.iter().flat_map(|secret| &secret.revisions);
        let referred = revisions.filter_map(|revision| revision.value_ref.as_ref()).map(|at| &at.backend_id);
        referred.chain([&self.secret_backend_id]).filter(|id| !id.is_empty()).cloned().collect()
    }

    /// Returns the storage pools in use as `name:provider`. A pool that the model did not define is its provider's own.
    fn pools_used(&self) -> BTreeSet<String> {
        let directives = self.applications.iter().flat_map(|application| application.storage_directives.values());
        let used = directives
            .map(|directive| &directive.pool)
            .chain(self.storages.iter().map(|storage| &storage.constraints.pool))
            .chain(self.volumes.iter().map(|volume| &volume.0.pool))
            .chain(self.filesystems.iter().map(|filesystem| &filesystem.0.pool));
        let provider = |pool: &str| {
            self.storage_pools.iter().find(|known| known.name == pool).map_or(pool, |known| &known.provider).to_owned()
        };
        used.filter(|pool| !pool.is_empty()).map(|pool| format!("{pool}:{}", provider(pool))).collect()
    }

    /// Counts what the model has, in the order in which people ask.
    pub fn counts(&self) -> Vec<(String, u64)> {
        let offers = self.applications.iter().map(|application| application.offers.len()).sum();
        [
            ("machines", self.machines.len()),
            ("containers", self.all_machines().count() - self.machines.len()),
            ("applications", self.applications.len()),
            ("units", self.all_units().count()),
            ("relations", self.relations.len()),
            ("offers", offers),
            ("saas", self.remote_applications.iter().filter(|remote| !remote.is_consumer_proxy).count()),
            ("spaces", self.spaces.len()),
            ("subnets", self.subnets.len()),
            ("storage", self.storages.len()),
            ("volumes", self.volumes.len()),
            ("filesystems", self.filesystems.len()),
            ("secrets", self.secrets.len()),
            ("users", self.users.len()),
        ]
        .map(|(what, count)| (what.to_owned(), count as u64))
        .to_vec()
    }

    /// Returns the URLs of the charms without a `manifest.yaml`.
    fn charms_without_manifest(&self) -> BTreeSet<String> {
        let without = self.applications.iter().filter(|application| !application.has_manifest());
        without.map(|application| application.charm_url.clone()).collect()
    }
}

/// Writes things of a kind as they travel: the first few, and what mends each.
fn hurdle(kind: HurdleKind, things: &[Thing]) -> Hurdle {
    let named: Vec<String> = things.iter().map(|thing| thing.name.clone()).collect();
    let mut fixes: Vec<&str> = Vec::new();
    for thing in things.iter().take(FIXES_MAX) {
        if !fixes.contains(&thing.fix.as_str()) {
            fixes.push(&thing.fix);
        }
    }
    let kind = Name::cut(kind.as_str());
    Hurdle { kind, things: Text::cut(cut(&named).join(", ")), fix: Text::cut(fixes.join("\n")) }
}

fn names<const N: usize>(what: &'static str, names: BTreeSet<String>) -> Result<Bounded<Name, N>, DescriptionError> {
    Bounded::new(names.into_iter().map(Name::cut).collect())
        .map_err(|TooMany { count, .. }| DescriptionError::Value { what, value: count.to_string() })
}
