use modelferry_protocol::ids::{JournalId, MigrationId, ModelUuid};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::switch::source::{SourceRecord, SourceState};
use modelferry_protocol::switch::{Head, Profile};

use super::*;

fn tracked() -> Arc<Tracked> {
    let (mid, model, peer) = (MigrationId([1; 16]), ModelUuid([2; 16]), Pin([3; 32]));
    let terms = Terms {
        peer: modelferry_protocol::codec::Text::cut("west"),
        ..crate::engine::transfer::adhoc::terms(mid, model, Default::default(), Default::default())
    };
    let head = Head { mid, model, epoch_to: 1, peer, journal: JournalId([4; 16]), profile: Profile::Embedded };
    let last = LastRecord::Source(SourceRecord { head, state: SourceState::Offered });
    Tracked::new(terms, Pin([5; 32]), peer, last, History::default())
}

#[test]
fn what_is_shown_is_never_taken_back_by_who_looked_before() {
    for _ in 0..5_000 {
        let tracked = tracked();
        let last = tracked.inner.lock().state.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| tracked.counted_from(1));
            scope.spawn(|| tracked.stand(last, |history| history.ended_ms = Some(2)));
        });
        assert_eq!(tracked.view().ended_ms, Some(2));
    }
}

/// `limit 0` was told nowhere, and the time that the rest would take was invented.
#[test]
fn under_a_limit_of_0_what_sends_says_so_and_foretells_nothing() {
    let tracked = tracked();
    tracked.set_offered();
    tracked.counters.begin(100 << 20);
    tracked.counters.add_held(30 << 20);
    tracked.counters.add_sent(1 << 20, 1 << 20);
    tracked.counters.add_sent(9 << 20, 9 << 20);
    tracked.publish_under(Some("limit for west is 0 until 06:00".into()));
    let view = tracked.view();
    assert_eq!((view.waiting.as_deref(), view.bytes.rate), (Some("limit for west is 0 until 06:00"), 0.0));
    assert_eq!(view.notes(), "limit for west is 0 until 06:00; copying binaries ahead, model is live (30 %)");
    assert!(tracked.counters.is_held_back(), "the rate of this connection says nothing about the link");
    // What has nothing to send minds no limit.
    tracked.counters.add_held(70 << 20);
    tracked.publish();
    assert_eq!(tracked.view().waiting, None);
    tracked.counters.forget_held(1);
    tracked.publish_under(None);
    assert_eq!(tracked.view().waiting, None);
}

#[test]
fn while_it_waits_no_rate_is_told_and_no_time_foretold() {
    let tracked = tracked();
    tracked.set_offered();
    tracked.counters.begin(100 << 20);
    tracked.counters.add_held(30 << 20);
    tracked.counters.add_sent(1 << 20, 1 << 20);
    tracked.counters.add_sent(9 << 20, 9 << 20);
    tracked.publish();
    assert!(tracked.view().bytes.rate > 0.0 && tracked.view().note.ends_with(" left)"));
    tracked.wait_for_peer();
    assert_eq!(tracked.view().bytes.rate, 0.0);
    assert_eq!(
        tracked.view().notes(),
        "waiting for the agent of west to connect; copying binaries ahead, model is live (30 %)"
    );
}
