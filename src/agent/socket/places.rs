//! Counts the clients of the control socket, so that no user takes the places of the others.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::agent::control::{Failure, FailureKind};

/// Clients served at once. 64: a few people, their watchers and a monitoring system.
const CLIENTS_MAX: usize = 64;
/// Clients of one user, unless it is root or the agent's own.
const CLIENTS_PER_USER_MAX: usize = 8;
/// Further places, for root and the agent's own user alone: users who may only look cannot block an `abort`.
const CLIENTS_KEPT: usize = 8;

/// Who has how many places.
#[derive(Debug, Default)]
struct Taken {
    by_user: HashMap<u32, usize>,
    all: usize,
}

/// The places of clients. Clones share them.
#[derive(Debug, Clone, Default)]
pub(in crate::agent) struct Places(Arc<Mutex<Taken>>);

/// A client's place, free again once this is dropped.
#[derive(Debug)]
pub(in crate::agent) struct Place {
    places: Places,
    uid: u32,
}

impl Places {
    /// Takes a place for a client of the user `uid`. `is_owner`: the user is root or the agent's own.
    ///
    /// Errors: what to tell the client.
    pub fn take(&self, uid: u32, is_owner: bool) -> Result<Place, Failure> {
        let mut taken = self.0.lock();
        let own = taken.by_user.get(&uid).copied().unwrap_or(0);
        if !is_owner && own >= CLIENTS_PER_USER_MAX {
            return Err(refusal(format!("user {uid} has {CLIENTS_PER_USER_MAX} clients connected already")));
        }
        if taken.all >= CLIENTS_MAX + if is_owner { CLIENTS_KEPT } else { 0 } {
            return Err(refusal(format!("{CLIENTS_MAX} clients are connected already")));
        }
        taken.all += 1;
        *taken.by_user.entry(uid).or_default() += 1;
        Ok(Place { places: self.clone(), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock();
        taken.all -= 1;
        // Users without clients are forgotten, so that the table has at most as many rows as there are places.
        match taken.by_user.get_mut(&self.uid) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.by_user.remove(&self.uid)),
        }
    }
}

fn refusal(message: String) -> Failure {
    Failure::new(FailureKind::Refused, message)
        .state("nothing has changed")
        .hint("end some of the commands that wait or watch, which `pgrep -a modelferry` lists, and try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_eight_places_and_root_and_the_agent_as_many_as_there_are() {
        let places = Places::default();
        let mut held: Vec<Place> = (0..8).map(|_| places.take(1000, false).unwrap()).collect();
        let refused = places.take(1000, false).unwrap_err();
        assert!(refused.message.contains("user 1000 has 8 clients"), "{refused:?}");
        held.extend((0..8).map(|_| places.take(1001, false).unwrap()));
        held.extend((0..48).map(|_| places.take(0, true).unwrap()));
        assert!(places.take(1002, false).unwrap_err().message.contains("64 clients are connected already"));
        held.extend((0..8).map(|_| places.take(0, true).unwrap()));
        assert!(places.take(0, true).is_err());
        held.clear();
        assert!(places.take(1000, false).is_ok());
    }

    #[test]
    fn five_thousand_clients_of_others_leave_root_its_places() {
        let places = Places::default();
        let served: Vec<Place> = (0..5000).filter_map(|number| places.take(1000 + number % 100, false).ok()).collect();
        assert_eq!(served.len(), CLIENTS_MAX);
        let root: Vec<Place> = std::iter::from_fn(|| places.take(0, true).ok()).collect();
        assert_eq!(root.len(), CLIENTS_KEPT);
    }

    #[test]
    fn users_who_have_left_are_forgotten() {
        let places = Places::default();
        (0..1000).for_each(|uid| drop(places.take(uid, false).unwrap()));
        assert!(places.0.lock().by_user.is_empty());
    }
}
