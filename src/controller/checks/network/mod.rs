//! A model's networks beside those that the destination knows: what exists there, what clashes, what that means.
//!
//! Spaces, subnets and bindings belong to the model, and an import makes them again as the description has
//! them; nothing is looked up on the destination, and nothing is refused for what is missing there. So what is
//! found here is for people, who find out otherwise when the first unit is added. `docs/networks.md` has it all.

#[cfg(test)]
mod tests;

use ipnet::IpNet;
use modelferry_protocol::plan::{Finding, NetworkSubnet, Networks};
use serde::{Deserialize, Serialize};

use super::{NAMED_MAX, pass, warn};
use crate::controller::description::spaces::{ALPHA, SpaceRef};
use crate::controller::description::{Description, ModelKind};

/// How something stands with what the destination knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum There {
    /// It exists there.
    Yes,
    /// It does not.
    No,
    /// Something else there has the same addresses.
    Clash,
    /// The destination does not tell.
    Unknown,
    /// The model itself has not what is referred to.
    Dangling,
}

/// A space of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SpaceRow {
    /// Its name.
    pub name: String,
    /// The cloud's id of it, empty where there is none.
    pub provider_id: String,
    /// Whether it exists on the destination.
    pub there: There,
    /// What that means, and what an import does.
    pub means: String,
}

/// A subnet of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SubnetRow {
    /// Its addresses.
    pub cidr: String,
    /// The cloud's id of it, empty where there is none.
    pub provider_id: String,
    /// Where it can be used.
    pub zones: Vec<String>,
    /// Its space.
    pub space: String,
    /// Whether it exists on the destination.
    pub there: There,
    /// What that means, and what an import does.
    pub means: String,
}

/// An endpoint's binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BindingRow {
    /// The application.
    pub application: String,
    /// The endpoint; empty for the default of all others.
    pub endpoint: String,
    /// The space, or the reference that leads to none.
    pub space: String,
    /// Whether that space exists on the destination.
    pub there: There,
    /// What that means, and what an import does.
    pub means: String,
}

/// A model's networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NetworkTable {
    /// Its spaces.
    pub spaces: Vec<SpaceRow>,
    /// Its subnets.
    pub subnets: Vec<SubnetRow>,
    /// Its applications' bindings.
    pub bindings: Vec<BindingRow>,
}

impl NetworkTable {
    /// Lists a model's networks, of which it is not yet known whether they exist elsewhere.
    pub fn of(description: &Description) -> Self {
        if description.kind == ModelKind::Caas {
            // Kubernetes has neither spaces nor subnets; what stands in the document is made anew everywhere.
            return Self::default();
        }
        let (there, means) = (There::Unknown, String::new());
        let name = |reference: &str| match description.space_of(reference) {
            SpaceRef::Named(name) => (name.to_owned(), There::Unknown),
            SpaceRef::Dangling => (reference.to_owned(), There::Dangling),
            SpaceRef::Untold => (reference.to_owned(), There::Unknown),
        };
        let space_of_subnet = |subnet: &crate::controller::description::network::Subnet| {
            let references = [&subnet.space_uuid, &subnet.space_id, &subnet.space_name];
            references.into_iter().find(|reference| !reference.is_empty()).map_or(ALPHA.to_owned(), |one| name(one).0)
        };
        Self {
            spaces: description
                .spaces
                .iter()
                .map(|space| SpaceRow {
                    name: space.name.clone(),
                    provider_id: space.provider_id.clone(),
                    there,
                    means: means.clone(),
                })
                .collect(),
            subnets: description
                .subnets
                .iter()
                .map(|subnet| SubnetRow {
                    cidr: subnet.cidr.clone(),
                    provider_id: subnet.provider_id.clone(),
                    zones: subnet.availability_zones.clone(),
                    space: space_of_subnet(subnet),
                    there,
                    means: means.clone(),
                })
                .collect(),
            bindings: description
                .applications
                .iter()
                .flat_map(|application| application.endpoint_bindings.iter().map(move |binding| (application, binding)))
                .map(|(application, (endpoint, reference))| {
                    let (space, there) = name(reference);
                    let means = means.clone();
                    BindingRow {
                        application: application.name.clone(),
                        endpoint: endpoint.clone(),
                        space,
                        there,
                        means,
                    }
                })
                .collect(),
        }
    }

    /// Reports whether the model has no networks of its own: one on Kubernetes.
    pub fn is_empty(&self) -> bool {
        self.spaces.is_empty() && self.subnets.is_empty() && self.bindings.is_empty()
    }

    /// Compares the model's networks with those that the destination knows.
    pub fn compare(&mut self, there: &Networks) {
        let space_there = |name: &str| match (there.told, there.spaces.iter().any(|known| **known == *name)) {
            // Every model has it, whatever the cloud.
            _ if name == ALPHA => There::Yes,
            (false, _) => There::Unknown,
            (true, true) => There::Yes,
            (true, false) => There::No,
        };
        for space in &mut self.spaces {
            space.there = space_there(&space.name);
            space.means = match space.there {
                There::Yes if space.name == ALPHA => "every model has it, so an import makes none",
                There::Yes => "an import makes it again under the same id",
                There::No => {
                    "an import makes it again all the same; a unit that asks for it afterwards finds no network of it there"
                }
                There::Unknown | There::Clash | There::Dangling => {
                    "the destination does not tell; an import makes it again under the same id"
                }
            }
            .to_owned();
        }
        for subnet in &mut self.subnets {
            (subnet.there, subnet.means) = judged(subnet, there);
        }
        for binding in &mut self.bindings {
            if binding.there != There::Dangling {
                binding.there = space_there(&binding.space);
            }
            binding.means = match binding.there {
                There::Dangling => "the model has no such space, and Juju refuses the import",
                There::Yes => "kept as it is",
                There::No => "kept as it is; units there go on, and a new one finds no network of that space",
                There::Unknown | There::Clash => {
                    "kept as it is; the destination does not tell whether the space exists"
                }
            }
            .to_owned();
        }
    }

    /// Returns what the comparison has found.
    ///
    /// `cloud`: the destination's cloud and region. `model`: the model's name, for the commands that help.
    pub fn findings(&self, there: &Networks, cloud: &str, model: &str) -> Vec<Finding> {
        let spaces: Vec<&str> = named(self.spaces.iter().filter(|row| row.there == There::No).map(|row| &*row.name));
        let subnets =
            |wanted: There| named(self.subnets.iter().filter(|row| row.there == wanted).map(|row| &*row.cidr));
        let (absent, clashing) = (subnets(There::No), subnets(There::Clash));
        if !there.told {
            let (spaces, subnets) = (self.spaces.iter().filter(|row| row.name != ALPHA).count(), self.subnets.len());
            if spaces + subnets == 0 {
                return vec![pass("spaces", "the model has no spaces and subnets of its own")];
            }
            let text = format!(
                "the destination does not tell its spaces and subnets in {cloud}: whether the model's {spaces} spaces and \
                 {subnets} subnets exist there is not known; the import keeps them either way"
            );
            return vec![warn("spaces", text, add("spaces", &self.tables_of(|row| row.name != ALPHA)))];
        }
        let mut findings = vec![match spaces.as_slice() {
            [] => pass("spaces", format!("the model's {} spaces exist in {cloud}", self.spaces.len())),
            some => {
                let text = format!(
                    "spaces of the model that {cloud} has not: {}; they are imported all the same, and a new unit that asks \
                     for one finds no network",
                    some.join(", ")
                );
                warn("spaces", text, add("spaces", &self.tables_of(|row| row.there == There::No)))
            }
        }];
        findings.push(match absent.as_slice() {
            [] => pass("subnets", format!("the model's {} subnets are known in {cloud}, or clash", self.subnets.len())),
            some => {
                let text = format!(
                    "subnets of the model that {cloud} has not: {}; machines keep their addresses, and the destination's \
                     controller must reach them",
                    some.join(", ")
                );
                warn("subnets", text, format!("juju reload-spaces -m {model}"))
            }
        });
        findings.push(match clashing.as_slice() {
            [] => pass("cidrs", format!("no other network in {cloud} has the addresses of the model's")),
            some => {
                let text = format!(
                    "subnets of the model whose addresses another network in {cloud} has: {}; the controller there reaches \
                     that one, and not the model's machines, unless they are routed apart",
                    some.join(", ")
                );
                warn("cidrs", text, format!("juju subnets -m {model}"))
            }
        });
        let unresolved = self.bindings.iter().filter(|row| row.there == There::No);
        let unresolved: Vec<String> =
            unresolved.map(|row| format!("{}:{} to {}", row.application, row.endpoint, row.space)).collect();
        findings.push(match unresolved.first() {
            None => {
                pass("endpoint-bindings", format!("{} bindings lead to spaces that are there", self.bindings.len()))
            }
            Some(_) => {
                let bindings = named(unresolved.iter().map(String::as_str)).join(", ");
                let text = format!("bindings to spaces that {cloud} has not: {bindings}");
                warn("endpoint-bindings", text, format!("juju bind -m {model} APPLICATION ENDPOINT=SPACE"))
            }
        });
        findings
    }

    /// Writes spaces, with their subnets, as the configuration of an embedded controller has them.
    fn tables_of(&self, is_wanted: impl Fn(&SpaceRow) -> bool) -> String {
        let wanted = self.spaces.iter().filter(|row| is_wanted(row)).take(NAMED_MAX);
        let tables = wanted.map(|space| {
            let subnets = self.subnets.iter().filter(|subnet| subnet.space == space.name);
            let subnets: Vec<String> = subnets.map(|subnet| format!("{{ cidr = \"{}\" }}", subnet.cidr)).collect();
            format!("{{ name = \"{}\", subnets = [{}] }}", space.name, subnets.join(", "))
        });
        tables.collect::<Vec<_>>().join(", ")
    }
}

fn add(key: &str, tables: &str) -> String {
    format!(
        "if they are there, add {tables} to {key} under [embedded] of the destination's configuration, and restart its agent"
    )
}

/// Takes as many as a reader goes through.
fn named<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > NAMED_MAX {
        names.truncate(NAMED_MAX);
        names.push("…");
    }
    names
}

/// Tells whether a subnet exists among those of the destination, and what that means.
fn judged(subnet: &SubnetRow, there: &Networks) -> (There, String) {
    let kept = "an import keeps it with its ids and its space";
    if !there.told {
        return (There::Unknown, format!("the destination does not tell; {kept}"));
    }
    if there.subnets.iter().any(|known| is_same(subnet, known)) {
        return (There::Yes, kept.to_owned());
    }
    let Ok(own) = subnet.cidr.parse::<IpNet>() else {
        return (There::No, format!("no network of that name is there; {kept}"));
    };
    let overlaps = |known: &&NetworkSubnet| known.cidr.parse::<IpNet>().is_ok_and(|net| is_overlapping(&own, &net));
    match there.subnets.iter().find(overlaps) {
        Some(other) => {
            let id = if other.provider_id.is_empty() { String::new() } else { format!(" ({})", &*other.provider_id) };
            let text = format!(
                "{}{id} of space {} there has the same addresses and is another network; {kept}, and nothing tells the \
                 two apart but routes",
                &*other.cidr, &*other.space
            );
            (There::Clash, text)
        }
        None => (There::No, format!("not there; {kept}, and its machines keep their addresses")),
    }
}

/// Reports whether both are one network: by the cloud's id where both have one, else by their addresses.
fn is_same(subnet: &SubnetRow, known: &NetworkSubnet) -> bool {
    if !subnet.provider_id.is_empty() && !known.provider_id.is_empty() {
        return subnet.provider_id == *known.provider_id;
    }
    match (subnet.cidr.parse::<IpNet>(), known.cidr.parse::<IpNet>()) {
        (Ok(own), Ok(other)) => own.trunc() == other.trunc(),
        _ => subnet.cidr == *known.cidr,
    }
}

fn is_overlapping(one: &IpNet, other: &IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}
