//! Views of checks, comparisons and backups.

use std::collections::BTreeSet;

use modelferry_protocol::plan;
use modelferry_protocol::plan::Finding;
use serde::{Deserialize, Serialize};

use super::migration::Direction;
use crate::controller::checks::source::{self, MIGRATING};
use crate::controller::checks::target::USERS;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing speaks against it.
    Pass,
    /// The migration can go on; somebody should look.
    Warn,
    /// The migration cannot go on.
    Fail,
}

impl Level {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl From<plan::Level> for Level {
    fn from(level: plan::Level) -> Self {
        match level {
            plan::Level::Pass => Self::Pass,
            plan::Level::Warn => Self::Warn,
            plan::Level::Fail => Self::Fail,
        }
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FindingView {
    /// How it ended.
    pub level: Level,
    /// A stable word for scripts.
    pub check: String,
    /// What was found.
    pub text: String,
    /// The command that mends it; a comment behind it says on which host, where that is not this one.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub fix: String,
    /// Which controller has checked it, where one of the two has.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub side: Option<Direction>,
}

impl FindingView {
    /// Makes the view of what the controller on one side has found.
    pub fn of(side: Direction, finding: &Finding) -> Self {
        Self { side: Some(side), ..Self::from(finding) }
    }

    /// Reports whether it stands in the way.
    pub fn is_failure(&self) -> bool {
        self.level == Level::Fail
    }

    /// Returns what was found as Juju says it when it refuses: with the side whose prechecks found it, but for what
    /// Juju tells before any prechecks are made.
    pub fn complaint(&self) -> String {
        let before = [source::CONTROLLER_MODEL, USERS].contains(&self.check.as_str()) || self.text == MIGRATING;
        match self.side {
            _ if before => self.text.clone(),
            Some(Direction::Source) => format!("source prechecks failed: {}", self.text),
            Some(Direction::Target) => format!("target prechecks failed: {}", self.text),
            None => format!("prechecks failed: {}", self.text),
        }
    }
}

/// Returns what mends the findings, a line for each command. What mends several of them is typed once.
pub fn fixes<'f>(findings: impl IntoIterator<Item = &'f FindingView>) -> Vec<&'f str> {
    let mut seen = BTreeSet::new();
    findings.into_iter().flat_map(|finding| finding.fix.lines()).filter(|line| seen.insert(*line)).collect()
}

impl From<&Finding> for FindingView {
    fn from(finding: &Finding) -> Self {
        Self {
            level: finding.level.into(),
            check: finding.check.to_string(),
            text: finding.text.to_string(),
            fix: finding.fix.to_string(),
            side: None,
        }
    }
}

/// What was found of a model that has arrived, beside what was handed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VerifyView {
    /// The migration, in Juju's form.
    pub id: String,
    /// `owner/name` of the model.
    pub model: String,
    /// The model's UUID.
    pub model_uuid: String,
    /// What was handed over, hexadecimal.
    pub root: String,
    /// Whether everything is as it was handed over.
    pub ok: bool,
    /// Blobs that were handed over.
    pub blobs: u64,
    /// Of those, how many hash to their names here.
    pub blobs_proven: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Everything that was compared.
    pub findings: Vec<FindingView>,
}

/// A copy of a model that a peer keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeptView {
    /// The backup's id, there.
    pub id: String,
    /// `owner/name` of the model.
    pub model: String,
    /// The peer.
    pub peer: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Of those, sent; the rest was there.
    pub sent: u64,
    /// Whether binaries that the description names are missing in it.
    pub incomplete: bool,
}
