//! Counts the bytes of a migration and measures their rate.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use modelferry_protocol::ids::Hash;
use modelferry_protocol::snapshot::BlobRef;
use parking_lot::Mutex;

use crate::engine::view::Bytes;
use crate::link::Session;

/// The rate is taken over at most this long.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// A migration's byte counts. Cheap to add to from many tasks.
#[derive(Debug, Default)]
pub struct Counters {
    total: AtomicU64,
    held: AtomicU64,
    /// What was held when this connection began, as far as was known: shown until the target has told of more.
    known: AtomicU64,
    reused: AtomicU64,
    sent: AtomicU64,
    wire: Mutex<Wire>,
    /// Whether a limit of 0 has held this connection's bytes back.
    is_held_back: AtomicBool,
    /// Blobs that this migration has met: what is held of them later, it may have sent itself.
    met: Mutex<HashMap<Hash, Met>>,
    /// When the agent was started, Unix milliseconds, if the migration is older: what was before is not counted.
    from_ms: AtomicU64,
    /// When how many bytes had been sent: what was there at the start of a resume is no speed.
    samples: Mutex<VecDeque<(Instant, u64)>>,
}

/// Bytes on the wire. QUIC takes more than it can send at once, above all under a limit, so that what it was given has not
/// left yet; no more has left than went out in its datagrams.
#[derive(Debug, Default)]
struct Wire {
    /// What left over earlier connections.
    before: u64,
    /// What QUIC was given over this one.
    given: u64,
    /// This connection, and what it had sent when the transfer began.
    over: Option<(Session, u64)>,
}

impl Wire {
    fn left(&self) -> u64 {
        let datagrams = self.over.as_ref().map(|(session, begun)| session.udp_tx_bytes().saturating_sub(*begun));
        self.before + datagrams.map_or(self.given, |datagrams| self.given.min(datagrams))
    }

    fn settle(&mut self) {
        *self = Self { before: self.left(), given: 0, over: None };
    }
}

/// What a target has counted of a blob on its way in.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    held: u64,
    /// Of what this connection brings: found here, and told of when it was last looked.
    found: u64,
}

impl Counters {
    /// Notes that the agent was started at `now_ms`, in the middle of the migration: it counts from there.
    pub fn begin_late(&self, now_ms: u64) {
        self.from_ms.store(now_ms, Relaxed);
    }

    /// Sets the bytes of all blobs, as a connection begins: the target is going to tell what it holds of them. The rate
    /// of the one before, and of the time between, says nothing about it.
    pub fn begin(&self, total: u64) {
        self.total.store(total, Relaxed);
        let held = self.held.swap(0, Relaxed);
        self.known.fetch_max(held, Relaxed);
        self.samples.lock().clear();
        self.wire.lock().settle();
        self.is_held_back.store(false, Relaxed);
    }

    /// Names the connection that what is counted from now on goes over.
    pub fn go_over(&self, session: &Session) {
        self.wire.lock().over = Some((session.clone(), session.udp_tx_bytes()));
    }

    /// Ends that: what has not left by now never will.
    pub fn gone_over(&self) {
        self.wire.lock().settle();
    }

    /// Notes that a limit of 0 holds bytes back.
    pub fn hold_back(&self) {
        self.is_held_back.store(true, Relaxed);
    }

    /// Reports whether a limit of 0 has held bytes of this connection back: then their rate says nothing about the link.
    pub fn is_held_back(&self) -> bool {
        self.is_held_back.load(Relaxed)
    }

    /// Notes that the target has told what it holds of every blob.
    pub fn all_told(&self) {
        self.known.store(0, Relaxed);
    }

    /// Counts bytes that became durable on the target.
    pub fn add_held(&self, bytes: u64) {
        self.held.fetch_add(bytes, Relaxed);
    }

    /// Counts bytes no longer that were counted as held: their blob is met again.
    pub fn forget_held(&self, bytes: u64) {
        self.held.fetch_sub(bytes.min(self.held.load(Relaxed)), Relaxed);
    }

    /// Reports whether the target holds everything.
    pub fn is_all_held(&self) -> bool {
        self.held.load(Relaxed) >= self.total.load(Relaxed)
    }

    /// Counts bytes that were found on the target and need not travel.
    pub fn add_reused(&self, bytes: u64) {
        self.reused.fetch_add(bytes, Relaxed);
    }

    /// Reports whether the target has told before what it holds of a blob.
    pub fn has_met(&self, blob: Hash) -> bool {
        self.met.lock().contains_key(&blob)
    }

    /// Counts what the target holds of a blob that this migration meets for the first time: it was there before.
    pub fn meet(&self, blob: Hash, bytes_held: u64) {
        if self.met.lock().insert(blob, Met::default()).is_none() {
            self.add_reused(bytes_held);
        }
    }

    /// Counts, on a target, a blob that is offered, and what is here of it. One that is offered again, over the next
    /// connection or once the model is frozen, is the same blob.
    ///
    /// `found`: bytes of it that were found here since the agent was started, as they are counted for its receivers.
    pub fn take_in(&self, blob: BlobRef, held: u64, found: u64) {
        let before = self.met.lock().insert(blob.hash, Met { held, found });
        if before.is_none() {
            self.total.fetch_add(blob.bytes, Relaxed);
            self.add_reused(held);
        }
        self.forget_held(before.map_or(0, |met| met.held));
        self.add_held(held);
    }

    /// Counts, on a target, bytes of a blob that have become durable. `found`: as for [`Counters::take_in`].
    pub fn took_in(&self, blob: Hash, bytes: u64, found: u64) {
        let new = {
            let mut met = self.met.lock();
            let met = met.entry(blob).or_default();
            met.held += bytes;
            found.saturating_sub(std::mem::replace(&mut met.found, found))
        };
        self.add_held(bytes);
        self.add_reused(new);
    }

    /// Counts a chunk that was given to the connection: its plain bytes, and those on the wire.
    pub fn add_sent(&self, plain: u64, wire: u64) {
        let sent = self.sent.fetch_add(plain, Relaxed) + plain;
        self.wire.lock().given += wire;
        let now = Instant::now();
        let mut samples = self.samples.lock();
        if samples.back().is_none_or(|(at, _)| now.duration_since(*at) > Duration::from_millis(100)) {
            samples.push_back((now, sent));
        }
        while samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW) {
            samples.pop_front();
        }
    }

    /// Returns the counts as they are now.
    pub fn bytes(&self) -> Bytes {
        let sent = self.sent.load(Relaxed);
        let samples = self.samples.lock();
        let rate = samples.front().map_or(0.0, |(at, then)| {
            let seconds = at.elapsed().as_secs_f64();
            if seconds > 0.0 { sent.saturating_sub(*then) as f64 / seconds } else { 0.0 }
        });
        let (total, held) = (self.total.load(Relaxed), self.held.load(Relaxed).max(self.known.load(Relaxed)));
        let held = held.min(total);
        // What a target finds it tells chunk by chunk, and a cut may take that back. What it holds and never was sent was
        // found all the same. (A target sends nothing, and knows what it has found.)
        let unsent = if sent > 0 { held.saturating_sub(sent) } else { 0 };
        Bytes {
            total,
            held,
            reused: self.reused.load(Relaxed).max(unsent),
            sent,
            sent_wire: self.wire.lock().left(),
            rate,
            counted_from_ms: Some(self.from_ms.load(Relaxed)).filter(|from_ms| *from_ms > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::migration::status_text::remaining_seconds;

    #[test]
    fn what_a_blob_has_when_it_is_met_again_was_not_there_before() {
        let counters = Counters::default();
        counters.meet(Hash([1; 32]), 10);
        counters.meet(Hash([2; 32]), 0);
        // After a cut the target holds what this migration has sent, and says so.
        counters.meet(Hash([1; 32]), 10);
        counters.meet(Hash([2; 32]), 500);
        assert_eq!(counters.bytes().reused, 10);
        assert!(counters.has_met(Hash([2; 32])) && !counters.has_met(Hash([3; 32])));
    }

    #[test]
    fn what_is_held_has_been_sent_or_was_there_though_a_cut_took_the_word_of_it() {
        let (counters, blob) = (Counters::default(), Hash([1; 32]));
        counters.begin(1000);
        counters.meet(blob, 100);
        counters.add_held(100);
        counters.add_sent(250, 250);
        // The target finds 400 more, and the connection ends before it has said so.
        counters.begin(1000);
        counters.meet(blob, 750);
        counters.add_held(750);
        assert_eq!(counters.bytes().reused, 500);
        counters.add_sent(250, 250);
        counters.add_held(250);
        assert_eq!((counters.bytes().reused, counters.bytes().sent), (500, 500));
        // As far as this agent has counted.
        counters.begin_late(7);
        assert_eq!(counters.bytes().counted_from_ms, Some(7));
    }

    #[test]
    fn a_target_counts_a_blob_once_however_often_it_is_offered() {
        let counters = Counters::default();
        let (blob, other) = (BlobRef { hash: Hash([1; 32]), bytes: 1000 }, BlobRef { hash: Hash([2; 32]), bytes: 50 });
        let seen = || (counters.bytes().total, counters.bytes().held, counters.bytes().reused);
        counters.take_in(blob, 100, 0);
        // Of the next 300 the wire has brought 260.
        counters.took_in(blob.hash, 300, 40);
        assert_eq!(seen(), (1000, 400, 140));
        // After a cut; what was written and not told of before it counts as well.
        counters.take_in(blob, 450, 0);
        counters.take_in(other, 50, 0);
        assert_eq!(seen(), (1050, 500, 190));
        counters.took_in(blob.hash, 550, 10);
        assert_eq!(seen(), (1050, 1050, 200));
        // And once more when the model is frozen.
        counters.take_in(blob, 1000, 0);
        assert_eq!(seen(), (1050, 1050, 200));
    }

    #[test]
    fn what_was_there_already_is_no_speed_and_shortens_no_forecast() {
        let counters = Counters::default();
        counters.begin(1000 << 20);
        counters.add_held(900 << 20);
        counters.meet(Hash([1; 32]), 900 << 20);
        // A resume: nothing has been sent by this process, so there is no rate, and nothing is foretold by it.
        assert_eq!((counters.bytes().rate, remaining_seconds(&counters.bytes())), (0.0, None));
        counters.add_sent(1 << 20, 1 << 19);
        counters.add_held(1 << 20);
        let bytes = counters.bytes();
        assert_eq!(bytes.reused, 900 << 20);
        counters.add_sent(9 << 20, 9 << 20);
        assert!(counters.bytes().rate > 0.0);
        // A cut, and the next connection: the time between has slowed nothing down.
        counters.begin(1000 << 20);
        assert_eq!(counters.bytes().rate, 0.0);
    }

    #[test]
    fn what_was_held_is_shown_until_the_target_tells_after_a_cut() {
        let counters = Counters::default();
        counters.begin(1000);
        counters.add_held(600);
        counters.begin(1000);
        assert_eq!(counters.bytes().held, 600);
        assert!(!counters.is_all_held());
        counters.add_held(500);
        assert_eq!(counters.bytes().held, 600);
        // Another cut before the target has told of everything, and then it tells that it was set back.
        counters.begin(1000);
        assert_eq!(counters.bytes().held, 600);
        counters.add_held(550);
        counters.all_told();
        assert_eq!(counters.bytes().held, 550);
        // Of a description that is smaller than the copy before it no more is held than there is.
        counters.begin(400);
        assert_eq!(counters.bytes().held, 400);
    }
}
