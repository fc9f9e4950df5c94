//! A table of what versions of Juju refuse to import. Its rows are shipped, and the configuration can add more.

use serde::{Deserialize, Serialize};

/// One row: the subject, the versions, and the severity.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RefusalRow")]
pub struct RefusalConfig {
    /// The subject.
    pub about: Refused,
    /// The first version of Juju to which the row applies; `None`: all earlier versions as well.
    pub from: Option<String>,
    /// The first version to which the row no longer applies; `None`: all later versions.
    pub below: Option<String>,
    /// The severity.
    pub level: RefusalLevel,
}

super::table::values! {
    RefusalConfig: "a table", false;
}

/// The subject of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A section of a description whose version lies outside these bounds.
    Section {
        /// The section's name in the description.
        name: String,
        /// The oldest version that Juju reads.
        oldest: u64,
        /// The newest version that Juju reads.
        newest: u64,
    },
    /// A property of the model.
    Hurdle(HurdleKind),
}

/// The severity of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalLevel {
    /// Not refused. A row of the configuration uses this to correct the shipped table.
    Pass,
    /// Possibly refused. Nobody has tried.
    Warn,
    /// Refused.
    Fail,
}

/// A property of a model that some versions of Juju refuse to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HurdleKind {
    /// A setting that the application's charm does not define.
    UnknownSettings,
    /// A setting with an integer value.
    IntegerSettings,
    /// Several settings of one application itself.
    SeveralApplicationSettings,
    /// An attached volume without the device's name and link.
    VolumesWithoutDeviceLink,
    /// A secret that an application reads, instead of a unit.
    ApplicationsThatReadSecrets,
    /// A remote application without the entity that represents it.
    RemoteApplicationsWithoutEntity,
    /// Two agents with the same password.
    SharedPasswords,
    /// An invalid SSH key.
    ScrambledSshKeys,
    /// Constraints that name a space which the model lacks.
    UnknownSpacesInConstraints,
    /// An endpoint exposed to a space which the model lacks.
    ExposedToUnknownSpaces,
}

impl HurdleKind {
    pub const ALL: [Self; 10] = [
        Self::UnknownSettings,
        Self::IntegerSettings,
        Self::SeveralApplicationSettings,
        Self::VolumesWithoutDeviceLink,
        Self::ApplicationsThatReadSecrets,
        Self::RemoteApplicationsWithoutEntity,
        Self::SharedPasswords,
        Self::ScrambledSshKeys,
        Self::UnknownSpacesInConstraints,
        Self::ExposedToUnknownSpaces,
    ];

    /// Returns the kind's word in the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownSettings => "unknown-settings",
            Self::IntegerSettings => "integer-settings",
            Self::SeveralApplicationSettings => "several-application-settings",
            Self::VolumesWithoutDeviceLink => "volumes-without-device-link",
            Self::ApplicationsThatReadSecrets => "applications-that-read-secrets",
            Self::RemoteApplicationsWithoutEntity => "remote-applications-without-entity",
            Self::SharedPasswords => "shared-passwords",
            Self::ScrambledSshKeys => "scrambled-ssh-keys",
            Self::UnknownSpacesInConstraints => "unknown-spaces-in-constraints",
            Self::ExposedToUnknownSpaces => "exposed-to-unknown-spaces",
        }
    }

    /// Returns the kind with this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

super::table::values! {
    HurdleKind: "one of the kinds in `docs/refusals.md`";
    RefusalLevel: "`pass`, `warn` or `fail`";
    u64: "a number", false;
}

super::table::table! {
    /// A row of what versions of Juju refuse to import. It is about a section of the description, with the oldest or the newest
    /// version of it that is read; or about a hurdle, which is something in a model that an import fails on, such as two agents
    /// with one password. The first row that fits a version counts, and those that are shipped come last.
    [] pub(super) struct RefusalRow in "embedded.refusals[]" {
        /// A section of the model description, by its name.
        section: Option<String> => "",
        /// The oldest version of that section that is read.
        oldest: Option<u64> => "",
        /// The newest version of that section that is read.
        newest: Option<u64> => "",
        /// What in a model the row is about, by its word; with it neither `section`, `oldest` nor `newest`.
        hurdle: Option<HurdleKind> => "",
        /// The first version of Juju that the row holds for.
        from: Option<super::value::Version> => "",
        /// The first version of Juju that the row holds for no longer.
        below: Option<super::value::Version> => "",
        /// What a precheck says of a model that the row is about: `fail` refuses it, `warn` only says so, `pass` finds nothing wrong.
        level: RefusalLevel => "(must be given)",
    }
}

impl TryFrom<RefusalRow> for RefusalConfig {
    type Error = &'static str;

    fn try_from(row: RefusalRow) -> Result<Self, &'static str> {
        let RefusalRow { section, oldest, newest, hurdle, from, below, level } = row;
        let about = match (section, hurdle) {
            (Some(name), None) if oldest.is_some() || newest.is_some() => {
                Refused::Section { name, oldest: oldest.unwrap_or(0), newest: newest.unwrap_or(u64::MAX) }
            }
            (Some(_), None) => {
                return Err("a refusal of a section names the oldest or the newest version that is read");
            }
            (None, Some(kind)) if oldest.is_none() && newest.is_none() => Refused::Hurdle(kind),
            _ => return Err("a refusal is about a section, with oldest or newest, or about a hurdle"),
        };
        Ok(Self { about, from: from.map(|from| from.0), below: below.map(|below| below.0), level })
    }
}
