//! The state of pairing offers, without I/O: one open offer, which one correct or one wrong proof uses up.

use std::time::{Duration, Instant};

use modelferry_protocol::pairing::{Code, LOCK_SECONDS, OFFER_SECONDS, VOID_OFFERS_MAX, VOID_WINDOW_SECONDS};

/// Pairing is locked after too many wrong proofs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Locked {
    /// Time until the lock ends.
    pub remaining: Duration,
}

/// The result of a proof.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The proof is correct and the offer is used up. Holds the name that the offer gave its peer, if any.
    Right(Option<String>),
    /// The proof is wrong and the offer is void.
    Wrong,
    /// No offer is open.
    NoOffer,
}

struct Offer {
    code: Code,
    name: Option<String>,
    expires: Instant,
}

/// The open offer, and the times of recent void ones.
#[derive(Default)]
pub(super) struct Offers {
    open: Option<Offer>,
    voided: Vec<Instant>,
    locked_until: Option<Instant>,
}

impl Offers {
    /// Opens an offer and replaces any open one. Returns its lifetime.
    ///
    /// Errors: [`Locked`].
    pub fn open(&mut self, code: Code, name: Option<String>, now: Instant) -> Result<Duration, Locked> {
        if let Some(until) = self.locked_until.filter(|until| *until > now) {
            return Err(Locked { remaining: until - now });
        }
        let lasts = Duration::from_secs(OFFER_SECONDS);
        self.open = Some(Offer { code, name, expires: now + lasts });
        Ok(lasts)
    }

    pub fn is_open(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|offer| offer.expires > now)
    }

    /// Uses up the open offer. `proves`: checks the proof against the offer's code.
    pub fn prove(&mut self, now: Instant, proves: impl FnOnce(&Code) -> bool) -> Outcome {
        let Some(offer) = self.open.take().filter(|offer| offer.expires > now) else { return Outcome::NoOffer };
        if proves(&offer.code) {
            return Outcome::Right(offer.name);
        }
        let window = Duration::from_secs(VOID_WINDOW_SECONDS);
        self.voided.retain(|at| now.duration_since(*at) < window);
        self.voided.push(now);
        if self.voided.len() >= VOID_OFFERS_MAX {
            self.locked_until = Some(now + Duration::from_secs(LOCK_SECONDS));
            self.voided.clear();
        }
        Outcome::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn void_one(offers: &mut Offers, now: Instant) {
        offers.open(Code::new([7; 10]), None, now).unwrap();
        assert_eq!(offers.prove(now, |_| false), Outcome::Wrong);
    }

    #[test]
    fn an_offer_is_good_for_one_right_proof() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        offers.open(Code::new([7; 10]), Some("east".to_owned()), now).unwrap();
        assert_eq!(offers.prove(now, |code| *code == Code::new([7; 10])), Outcome::Right(Some("east".to_owned())));
        assert_eq!(offers.prove(now, |_| true), Outcome::NoOffer);
    }

    #[test]
    fn an_expired_offer_takes_no_proof() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        let lasts = offers.open(Code::new([7; 10]), None, now).unwrap();
        assert!(offers.is_open(now + lasts - SECOND));
        assert!(!offers.is_open(now + lasts));
        assert_eq!(offers.prove(now + lasts, |_| true), Outcome::NoOffer);
    }

    #[test]
    fn the_first_wrong_proof_voids_the_offer() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        void_one(&mut offers, now);
        assert_eq!(offers.prove(now, |_| true), Outcome::NoOffer);
    }

    #[test]
    fn three_void_offers_in_an_hour_lock_pairing_for_ten_minutes() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        (0..3).for_each(|minutes| void_one(&mut offers, now + 60 * minutes * SECOND));
        let last = now + 120 * SECOND;
        let locked = offers.open(Code::new([7; 10]), None, last + 599 * SECOND);
        assert_eq!(locked, Err(Locked { remaining: SECOND }));
        assert!(offers.open(Code::new([7; 10]), None, last + 600 * SECOND).is_ok());
    }

    #[test]
    fn void_offers_an_hour_apart_lock_nothing() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        (0..6).for_each(|round| void_one(&mut offers, now + 1800 * round * SECOND));
        assert!(offers.open(Code::new([7; 10]), None, now + 9000 * SECOND).is_ok());
    }
}
