//! The state of pairing offers, without I/O: one open offer, which one correct proof uses up.
//!
//! A wrong proof bars the network that it came from and leaves the offer open: else any stranger could end every pairing.
//! Guessing gains nothing by it, because a code has 80 random bits.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use modelferry_protocol::pairing::{Code, OFFER_SECONDS};

use super::network::Network;

/// Networks that are barred from one offer. Beyond it the first is let in again, for one more guess.
const BARRED_MAX: usize = 1024;

/// The result of a proof.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::link) enum Outcome {
    /// The proof is correct and the offer is used up. Holds the name that the offer gave its peer, if any.
    Right(Option<String>),
    /// The proof is wrong, or an earlier one from the same network was.
    Wrong,
    /// No offer is open.
    NoOffer,
}

struct Offer {
    code: Code,
    name: Option<String>,
    expires: Instant,
    barred: Vec<Network>,
}

/// The open offer.
#[derive(Default)]
pub(in crate::link) struct Offers {
    open: Option<Offer>,
}

impl Offers {
    /// Opens an offer and replaces any open one. Returns its lifetime.
    pub fn open(&mut self, code: Code, name: Option<String>, now: Instant) -> Duration {
        let lasts = Duration::from_secs(OFFER_SECONDS);
        self.open = Some(Offer { code, name, expires: now + lasts, barred: Vec::new() });
        lasts
    }

    pub fn is_open(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|offer| offer.expires > now)
    }

    /// Uses up the open offer if a proof from `address` is right. `proves`: checks the proof against the offer's code.
    pub fn prove(&mut self, now: Instant, address: IpAddr, proves: impl FnOnce(&Code) -> bool) -> Outcome {
        let Some(mut offer) = self.open.take().filter(|offer| offer.expires > now) else { return Outcome::NoOffer };
        let network = Network::of(address);
        let is_barred = offer.barred.contains(&network);
        if !is_barred && proves(&offer.code) {
            return Outcome::Right(offer.name);
        }
        if !is_barred {
            if offer.barred.len() >= BARRED_MAX {
                offer.barred.remove(0);
            }
            offer.barred.push(network);
        }
        self.open = Some(offer);
        Outcome::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(number: u32) -> IpAddr {
        IpAddr::from((0x0a00_0001 + (number << 8)).to_be_bytes())
    }

    #[test]
    fn an_offer_is_good_for_one_right_proof() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        offers.open(Code::new([7; 10]), Some("east".to_owned()), now);
        let right = offers.prove(now, address(1), |code| *code == Code::new([7; 10]));
        assert_eq!(right, Outcome::Right(Some("east".to_owned())));
        assert_eq!(offers.prove(now, address(1), |_| true), Outcome::NoOffer);
    }

    #[test]
    fn an_expired_offer_takes_no_proof() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        let lasts = offers.open(Code::new([7; 10]), None, now);
        assert!(offers.is_open(now + lasts - SECOND));
        assert!(!offers.is_open(now + lasts));
        assert_eq!(offers.prove(now + lasts, address(1), |_| true), Outcome::NoOffer);
    }

    /// Any stranger voided an offer, and three locked pairing.
    #[test]
    fn a_wrong_proof_costs_its_network_and_leaves_the_offer_to_others() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        offers.open(Code::new([7; 10]), None, now);
        for stranger in 2..50 {
            assert_eq!(offers.prove(now, address(stranger), |_| false), Outcome::Wrong);
            // Its second guess is not even looked at.
            assert_eq!(offers.prove(now, address(stranger), |_| true), Outcome::Wrong);
        }
        assert_eq!(offers.prove(now, address(1), |_| true), Outcome::Right(None));
    }

    #[test]
    fn a_new_offer_is_open_to_a_network_that_mistyped_the_code_of_the_last() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        offers.open(Code::new([7; 10]), None, now);
        assert_eq!(offers.prove(now, address(1), |_| false), Outcome::Wrong);
        offers.open(Code::new([8; 10]), None, now);
        assert_eq!(offers.prove(now, address(1), |_| true), Outcome::Right(None));
    }

    #[test]
    fn the_list_of_barred_networks_is_bounded() {
        let (mut offers, now) = (Offers::default(), Instant::now());
        offers.open(Code::new([7; 10]), None, now);
        (0..2000).for_each(|number| drop(offers.prove(now, address(number), |_| false)));
        assert_eq!(offers.open.unwrap().barred.len(), BARRED_MAX);
    }
}
