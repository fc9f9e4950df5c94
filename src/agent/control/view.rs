//! Views of an agent on the control socket, except migrations.

use modelferry_protocol::message::ControllerCard;
use serde::{Deserialize, Serialize};

use crate::controller::description::{Consumer, Description};
use crate::controller::embedded::view::{self as embedded, ModelDetails};
use crate::controller::status::{ModelStatus, file};
use crate::engine::retention::StoreUse;
use crate::engine::view::{AlarmView, Direction, MigrationView, Stand, State, WayBackView};

/// Reports whether a migration has been undecided for so long that an operator should know.
pub fn is_in_doubt(migration: &MigrationView, now_ms: u64) -> bool {
    migration.stand == Stand::Undecided
        && migration.undecided_for_ms(now_ms).is_some_and(|age_ms| age_ms >= migration.in_doubt_after_ms)
}

/// Reports whether a migration holds its model frozen, here on its source.
pub fn is_freezing(migration: &MigrationView) -> bool {
    let held = matches!(migration.state, State::Freezing | State::Frozen | State::Committed);
    migration.direction == Direction::Source && held
}

/// The agent as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StatusView {
    /// The agent's version.
    pub version: String,
    /// The controller beside it.
    pub controller: ControllerView,
    /// Where it hears its peers.
    pub listen: String,
    /// Its peers.
    pub peers: Vec<PeerView>,
    /// What an operator should know first.
    pub alarms: Vec<AlarmView>,
    /// Migrations that are not at rest, those in doubt first.
    pub migrations: Vec<MigrationView>,
    /// Models that Juju controllers are bringing straight into the controller beside this agent, without another agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrivals: Vec<ArrivalView>,
    /// Models here whose last migration failed within the last day, each by that migration.
    #[serde(default)]
    pub failed: Vec<MigrationView>,
    /// What the store held when it was last pruned by itself.
    #[serde(default)]
    pub store: Option<StoreUse>,
    /// Strangers that dialled this agent and were turned away, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<StrangerView>,
}

/// Somebody who dialled this agent without being its peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StrangerView {
    pub address: String,
    /// Attempts since this agent was started.
    pub count: u64,
    /// The last attempt, Unix milliseconds.
    pub last_ms: u64,
    /// Why the last attempt came to nothing.
    pub reason: String,
}

/// A model that the migration master of a Juju controller brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ArrivalView {
    /// `owner/name` of the model.
    pub model: String,
    /// Its UUID.
    pub uuid: String,
    /// How far it is, and by whom.
    pub note: String,
    /// Who the master logged in as, and from which address.
    pub by: String,
    /// When its import began, Unix milliseconds.
    pub since_ms: u64,
}

/// Who the agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IdentityView {
    /// SHA-256 of its public key, which peers pin.
    pub pin: String,
    /// The journal it keeps its promises in.
    pub journal: String,
    /// Where it hears its peers.
    pub listen: String,
    /// Its state directory.
    pub state_dir: String,
}

/// What may be sent, now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CapView {
    /// To whom; by the whole agent if nobody is named.
    pub peer: Option<String>,
    /// How much, such as `20mbit`; `0` is a pause, any amount if it is absent.
    pub rate: Option<String>,
    /// Whether that was set by hand, and neither configured nor a window's.
    pub by_hand: bool,
    /// What was set by hand and holds when the window of `rate` closes, such as `20mbit`, or `none` for any amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_window: Option<String>,
    /// Whether it is a window of the configuration that allows no more now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub window: bool,
    /// When a pause, or the limit of a window, ends by itself, such as `06:00` or `Mon 06:00`, local time; nothing if somebody
    /// has to end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// A peer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PeerView {
    /// What DEST means.
    pub name: String,
    /// SHA-256 of its public key.
    pub pin: String,
    /// Where it is, or else where it was when it was paired or last called; empty if it is not known.
    pub address: String,
    /// Whether there is a link now.
    pub connected: bool,
    /// Round trip of that link, milliseconds.
    pub rtt_ms: Option<f64>,
    /// The controller beside it, once it has been linked.
    pub controller: Option<ControllerView>,
    /// Why there is no link, if there is none.
    pub trouble: Option<String>,
    /// What to type then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What it may do here.
    #[serde(default)]
    pub rights: RightsView,
}

/// What a peer may do here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RightsView {
    /// Whether models are received from it.
    pub receive: bool,
    /// Whether models are sent to it.
    pub send: bool,
    /// Whether copies of its models are kept.
    pub keep: bool,
    /// Whether it may read models that were not exchanged with it.
    pub read: bool,
    /// Globs for the names of models that may be exchanged with it; all if there is none.
    pub models: Vec<String>,
    /// What migrations and copies from it may hold of the disk here at once; nothing: no bound.
    pub quota_bytes: Option<u64>,
}

/// A controller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerView {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// The Juju version it runs, or claims.
    pub version: String,
    /// Its cloud.
    pub cloud: String,
    /// The cloud's region, empty where there is none.
    pub region: String,
    /// The cloud's type.
    pub cloud_type: String,
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// SHA-256 of its CA certificate, as Juju prints it.
    pub ca_fingerprint: String,
    /// That certificate, PEM; empty where it is not known.
    pub ca_cert: String,
    /// Through which peer it is known; nothing for the agent's own.
    pub peer: Option<String>,
    /// Its models, where they were counted.
    pub model_count: Option<u64>,
    /// The identity provider, empty where there is none.
    pub identity_url: String,
    /// What it is not, where that could surprise; empty where nothing is to be said.
    pub note: String,
    /// Its models, where the controller is shown by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ControllerModel>,
}

/// A model, as its controller counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerModel {
    /// Its name; with its owner if that is not the administrator.
    pub name: String,
    /// Its UUID.
    pub uuid: String,
    /// `iaas` or `caas`.
    pub model_type: String,
    /// Its machines, containers not counted.
    pub machines: u64,
    /// Its units.
    pub units: u64,
    /// The cores of its machines.
    pub cores: u64,
}

impl From<embedded::ControllerView> for ControllerView {
    fn from(own: embedded::ControllerView) -> Self {
        Self {
            name: own.name,
            uuid: own.uuid,
            version: own.version,
            cloud: own.cloud,
            region: own.region,
            cloud_type: own.cloud_type,
            addresses: own.addresses,
            ca_fingerprint: own.ca_fingerprint,
            ca_cert: own.ca_cert,
            peer: None,
            model_count: Some(own.models as u64),
            identity_url: own.identity_url,
            note: own.note,
            models: Vec::new(),
        }
    }
}

impl ControllerView {
    /// Makes the view of the controller beside `peer`, as it told about itself.
    pub fn of_peer(peer: &str, card: &ControllerCard) -> Self {
        Self { peer: Some(peer.to_owned()), ..Self::of_card(card) }
    }

    /// Makes the view of a controller of which no more is known than its card.
    pub fn of_card(card: &ControllerCard) -> Self {
        Self {
            name: card.name.to_string(),
            uuid: card.uuid.to_string(),
            version: card.version.to_string(),
            cloud: card.cloud.to_string(),
            region: card.region.to_string(),
            cloud_type: card.cloud_type.to_string(),
            addresses: card.addresses.iter().map(ToString::to_string).collect(),
            ca_fingerprint: embedded::fingerprint(&card.ca_fingerprint),
            ..Self::default()
        }
    }
}

/// A model by itself: what its controller shows of it, and what only the agent knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelView {
    /// As its controller shows it.
    pub details: ModelDetails,
    /// Its migration, if it is in one, or the last one failed.
    pub migration: Option<ModelMigration>,
}

/// A model's migration, as the model shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelMigration {
    /// In Juju's form.
    pub id: String,
    /// What happens now, or why it failed.
    pub note: String,
    /// When it began, Unix milliseconds.
    pub started_ms: u64,
    /// When it failed, Unix milliseconds.
    pub ended_ms: Option<u64>,
    /// Whether it holds the model frozen.
    #[serde(default)]
    pub frozen: bool,
    /// The first cause, if it failed.
    #[serde(default)]
    pub cause: Option<String>,
    /// The other agent, as it is called where the model is.
    #[serde(default)]
    pub peer: String,
}

/// A model with everything inside: what `status -m` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelStatusView {
    /// The model by itself.
    pub model: ModelView,
    /// What is inside.
    pub inside: ModelStatus,
}

impl ModelView {
    /// Makes the view of a model that is known from its description alone.
    ///
    /// `from`: what stands where its controller's name would.
    pub fn of_description(description: &Description, from: &str) -> Self {
        Self { details: file::details(description, from), migration: None }
    }
}

/// An open offer to pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OfferView {
    /// The one-time code.
    pub code: String,
    /// Seconds for which it is good.
    pub seconds: u64,
    /// Where the other host can dial this agent, the likeliest first: `address:port`.
    pub addresses: Vec<String>,
}

/// A completed pairing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PairedView {
    /// What the peer is called here.
    pub name: String,
    /// SHA-256 of its public key.
    pub pin: String,
}

/// A peer that was unpaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnpairedView {
    /// The migrations and pre-copies with it that were given up, by their IDs: nothing had been promised.
    pub ended: Vec<String>,
    /// Those that were decided, or that this side has voted on.
    pub left: Vec<LeftView>,
}

/// A migration that outlives the pairing with its peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeftView {
    /// The migration.
    pub id: String,
    /// Its state.
    pub state: String,
    /// Where the model is.
    pub stands: String,
    /// What ends it here without the peer.
    pub next: String,
}

/// Where a model went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RedirectView {
    /// `owner/name` of the model.
    pub model: String,
    /// What the operator who moved it called the controller it went to; may be empty.
    pub alias: String,
    /// That controller's UUID.
    pub controller_uuid: String,
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// SHA-256 of its CA certificate, as Juju prints it.
    pub ca_fingerprint: String,
    /// What that controller is called by the agent that answers, if it is known there.
    pub known_as: Option<String>,
}

/// What is to be done after a model has moved, for whoever uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChecklistView {
    /// The controller it is on now, as it is called here.
    pub controller: String,
    /// That controller's UUID.
    pub controller_uuid: String,
    /// `host:port` of its API.
    pub addresses: Vec<String>,
    /// SHA-256 of its CA certificate, as Juju prints it.
    pub ca_fingerprint: String,
    /// The command that takes a client to the model.
    pub switch: String,
    /// Models elsewhere that consume what the model offers.
    pub consumers: Vec<Consumer>,
    /// The command that proves the arrival.
    pub verify: String,
    /// Whether, and by which command, the model can come back.
    pub way_back: WayBackView,
}
