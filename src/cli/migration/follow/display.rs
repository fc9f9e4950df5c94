//! What a person sees while a migration is followed: a bar on a terminal, lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Context;
use crate::cli::output::plain;
use crate::cli::output::{Format, byte_count, clock, span};
use crate::clock::now_ms;
use crate::engine::view::MigrationView;

/// Time between two lines: what a log keeps of a transfer is one line a second at most.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// A bar, lines, or, where a program reads, nothing.
pub(super) struct Display<'a> {
    context: &'a Context,
    bar: Option<ProgressBar>,
    lines: Option<Lines>,
    /// Names the model that the notes are about.
    model: String,
}

impl<'a> Display<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        let people = context.format == Format::Tabular;
        let terminal = people && std::io::stderr().is_terminal() && !context.environment.dumb_terminal;
        let bar = terminal.then(|| {
            let style = ProgressStyle::with_template("{spinner} {bar:24} {msg}").expect("the template is well-formed");
            ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr()).with_style(style)
        });
        let lines = (people && !terminal).then(Lines::default);
        Self { context, bar, lines, model: String::new() }
    }

    /// Returns the bar, for whoever has to clear it in the end.
    pub(super) fn bar(&self) -> Option<ProgressBar> {
        self.bar.clone()
    }

    /// Shows how a migration is.
    pub(super) fn show(&mut self, view: &MigrationView) {
        self.model = format!("{}/{}", plain(&view.owner), plain(&view.model));
        let note = plain(view.waiting.as_deref().unwrap_or(&view.note)).into_owned();
        if let Some(bar) = &self.bar {
            if bar.is_finished() {
                bar.reset();
            }
            bar.set_length(view.bytes.total.max(1));
            bar.set_position(view.bytes.held.min(view.bytes.total));
            bar.set_message(format!("{}: {}{note}", self.model, progress(view)));
        }
        self.remark(&note);
    }

    /// Says what is new of the model, where there is no bar to say it.
    pub(super) fn remark(&mut self, text: &str) {
        let text = if self.model.is_empty() { text.to_owned() } else { format!("{}: {text}", self.model) };
        if let Some(line) = self.lines.as_mut().and_then(|lines| lines.take(text, Instant::now())) {
            self.print(&line);
        }
        if let Some(bar) = &self.bar {
            bar.tick();
        }
    }

    /// Prints what was held back, once its time has come.
    pub(super) fn tick(&mut self) {
        if let Some(line) = self.lines.as_mut().and_then(|lines| lines.due(Instant::now())) {
            self.print(&line);
        }
    }

    fn print(&self, line: &str) {
        self.context.sink.err(&format!("{} {line}", clock(now_ms())));
    }

    /// Takes the bar down. A line that was held back is given up: the outcome follows, which says more.
    pub(super) fn finish(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(lines) = &mut self.lines {
            lines.held = None;
        }
    }
}

/// Lines of which at most one is printed in each [`LINE_INTERVAL`]: the last one counts.
#[derive(Debug, Default)]
struct Lines {
    said: String,
    said_at: Option<Instant>,
    held: Option<String>,
}

impl Lines {
    /// Takes a line in, and returns one that is to be printed now.
    fn take(&mut self, line: String, now: Instant) -> Option<String> {
        self.held = (line != self.said).then_some(line);
        self.due(now)
    }

    /// Returns the line that was held back, if one may be printed again.
    fn due(&mut self, now: Instant) -> Option<String> {
        if self.said_at.is_some_and(|at| now.saturating_duration_since(at) < LINE_INTERVAL) {
            return None;
        }
        let line = self.held.take()?;
        self.said_at = Some(now);
        self.said.clone_from(&line);
        Some(line)
    }
}

/// Tells bytes done, reused and left, the rate, and when they will be there; nothing once they are.
fn progress(view: &MigrationView) -> String {
    let bytes = &view.bytes;
    let left = bytes.total.saturating_sub(bytes.held);
    if left == 0 {
        return String::new();
    }
    let is_known = bytes.reused > 0 && bytes.counted_from_ms.is_none();
    let reused = if is_known { format!(" ({} reused)", byte_count(bytes.reused)) } else { String::new() };
    let rate = if bytes.rate >= 1.0 {
        let eta = span(Duration::from_secs_f64((left as f64 / bytes.rate).min(1e9)));
        format!(" {}/s, {eta} left", byte_count(bytes.rate as u64))
    } else {
        String::new()
    };
    format!("{}/{}{reused}{rate} · ", byte_count(bytes.held), byte_count(bytes.total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::status::tests::migration;
    use crate::engine::view::{Bytes, Stand};

    #[test]
    fn of_many_lines_in_a_second_only_the_last_is_printed() {
        let (mut lines, begun) = (Lines::default(), Instant::now());
        let mut at = |ms: u64, line: Option<&str>| {
            let now = begun + Duration::from_millis(ms);
            match line {
                Some(line) => lines.take(line.to_owned(), now),
                None => lines.due(now),
            }
        };
        assert_eq!(at(0, Some("prod: a")).as_deref(), Some("prod: a"));
        assert_eq!(at(1, Some("prod: b")), None);
        assert_eq!(at(999, Some("prod: c")), None);
        assert_eq!(at(1000, None).as_deref(), Some("prod: c"), "the last one is not lost");
        assert_eq!(at(5000, Some("prod: c")), None, "nothing is said twice");
        assert_eq!(at(5001, Some("prod: d")).as_deref(), Some("prod: d"));
        assert_eq!(at(5002, Some("prod: e")), None);
        assert_eq!(at(5003, Some("prod: d")), None);
        assert_eq!(at(9000, None), None, "it is as it was");
    }

    #[test]
    fn progress_tells_what_is_held_reused_and_left() {
        let bytes = Bytes { total: 64 << 20, held: 16 << 20, reused: 4 << 20, rate: 8e6, ..Bytes::default() };
        let view = MigrationView { bytes, ..migration(Stand::Running) };
        assert_eq!(progress(&view), "16 MiB/64 MiB (4 MiB reused) 7.6 MiB/s, 6.3 s left · ");
        let stalled = Bytes { rate: 0.0, reused: 0, ..bytes };
        assert_eq!(progress(&MigrationView { bytes: stalled, ..view.clone() }), "16 MiB/64 MiB · ");
        let resumed = Bytes { counted_from_ms: Some(1), ..bytes };
        let told = progress(&MigrationView { bytes: resumed, ..view.clone() });
        assert_eq!(told, "16 MiB/64 MiB 7.6 MiB/s, 6.3 s left · ", "nobody knows who has brought what is there");
        let whole = Bytes { held: bytes.total, ..bytes };
        assert_eq!(progress(&MigrationView { bytes: whole, ..view }), "");
    }
}
