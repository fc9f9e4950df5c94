//! Writes a journal in which so many offers of one peer came to nothing: `offers DIR COUNT`.

use std::path::Path;

use modelferry::disk::Disk;
use modelferry::journal::Journal;
use modelferry_protocol::ids::{JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::record::{Body, Entry};
use modelferry_protocol::snapshot::Name;
use modelferry_protocol::switch::target::{Dropping, TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Head, Profile, Terms};

/// Offers whose records are synced together.
const AT_ONCE: usize = 64;

/// The records of an offer that its source takes back at once.
fn nothing(number: u32) -> Vec<Entry> {
    let mut id = [0xbb; 16];
    id[..4].copy_from_slice(&number.to_le_bytes());
    let (mid, model) = (MigrationId(id), ModelUuid(id));
    let head = Head { mid, model, epoch_to: 1, peer: Pin([0xee; 32]), journal: JournalId([7; 16]), profile: Profile::Embedded };
    let terms = Terms {
        mid,
        model,
        attempt: 0,
        name: Name::cut("shelf"),
        owner: Name::cut("admin"),
        peer: Name::cut("liar"),
        controller: Default::default(),
        freeze_ms_max: 0,
        skip_log: false,
        reap_hold_ms: 0,
    };
    let cause = Cause::cut("never mind");
    let states = [
        TargetState::Receiving,
        TargetState::Dropping(Dropping { root: None, cause: cause.clone() }),
        TargetState::Dropped(cause),
    ];
    let bodies = std::iter::once(Body::Terms(terms)).chain(states.map(|state| Body::Target(TargetRecord { head, state })));
    bodies.map(|body| Entry { time_ms: 1_700_000_000_000, actor: Name::cut("peer"), body }).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, count] = arguments.as_slice() else { panic!("offers DIR COUNT") };
    let (journal, _) = Journal::open(Path::new(dir), Disk::real()).expect("a journal");
    let numbers: Vec<u32> = (0..count.parse().expect("a number")).collect();
    for some in numbers.chunks(AT_ONCE) {
        journal.append(some.iter().flat_map(|number| nothing(*number)).collect()).expect("the disk");
    }
}
