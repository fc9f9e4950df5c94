//! Where a Juju controller decides at the source: its migration master goes on by Juju's rules while the agents die under it.
//!
//! Each pair is played in several courses, so that the point of a record that every migration passes is met in each of them.

use super::super::cluster::Once;
use super::super::juju::Phase;
use super::{Action, Play, all_hold, pairs, survives};

/// Records of the source, G0 to G8 of `tests/crash/relayed.rs`, and its replies.
const SOURCE: [&str; 9] =
    ["Offered", "Relaying", "Answered", "answer-activate", "Committed", "Handed", "answer-adopt", "Moved", "Aborted"];
/// Records and effects of the target.
const TARGET: [&str; 15] = [
    "Receiving",
    "Importing",
    "import",
    "Imported",
    "Staging",
    "stage",
    "Prepared",
    "Activating",
    "activate",
    "Live",
    "adopt",
    "Active",
    "Dropping",
    "discard",
    "Dropped",
];
/// Tries in which a model must have moved. Each point costs one try at most, and each fault of a course.
const TRIES_MAX: u32 = 8;

/// What else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Nothing; then the operator aborts.
    Goes,
    /// The replies to `InitiateMigration`, `Activate` and `AdoptResources` are lost, `Abort` is not heard, and the controller's
    /// status is not to be had for a while.
    Loses,
    /// The source's controller does not begin; then the destination's refuses the import; then the adoption.
    Refused,
    /// Nothing, but the link is cut at both points instead.
    Cut,
}

/// Each pair has the first, and one of the others, in turn: so every point meets all of them.
const OTHERS: [Course; 3] = [Course::Loses, Course::Refused, Course::Cut];

impl Play {
    /// Has the model moved away from the Juju controller, however often that is aborted.
    fn moves(&mut self) -> Result<(), String> {
        for _ in 0..TRIES_MAX {
            self.attempt("an attempt that moves the model", |play, _, _| play.keep_cut())?;
            self.check_end()?;
            if self.owner() == Some(1) {
                return Ok(());
            }
        }
        Err(format!("the model has not moved in {TRIES_MAX} tries"))
    }

    /// Brings the model back, with no point in the way.
    fn returns(&mut self) -> Result<(), String> {
        self.armed.borrow_mut().are_safe = true;
        self.attempt("the way back", |play, _, _| play.keep_cut())?;
        self.armed.borrow_mut().are_safe = false;
        self.check_end()
    }

    fn keep_cut(&self) {
        let is_cut = self.region.trace.now_ms() < self.armed.borrow().cut_until_ms;
        self.set_cut([is_cut; 2]);
    }

    fn aborts(&mut self) -> Result<(), String> {
        self.attempt("an attempt that is aborted", |play, from, [_, target]| {
            play.keep_cut();
            if target.is_some_and(|(_, name, _)| matches!(name, "Importing" | "Imported" | "Staging")) {
                play.hosts[from].abort();
            }
        })?;
        self.check_end()
    }
}

fn script(play: &mut Play, course: Course) -> Result<(), String> {
    let Some(juju) = play.region.juju.clone() else { return Err("there is no Juju controller".to_owned()) };
    if play.owner() == Some(1) {
        play.returns()?;
    }
    match course {
        Course::Goes | Course::Cut => {
            play.moves()?;
            if play.armed.borrow().points.is_empty() {
                return Ok(());
            }
            play.returns()?;
            play.aborts()
        }
        Course::Loses => {
            juju.lose(&[Phase::Asked, Phase::Activate, Phase::Abort, Phase::Success], 3);
            play.moves()
        }
        Course::Refused => {
            juju.refuse();
            play.region.estate.inner().refused = vec![Once::new(1, "Import"), Once::new(1, "Adopt")];
            play.moves()
        }
    }
}

/// `PAIRS=all` plays every pair in every course, which takes twice as long.
fn every_course() -> bool {
    std::env::var("PAIRS").is_ok_and(|which| which == "all") || std::env::var("PAIR").is_ok()
}

#[test]
fn both_agents_killed_at_every_pair_of_points_beside_a_juju_controller_leave_one_owner_and_every_write() {
    let mut cases = Vec::new();
    for (place, pair) in pairs(&SOURCE, &TARGET).into_iter().enumerate() {
        let (source, target) = (place / (2 * TARGET.len()), place % (2 * TARGET.len()));
        let turn = (source + target) % OTHERS.len();
        let others = OTHERS.into_iter().enumerate().filter(|(number, _)| *number == turn || every_course());
        cases.extend(others.map(|(_, course)| course).chain([Course::Goes]).map(|course| (course, pair.clone())));
    }
    all_hold("pairs of points beside a Juju controller, in courses", &cases, |(course, pair)| {
        let action = if *course == Course::Cut { Action::Cut } else { Action::Kill };
        let play = Play::begin(pair.iter().map(|point| (point.clone(), action)).collect(), true);
        survives(play, |play| script(play, *course)).map_err(|report| format!("{report}, {course:?}"))
    });
}
