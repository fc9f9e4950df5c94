//! Decides which keys may complete a handshake.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use modelferry_protocol::ids::Pin;
use parking_lot::{Mutex, MutexGuard, RwLock};

use super::offers::Offers;

/// The pinned keys and the open pairing offer.
#[derive(Default)]
pub(super) struct Admission {
    pins: RwLock<HashSet<Pin>>,
    offers: Mutex<Offers>,
    pairing: AtomicBool,
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // rustls requires Debug for verifiers. Print neither the pins nor the code.
        f.write_str("Admission")
    }
}

impl Admission {
    pub fn is_pinned(&self, pin: Pin) -> bool {
        self.pins.read().contains(&pin)
    }

    pub fn set_pins(&self, pins: impl Iterator<Item = Pin>) {
        *self.pins.write() = pins.collect();
    }

    pub fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock()
    }

    /// Reports whether a stranger may connect and prove that it knows the code.
    pub fn offer_is_open(&self) -> bool {
        self.offers().is_open(Instant::now())
    }
}

/// The right of one incoming connection to pair. Only one connection holds it at a time.
#[derive(Debug)]
pub(super) struct PairTicket {
    admission: Arc<Admission>,
    taken: AtomicBool,
}

impl PairTicket {
    /// Returns a ticket that is not taken.
    pub fn new(admission: Arc<Admission>) -> Arc<Self> {
        Arc::new(Self { admission, taken: AtomicBool::new(false) })
    }

    /// Takes the ticket. Returns false if another connection holds it or the offer is gone.
    pub fn take(&self) -> bool {
        if self.is_taken() {
            return true;
        }
        if !self.admission.offer_is_open() || self.admission.pairing.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.taken.store(true, Ordering::Release);
        true
    }

    /// Reports whether this connection holds the ticket.
    pub fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Acquire)
    }

    /// Returns the ticket, so that another connection may pair.
    pub fn release(&self) {
        if self.taken.swap(false, Ordering::AcqRel) {
            self.admission.pairing.store(false, Ordering::Release);
        }
    }
}

impl Drop for PairTicket {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelferry_protocol::pairing::Code;

    #[test]
    fn one_stranger_at_a_time_may_pair_and_only_while_an_offer_is_open() {
        let admission = Arc::new(Admission::default());
        let [first, second] = [(); 2].map(|()| PairTicket::new(admission.clone()));
        assert!(!first.take(), "without an offer");
        admission.offers().open(Code::new([1; 10]), None, Instant::now()).unwrap();
        assert!(first.take() && first.take());
        assert!(!second.take(), "while another is pairing");
        first.release();
        assert!(second.take());
        drop(second);
        assert!(first.take());
    }
}
