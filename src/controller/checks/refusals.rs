//! What the target's version of Juju refuses to import, by a table.
//!
//! The table is shipped, `refusals.toml`, as it was found by trying; rows of the configuration go before it, as a version
//! may be better than the one that was tried.

use std::sync::LazyLock;

use modelferry_protocol::plan::{Finding, Level, ModelFacts};
use serde::Deserialize;

use super::facts::{CONFIGURATION, Target};
use super::version::Version;
use super::{finding, pass};
use crate::config::{HurdleKind, RefusalConfig, RefusalLevel, Refused};

/// The check of a description's sections.
const SECTIONS: &str = "sections";
/// The check of what is in a model.
const HURDLES: &str = "refusals";

#[derive(Deserialize)]
struct Table {
    refusals: Vec<RefusalConfig>,
}

/// The rows that are shipped.
static SHIPPED: LazyLock<Vec<RefusalConfig>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("refusals.toml")).expect("our own table, which a test reads");
    table.refusals
});

/// Judges the sections' versions and what is in the model by the version that the target claims.
pub(super) fn findings(facts: &ModelFacts, target: &Target) -> Vec<Finding> {
    // One that has none is told so elsewhere.
    let Ok(version) = target.version.parse::<Version>() else { return Vec::new() };
    let mut findings = sections(facts, target, &version);
    findings.extend(hurdles(facts, target, &version));
    findings
}

/// Returns the first row about something that holds for a version.
fn row<'a>(target: &'a Target, version: &Version, is_it: impl Fn(&Refused) -> bool) -> Option<&'a RefusalConfig> {
    let shipped: &'a [RefusalConfig] = &SHIPPED;
    target.refusals.iter().chain(shipped).find(|row| is_it(&row.about) && holds(row, version))
}

fn holds(row: &RefusalConfig, version: &Version) -> bool {
    let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Version>().ok());
    bound(&row.from).is_none_or(|from| *version >= from) && bound(&row.below).is_none_or(|below| *version < below)
}

/// Returns the level of a finding, unless the row says that all is well.
fn grave(row: &RefusalConfig) -> Option<Level> {
    match row.level {
        RefusalLevel::Pass => None,
        RefusalLevel::Warn => Some(Level::Warn),
        RefusalLevel::Fail => Some(Level::Fail),
    }
}

/// Says how the target gets a version that takes it.
fn upgrade(target: &Target, version: &str) -> String {
    target.fix(
        |name| format!("juju upgrade-controller --controller {name} --agent-version {version}"),
        || format!("set version = \"{version}\" under [embedded] {CONFIGURATION}"),
    )
}

/// Says how to tell that a version is better than the table has it.
fn unless(row: &str) -> String {
    format!("if it is known to take that, add {row} to refusals under [embedded] {CONFIGURATION}")
}

fn sections(facts: &ModelFacts, target: &Target, version: &Version) -> Vec<Finding> {
    let mut findings = Vec::new();
    let sections = facts.sections.iter().filter_map(|section| section.rsplit_once(':'));
    for (name, has) in sections.filter_map(|(name, has)| Some((name, has.parse::<u64>().ok()?))) {
        let is_it = |about: &Refused| matches!(about, Refused::Section { name: known, .. } if known == name);
        let Some(row) = row(target, version, is_it) else { continue };
        let Refused::Section { oldest, newest, .. } = row.about else { continue };
        let Some(level) = grave(row).filter(|_| !(oldest..=newest).contains(&has)) else { continue };
        let (bound, edge) = if has > newest { (newest, "up to") } else { (oldest, "from") };
        let text = format!(
            "the model description's section \"{name}\" has version {has}: Juju {version} reads it {edge} version {bound}"
        );
        let unless = unless(&format!("{{ section = \"{name}\", newest = {has}, level = \"fail\" }}"));
        let fix = match &row.below {
            Some(below) if has > newest => upgrade(target, below),
            _ if has > newest => {
                target.fix(|name| format!("juju upgrade-controller --controller {name}\n{unless}"), || unless.clone())
            }
            _ => {
                let model = &*facts.name;
                let older = format!("juju upgrade-model -m {model} # after juju upgrade-controller there\n{unless}");
                target.fix(|_| older, || unless.clone())
            }
        };
        findings.push(finding(level, SECTIONS, text, fix));
    }
    if findings.is_empty() {
        let text = format!("Juju {version} reads every section of the model description, as far as is known");
        findings.push(pass(SECTIONS, text));
    }
    findings
}

fn hurdles(facts: &ModelFacts, target: &Target, version: &Version) -> Vec<Finding> {
    let mut findings = Vec::new();
    for hurdle in facts.hurdles.iter() {
        let Some(kind) = HurdleKind::of(&hurdle.kind) else { continue };
        let Some(row) = row(target, version, |about| *about == Refused::Hurdle(kind)) else { continue };
        let Some(level) = grave(row) else { continue };
        let text = format!("Juju {version} does not import {}: {}", sentence(kind), &*hurdle.things);
        // What is known to be mended in a later version is best mended by that one.
        let better = row.below.as_ref().map(|below| upgrade(target, below));
        let row = format!("{{ hurdle = \"{}\", level = \"pass\" }}", kind.as_str());
        let fix = better.unwrap_or_else(|| format!("{}\n{}", &*hurdle.fix, unless(&row)));
        findings.push(finding(level, HURDLES, text, fix));
    }
    if findings.is_empty() {
        findings.push(pass(HURDLES, format!("nothing is in the model that Juju {version} is known to refuse")));
    }
    findings
}

/// Names a kind of thing for people.
fn sentence(kind: HurdleKind) -> &'static str {
    match kind {
        HurdleKind::UnknownSettings => "settings that the charm does not have",
        HurdleKind::IntegerSettings => "settings that are whole numbers",
        HurdleKind::SeveralApplicationSettings => "applications with more than one setting of their own",
        HurdleKind::VolumesWithoutDeviceLink => "volumes that are attached without a device name and link",
        HurdleKind::ApplicationsThatReadSecrets => "secrets that an application reads, and not a unit",
        HurdleKind::RemoteApplicationsWithoutEntity => "consumed applications without a remote entity",
        HurdleKind::SharedPasswords => "agents that share a password",
        HurdleKind::ScrambledSshKeys => "authorized keys that are no SSH keys",
        HurdleKind::UnknownSpacesInConstraints => "constraints that name spaces which the model has not",
        HurdleKind::ExposedToUnknownSpaces => "endpoints that are exposed to spaces which the model has not",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_is_read_and_its_versions_are_versions() {
        assert!(SHIPPED.len() > 10);
        for row in SHIPPED.iter() {
            for bound in [&row.from, &row.below].into_iter().flatten() {
                bound.parse::<Version>().unwrap();
            }
        }
        for kind in HurdleKind::ALL {
            assert!(SHIPPED.iter().any(|row| row.about == Refused::Hurdle(kind)), "{}", kind.as_str());
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            let row = format!("| `{}` |", kind.as_str());
            assert!(include_str!("../../../docs/refusals.md").contains(&row), "docs/refusals.md lacks {row}");
        }
    }
}
