//! The schedule of kills: which agent is killed, and when.

use std::time::Duration;

use crate::sample::seed::Seed;

/// Where the transfer is when the first kill comes.
const FIRST_AT: f64 = 0.4;
/// Random kills come no sooner, so that the first is over.
const RANDOM_FROM: f64 = 0.45;
/// How far into the cut-over a random kill may come.
const CUT_OVER: Duration = Duration::from_millis(400);

/// One of the two agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The agent that the model leaves.
    Source,
    /// The agent that it comes to.
    Destination,
}

/// The moment of a kill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Moment {
    /// When this share of the bytes has arrived.
    Share(f64),
    /// So long after the last byte has arrived.
    AfterTransfer(Duration),
}

/// An agent to be killed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kill {
    /// Which.
    pub(super) side: Side,
    /// When.
    pub(super) moment: Moment,
}

/// Returns the kills to come, in order: the destination at 40 %; with `interrupt` each once more, at random.
pub(super) fn plan(interrupt: bool, seed: u64) -> Vec<Kill> {
    let mut kills = vec![Kill { side: Side::Destination, moment: Moment::Share(FIRST_AT) }];
    if interrupt {
        let mut seed = Seed::new(seed, "kills");
        let mut others = [Side::Source, Side::Destination].map(|side| {
            // Half of them while bytes travel, half in the cut-over.
            let at = f64::from(seed.below(1000)) / 1000.0;
            let moment = if seed.below(2) == 0 {
                Moment::Share(RANDOM_FROM + at * (1.0 - RANDOM_FROM))
            } else {
                Moment::AfterTransfer(CUT_OVER.mul_f64(at))
            };
            Kill { side, moment }
        });
        others.sort_by_key(|kill| match kill.moment {
            Moment::Share(share) => Duration::from_secs_f64(share),
            Moment::AfterTransfer(after) => Duration::from_secs(1) + after,
        });
        kills.extend(others);
    }
    kills
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_agent_is_killed_once_more_after_the_first_kill_and_in_order() {
        let mut seen = (0, 0);
        for seed in 0..200 {
            let kills = plan(true, seed);
            assert_eq!(kills[0], Kill { side: Side::Destination, moment: Moment::Share(FIRST_AT) });
            assert_ne!(kills[1].side, kills[2].side);
            match (kills[1].moment, kills[2].moment) {
                (Moment::Share(first), Moment::Share(second)) => assert!(FIRST_AT < first && first <= second),
                (Moment::AfterTransfer(first), Moment::AfterTransfer(second)) => assert!(first <= second),
                (first, _) => assert!(matches!(first, Moment::Share(_)), "seed {seed}"),
            }
            for kill in &kills[1..] {
                match kill.moment {
                    Moment::Share(_) => seen.0 += 1,
                    Moment::AfterTransfer(_) => seen.1 += 1,
                }
            }
        }
        assert!(seen.0 > 100 && seen.1 > 100, "{seen:?}");
    }

    #[test]
    fn without_interruptions_the_destination_is_killed_once() {
        assert_eq!(plan(false, 1).len(), 1);
    }
}
