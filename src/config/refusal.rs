//! What versions of Juju refuse to import: rows of a table, shipped and added to by the configuration.

use serde::{Deserialize, Serialize};

/// A row: what it is about, for which versions, and how grave that is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RefusalRow")]
pub struct RefusalConfig {
    /// What it is about.
    pub about: Refused,
    /// The first version of Juju that it holds for; none for the very first.
    pub from: Option<String>,
    /// The first version that it holds for no longer; none if it holds for all that follow.
    pub below: Option<String>,
    /// How grave it is.
    pub level: RefusalLevel,
}

super::table::values! {
    RefusalConfig: "a table", false;
}

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// A section of a description whose version is outside these bounds.
    Section {
        /// Its name, as the description has it.
        name: String,
        /// The oldest version that is read.
        oldest: u64,
        /// The newest version that is read.
        newest: u64,
    },
    /// Something in the model.
    Hurdle(HurdleKind),
}

/// How grave a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalLevel {
    /// It is none: what a row of the configuration says of a version that the shipped table is wrong about.
    Pass,
    /// It may be one: nobody has tried.
    Warn,
    /// The import is refused.
    Fail,
}

/// What can be in a model that some versions of Juju refuse to import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HurdleKind {
    /// A setting that the application's charm does not have.
    UnknownSettings,
    /// A setting that is a number without a fraction.
    IntegerSettings,
    /// More than one setting of an application itself.
    SeveralApplicationSettings,
    /// A volume that is attached without the device's name and link.
    VolumesWithoutDeviceLink,
    /// A secret that an application reads, and not a unit.
    ApplicationsThatReadSecrets,
    /// An application of another model without an entity that stands for it.
    RemoteApplicationsWithoutEntity,
    /// Two agents with one password.
    SharedPasswords,
    /// An SSH key that is none.
    ScrambledSshKeys,
    /// Constraints that name a space which the model has not.
    UnknownSpacesInConstraints,
    /// An endpoint that is exposed to a space which the model has not.
    ExposedToUnknownSpaces,
}

impl HurdleKind {
    /// All of them.
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

    /// Returns its word.
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

    /// Returns the kind of that word.
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
        from: Option<super::file::Version> => "",
        /// The first version of Juju that the row holds for no longer.
        below: Option<super::file::Version> => "",
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
