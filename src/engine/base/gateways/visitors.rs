//! Who has come by a gateway, and when last: kept for each migration, so that an operator sees who still needs it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use modelferry_protocol::ids::MigrationId;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::controller::gateway::{Visitor, Way};
use crate::disk::{Disk, blocking};
use crate::engine::view::{GatewayUseView, VisitorView};

/// The directory of the files in the state directory.
const DIR: &str = "visitors";
/// Visitors of one migration that are remembered: the last ones. Every agent of a large model is one.
const VISITORS_MAX: usize = 4096;
/// How long it may take until what is noted is on the disk: many agents come at once.
const KEPT_WITHIN: Duration = Duration::from_secs(1);

/// What is remembered of a visitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Visits {
    /// Who: a tag.
    pub who: String,
    /// The host that it came from.
    pub from: String,
    /// What became of it the last time.
    pub way: Way,
    /// When it came, or left, last, Unix milliseconds.
    pub last_ms: u64,
    /// Connections of it that are carried now.
    #[serde(skip)]
    pub open: u32,
}

/// The visitors of one migration.
#[derive(Default)]
struct Known {
    visits: BTreeMap<(String, String), Visits>,
    /// Whether something is not on the disk yet.
    is_new: bool,
}

/// The visitors of every migration that left by a gateway.
pub struct Visitors {
    dir: PathBuf,
    disk: Disk,
    known: Mutex<HashMap<MigrationId, Known>>,
    changed: Notify,
}

impl Visitors {
    /// Remembers visitors in `state_dir`.
    pub fn new(state_dir: &Path, disk: Disk) -> Self {
        Self { dir: state_dir.join(DIR), disk, known: Mutex::default(), changed: Notify::new() }
    }

    fn path(&self, mid: MigrationId) -> PathBuf {
        self.dir.join(format!("{mid}.json"))
    }

    /// Notes that somebody has come.
    pub fn came(&self, mid: MigrationId, visitor: &Visitor, now_ms: u64) {
        self.note(mid, visitor, now_ms, |visits| visits.open += u32::from(visitor.way == Way::Carried));
    }

    /// Notes that a connection which was carried has ended.
    pub fn left(&self, mid: MigrationId, visitor: &Visitor, now_ms: u64) {
        self.note(mid, visitor, now_ms, |visits| visits.open = visits.open.saturating_sub(1));
    }

    fn note(&self, mid: MigrationId, visitor: &Visitor, now_ms: u64, change: impl FnOnce(&mut Visits)) {
        let Visitor { who, from, way } = visitor.clone();
        let mut known = self.known.lock();
        let of = known.entry(mid).or_insert_with(|| self.read(mid));
        let key = (who.clone(), from.clone());
        let visits = of.visits.entry(key).or_insert(Visits { who, from, way, last_ms: now_ms, open: 0 });
        (visits.way, visits.last_ms) = (way, now_ms);
        change(visits);
        while of.visits.len() > VISITORS_MAX {
            let oldest = of.visits.iter().min_by_key(|(_, visits)| (visits.open > 0, visits.last_ms));
            let Some(key) = oldest.map(|(key, _)| key.clone()) else { break };
            of.visits.remove(&key);
        }
        of.is_new = true;
        self.changed.notify_one();
    }

    /// Writes to the disk whatever is noted, soon after it is. Never ends.
    pub async fn keep(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            sleep(KEPT_WITHIN).await;
            let visitors = self.clone();
            blocking(move || visitors.flush()).await;
        }
    }

    fn flush(&self) {
        let mut known = self.known.lock();
        for (mid, of) in known.iter_mut().filter(|(_, of)| of.is_new) {
            match self.write(*mid, of) {
                Ok(()) => of.is_new = false,
                Err(error) => tracing::warn!(%mid, "who came by the gateway is not kept: {error}"),
            }
        }
    }

    fn read(&self, mid: MigrationId) -> Known {
        let read = std::fs::read(self.path(mid)).ok();
        let visits: Vec<Visits> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let visits = visits.into_iter().map(|visits| ((visits.who.clone(), visits.from.clone()), visits)).collect();
        Known { visits, is_new: false }
    }

    fn write(&self, mid: MigrationId, of: &Known) -> std::io::Result<()> {
        let json = serde_json::to_vec(&of.visits.values().collect::<Vec<_>>())?;
        self.disk.create_dir(&self.dir)?;
        self.disk.replace(&self.path(mid), &json)
    }

    /// Returns who has come for a migration's model, the last one first. Blocks on the disk.
    pub fn of(&self, mid: MigrationId) -> Vec<Visits> {
        let mut known = self.known.lock();
        let of = known.entry(mid).or_insert_with(|| self.read(mid));
        let mut visits: Vec<Visits> = of.visits.values().cloned().collect();
        visits.sort_by_key(|visits| std::cmp::Reverse((visits.open > 0, visits.last_ms)));
        visits
    }
}

impl GatewayUseView {
    /// Makes the view of who has come.
    pub fn of(visits: Vec<Visits>) -> Self {
        let is_used = visits.iter().any(|visits| visits.open > 0);
        let last_ms = visits.iter().map(|visits| visits.last_ms).max();
        let visitors = visits.into_iter().map(|Visits { who, from, way, last_ms, open }| VisitorView {
            who,
            from,
            way,
            connections: open,
            last_ms,
        });
        Self { visitors: visitors.collect(), unused_since_ms: last_ms.filter(|_| !is_used) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MID: MigrationId = MigrationId([1; 16]);

    fn visitor(who: &str, way: Way) -> Visitor {
        Visitor { who: who.to_owned(), from: "10.0.0.7".to_owned(), way }
    }

    #[test]
    fn visitors_are_remembered_across_a_restart_with_their_last_time() {
        let dir = tempfile::tempdir().unwrap();
        let visitors = Visitors::new(dir.path(), Disk::real());
        assert_eq!(visitors.of(MID), []);
        visitors.came(MID, &visitor("machine-0", Way::Redirected), 1_000);
        visitors.came(MID, &visitor("user-jujuanonymous", Way::Carried), 2_000);
        visitors.came(MID, &visitor("machine-0", Way::Redirected), 500_000);
        assert_eq!(visitors.of(MID)[0].open, 1, "what is carried now comes first");
        visitors.flush();
        let again = Visitors::new(dir.path(), Disk::real());
        let said: Vec<_> = again.of(MID).into_iter().map(|visits| (visits.who, visits.last_ms, visits.open)).collect();
        assert_eq!(said, [("machine-0".to_owned(), 500_000, 0), ("user-jujuanonymous".to_owned(), 2_000, 0)]);
        assert_eq!(again.of(MigrationId([2; 16])), []);
    }

    #[test]
    fn a_connection_that_ends_is_the_last_time_of_its_visitor() {
        let dir = tempfile::tempdir().unwrap();
        let visitors = Visitors::new(dir.path(), Disk::real());
        let bob = visitor("user-bob", Way::Carried);
        visitors.came(MID, &bob, 1_000);
        visitors.came(MID, &bob, 2_000);
        visitors.left(MID, &bob, 90_000);
        let visits = visitors.of(MID).remove(0);
        assert_eq!((visits.open, visits.last_ms), (1, 90_000));
        visitors.left(MID, &bob, 95_000);
        assert_eq!(visitors.of(MID)[0].open, 0);
    }

    #[test]
    fn the_oldest_of_too_many_visitors_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let visitors = Visitors::new(dir.path(), Disk::real());
        visitors.came(MID, &visitor("user-bob", Way::Carried), 0);
        for number in 0..VISITORS_MAX as u64 {
            visitors.came(MID, &visitor(&format!("machine-{number}"), Way::Redirected), 1 + number);
        }
        visitors.came(MID, &visitor("machine-last", Way::Redirected), 50_000);
        let who: Vec<String> = visitors.of(MID).into_iter().map(|visits| visits.who).collect();
        assert_eq!(who.len(), VISITORS_MAX);
        assert!(who.iter().any(|who| who == "user-bob"), "it is connected");
        assert!(!who.iter().any(|who| who == "machine-0"));
    }

    #[test]
    fn a_gateway_is_unused_since_the_last_visitor_unless_one_is_connected() {
        let visits = |open, last_ms| Visits {
            who: "user-bob".to_owned(),
            from: "10.0.0.7".to_owned(),
            way: Way::Carried,
            last_ms,
            open,
        };
        assert_eq!(GatewayUseView::of(Vec::new()).unused_since_ms, None);
        assert_eq!(GatewayUseView::of(vec![visits(0, 5), visits(0, 9)]).unused_since_ms, Some(9));
        assert_eq!(GatewayUseView::of(vec![visits(1, 5), visits(0, 9)]).unused_since_ms, None);
    }
}
