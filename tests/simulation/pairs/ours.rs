//! Between two controllers of ours: an attempt that the operator aborts, one that the target renounces after the commit, one that
//! moves the model.

use super::{Action, Play, Stands, all_hold, log_of, pairs, survives};

/// Records and effects of the source, S1 to S15 of the matrix, and what is between S6 and S7.
const SOURCE: [&str; 16] = [
    "Offered",
    "Freezing",
    "freeze",
    "Frozen",
    "Committed",
    "Handed",
    "redirect",
    "log",
    "Reaping",
    "reap",
    "Moved",
    "Aborting",
    "thaw",
    "Aborted",
    "Reclaiming",
    "Reclaimed",
];
/// Of the target, T1 to T10, and what is between T6 and T7.
const TARGET: [&str; 12] = [
    "Receiving",
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
/// For how long a link is cut, or up again, while a vote is waited for.
const LINK_MS: u64 = 1_500;

/// What renounces a migration after its commit: from its vote on the target hears nothing, so that it cannot hear the commit.
#[derive(Default)]
struct Renouncing {
    cut: [bool; 2],
    cut_ms: u64,
    acted: bool,
}

impl Renouncing {
    fn act(&mut self, play: &Play, from: usize, stands: Stands) {
        let [source, target] = stands.map(|side| side.map(|(_, name, _)| name));
        if self.acted {
            // The token is given back: let it be heard.
            if matches!(target, Some("Dropped" | "Dropping" | "Live" | "Active")) {
                self.cut = [false; 2];
            }
        } else {
            // If the target has died meanwhile it cannot vote either: the link comes and goes.
            let now_ms = play.region.trace.now_ms();
            let since = now_ms - self.cut_ms;
            let votes = source == Some("Frozen") && matches!(target, Some("Staging" | "Prepared"));
            if self.cut != [false; 2] && source != Some("Committed") && since > LINK_MS {
                (self.cut, self.cut_ms) = ([false; 2], now_ms);
            } else if votes && self.cut == [false; 2] && (since > LINK_MS || self.cut_ms == 0) {
                (self.cut[from], self.cut_ms) = (true, now_ms);
            }
            if source == Some("Committed") && target == Some("Prepared") {
                self.cut = [true; 2];
                if let Some((mid, ..)) = stands[1] {
                    play.hosts[1 - from].renounce(mid);
                }
            }
            self.acted = matches!(target, Some("Dropping" | "Dropped" | "Activating" | "Live" | "Active"));
        }
        play.set_cut(self.cut);
    }
}

fn script(play: &mut Play) -> Result<(), String> {
    play.attempt("an attempt that is aborted", |play, from, [_, target]| {
        if target.is_some_and(|(_, name, _)| name == "Receiving") {
            play.hosts[from].abort();
        }
    })?;
    play.check_end()?;
    let mut renouncing = Renouncing::default();
    play.attempt("an attempt that is renounced", |play, from, stands| renouncing.act(play, from, stands))?;
    play.check_end()?;
    play.attempt("an attempt that moves the model", |_, _, _| {})?;
    play.check_end()
}

#[test]
fn both_agents_killed_at_every_pair_of_points_leave_one_owner_and_every_write() {
    all_hold("pairs of points, both agents killed at each", &pairs(&SOURCE, &TARGET), |pair| {
        let play = Play::begin(pair.iter().map(|point| (point.clone(), Action::Kill)).collect(), false);
        log_of(&play);
        survives(play, script)
    });
}
