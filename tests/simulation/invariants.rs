//! What the journals must agree about, with each other and with the controllers.

use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::target::TargetState;

use super::cluster::TestCluster;
use super::controller::{Held, MODEL};
use super::host::{Host, Region};
use super::juju::Juju;

fn sources(ledger: &Ledger) -> impl Iterator<Item = (MigrationId, &SourceRecord)> {
    ledger.last_records().filter_map(|(mid, last)| match last {
        LastRecord::Source(record) => Some((mid, record)),
        LastRecord::Target(_) => None,
    })
}

/// I4, I5, I7, and I8 of the agents that run: what was sealed is here, with all that it names, as long as its migration
/// has not ended, and while the model is live that it brought.
pub fn check(hosts: &[Host; 2], region: &Region) {
    let estate = &region.estate;
    let mut broken = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        let other = &hosts[1 - index];
        let (own, theirs) = {
            let inner = estate.inner();
            (inner.sites[index].held, inner.sites[1 - index].held)
        };
        host.ledger(|ledger| {
            let last = sources(ledger).max_by_key(|(mid, _)| ledger.terms(*mid).map(|terms| terms.attempt));
            if let Some((_, record)) = last {
                let given_up = matches!(record.state, SourceState::Aborted(_) | SourceState::Reclaimed(_));
                // One that a Juju controller decides about is live again once that has heard of it.
                let ends = region.juju.as_ref().is_some_and(|juju| juju.runs(record.head.mid));
                if given_up && !ends && !matches!(own, Held::Live(_)) {
                    broken.push(format!("I5: host {index} gave up, its model is {own:?}"));
                }
            }
            for (mid, last) in ledger.last_records() {
                let needed = !last.is_at_rest() || own == Held::Live(Some(mid));
                if let Some(lacking) = last.root().filter(|_| needed).and_then(|root| host.lacks_of(root)) {
                    broken.push(format!("I8: host {index}, migration {mid}: {lacking}"));
                }
            }
            for (mid, record) in sources(ledger) {
                let committed = matches!(record.state, SourceState::Committed(_));
                let holds = [Held::Staged(mid), Held::Live(Some(mid))].contains(&theirs);
                let dropped = other.ledger(|ledger| match ledger.last_record(mid) {
                    Some(LastRecord::Target(record)) => {
                        matches!(record.state, TargetState::Dropping(_) | TargetState::Dropped(_))
                    }
                    _ => false,
                });
                if committed && !holds && dropped == Some(false) {
                    broken.push(format!("I7: host {index} has committed, the target is {theirs:?}"));
                }
                let undone = matches!(record.state, SourceState::Reclaiming(_) | SourceState::Reclaimed(_));
                if theirs == Held::Live(Some(mid)) && (!record.is_committed() || undone) {
                    broken.push(format!("I4: live at the target, host {index} is {}", record.state.name()));
                }
            }
        });
    }
    if let Some(first) = broken.into_iter().next() {
        estate.inner().breaks(first);
    }
}

/// Whether every run has ended: both journals at rest, one controller live.
pub fn is_settled(hosts: &[Host; 2], region: &Region) -> bool {
    let live = region.estate.inner().sites.iter().filter(|site| site.is_live()).count();
    let at_rest = region.juju.as_ref().is_none_or(Juju::is_at_rest);
    live == 1 && at_rest && hosts.iter().all(Host::is_at_rest)
}

/// What both journals say about each migration, once they are at rest.
pub fn check_journals(hosts: &[Host; 2], estate: &TestCluster) {
    let mut broken = Vec::new();
    let mut epochs = [0; 2];
    for (index, host) in hosts.iter().enumerate() {
        let other = &hosts[1 - index];
        host.ledger(|ledger| {
            epochs[index] = ledger.epoch(MODEL);
            for (mid, record) in sources(ledger) {
                let target = other.ledger(|ledger| ledger.last_record(mid).cloned()).flatten();
                let arrived =
                    matches!(&target, Some(LastRecord::Target(record)) if matches!(record.state, TargetState::Active(_)));
                let left = matches!(record.state, SourceState::Moved(_));
                if arrived != left {
                    broken.push(format!("{mid}: {} at host {index}, the other has {target:?}", record.state.name()));
                }
            }
        });
    }
    {
        let inner = estate.inner();
        let whole = inner.sites.iter().any(|site| site.is_live() && site.log == inner.log);
        if !whole {
            broken.push("the log has not followed the model".to_owned());
        }
    }
    let live = estate.inner().sites.iter().position(|site| site.is_live());
    if let Some(live) = live.filter(|live| epochs[*live] < epochs[1 - *live]) {
        broken.push(format!(
            "host {live} is live, its journal says epoch {}, the other's {}",
            epochs[live],
            epochs[1 - live]
        ));
    }
    if let Some(first) = broken.into_iter().next() {
        estate.inner().breaks(first);
    }
}

/// Once everything has ended and was pruned: whoever has the model has all of its blobs, and the other none of its charms.
pub fn check_stores(hosts: &[Host; 2], estate: &TestCluster) {
    let mut broken = None;
    {
        let inner = estate.inner();
        for (index, site) in inner.sites.iter().enumerate() {
            for blob in site.blobs() {
                if let Err(error) = hosts[index].proves(blob) {
                    broken.get_or_insert(format!("host {index} has the model, and of blob {}: {error}", blob.hash));
                }
            }
            let left =
                site.charms.iter().filter(|_| site.held == Held::Absent).find(|blob| hosts[index].held(**blob) > 0);
            if let Some(blob) = left.filter(|blob| blob.bytes > 0) {
                broken.get_or_insert(format!("host {index} holds blob {} that nobody needs", blob.hash));
            }
        }
    }
    if let Some(broken) = broken {
        estate.inner().breaks(broken);
    }
}

/// Returns how many migrations ended at their target, and how many back at their source.
pub fn ends(hosts: &[Host; 2]) -> (u32, u32) {
    let count = |left: bool| {
        let of = |host: &Host| {
            host.ledger(|ledger| {
                sources(ledger).filter(|(_, record)| matches!(record.state, SourceState::Moved(_)) == left).count()
            })
        };
        hosts.iter().filter_map(of).sum::<usize>() as u32
    };
    (count(true), count(false))
}
