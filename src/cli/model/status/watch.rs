//! `status --watch`: the same again and again, in place on a terminal, one after the other elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use crate::agent::control::{Failure, FailureKind};
use crate::cli::Context;
use crate::cli::base::exit::Exit;

/// Moves to the upper left, without clearing: what stays the same must not flicker.
const HOME: &str = "\u{1b}[H";
/// Clears the rest of the line.
const CLEAR_LINE: &str = "\u{1b}[K";
/// Clears what is below.
const CLEAR_BELOW: &str = "\u{1b}[J";

/// Prints frames until whoever reads them goes away, or there is none to be had.
///
/// An agent that cannot be reached is a frame as well: it may be about to come back.
#[expect(clippy::disallowed_methods, reason = "a command feeds no watchdog, and what it shows has no event of its own")]
pub(super) fn watch(
    context: &Context,
    interval: Duration,
    frame: impl Fn() -> Result<String, Failure>,
) -> Result<Exit, Failure> {
    let terminal = std::io::stdout().is_terminal() && !context.environment.dumb_terminal;
    loop {
        let text = match frame() {
            Ok(text) => text,
            Err(failure) if failure.kind == FailureKind::Unreachable => {
                format!("{}\n{}\n", failure.message, failure.hint)
            }
            Err(failure) => return Err(failure),
        };
        let shown = if terminal { in_place(&text, height()) } else { format!("{text}\n") };
        if !context.put(&shown) {
            return Ok(Exit::Done);
        }
        std::thread::sleep(interval);
    }
}

/// Lines that the terminal has; what is longer would scroll away what comes first.
fn height() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    size.map_or(usize::MAX, |size| usize::from(size.ws_row).max(2))
}

/// Returns what paints `text` over the frame before it.
fn in_place(text: &str, height: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = String::from(HOME);
    let fitting = if lines.len() < height { lines.len() } else { height - 2 };
    for line in &lines[..fitting] {
        shown.extend([line, CLEAR_LINE, "\n"]);
    }
    shown.push_str(CLEAR_BELOW);
    if fitting < lines.len() {
        shown.push_str(&format!("{} more lines", lines.len() - fitting));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_painted_over_the_one_before_without_clearing_the_screen() {
        let frame = in_place("Model\nprod\n", 24);
        assert_eq!(frame, "\u{1b}[HModel\u{1b}[K\nprod\u{1b}[K\n\u{1b}[J");
    }

    #[test]
    fn what_comes_first_stays_on_a_low_terminal() {
        let frame = in_place("1\n2\n3\n4\n5\n", 4);
        assert!(frame.contains("1\u{1b}[K\n2\u{1b}[K\n") && frame.ends_with("3 more lines"), "{frame:?}");
    }
}
