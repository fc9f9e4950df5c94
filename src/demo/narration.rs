//! What the audience sees: steps, the commands a person would type, their answers, a progress bar.

use std::fmt::Display;
use std::io::{IsTerminal, stdout};
use std::process::Output;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::agent_process::AgentProcess;
use super::trouble::Trouble;
use crate::cli::Context;
use crate::cli::output::{byte_count, plain};

/// Columns that a command's answer is indented by.
const ANSWER_INDENT: &str = "       ";
/// Without a terminal the bar becomes a line at each of so many parts of the whole.
const LINES_PER_TRANSFER: u64 = 5;

/// Which part of a command's answer is worth a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Show {
    /// All of it.
    All,
    /// The first lines.
    First(usize),
    /// What went to standard error: what failed, and what to type next.
    Errors,
    /// Nothing.
    Nothing,
}

/// The demo's voice.
pub(super) struct Narration<'a> {
    context: &'a Context,
    step: u32,
    bar: ProgressBar,
    total: u64,
    lines: u64,
}

impl<'a> Narration<'a> {
    /// Begins to speak.
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, step: 0, bar: ProgressBar::hidden(), total: 0, lines: 0 }
    }

    /// Opens the next step.
    pub(super) fn step(&mut self, title: impl Display) {
        self.step += 1;
        self.line(format_args!("\n{}. {title}", self.step));
    }

    /// Says a line of its own, above the progress bar where there is one.
    pub(super) fn line(&self, text: impl Display) {
        // An audience that has left, such as `head`, is no reason to stop: the agents are to be ended in order.
        self.bar.suspend(|| self.context.put(&format!("{text}\n")));
    }

    /// Says a remark within a step.
    pub(super) fn remark(&self, text: impl Display) {
        self.line(format_args!("  {text}"));
    }

    /// Runs a command on an agent's host, and shows both it and what matters of its answer.
    ///
    /// Errors: [`Trouble`] if it cannot be run. How it ends is for the caller to judge.
    pub(super) async fn run(&self, agent: &AgentProcess, arguments: &[&str], show: Show) -> Result<Output, Trouble> {
        self.typed(agent, arguments);
        let output = agent.run(arguments).await?;
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let lines = |texts: &[String], count: usize| {
            for line in texts.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()).take(count) {
                self.line(format_args!("{ANSWER_INDENT}{}", plain(line)));
            }
        };
        match show {
            Show::All => lines(&said, usize::MAX),
            Show::First(count) => lines(&said, count),
            Show::Errors => lines(&said[1..], usize::MAX),
            Show::Nothing => {}
        }
        Ok(output)
    }

    /// Shows a command.
    pub(super) fn typed(&self, agent: &AgentProcess, words: &[&str]) {
        self.line(format_args!("  {}$ modelferry {}", agent.name, words.join(" ")));
    }

    /// Shows what a command said.
    pub(super) fn said(&self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            self.line(format_args!("{ANSWER_INDENT}{}", plain(line)));
        }
    }

    /// Runs a command that must succeed.
    ///
    /// Errors: [`Trouble`] with what it said if it did not.
    pub(super) async fn run_ok(&self, agent: &AgentProcess, arguments: &[&str], show: Show) -> Result<String, Trouble> {
        let output = self.run(agent, arguments, show).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Trouble::new(format!("`modelferry {}` failed on {}: {said}", arguments.join(" "), agent.name)))
    }

    /// Puts up the progress bar.
    pub(super) fn begin_transfer(&mut self, total: u64) {
        self.total = total;
        self.lines = 0;
        if stdout().is_terminal() && !self.context.environment.dumb_terminal {
            let style = ProgressStyle::with_template("  [{bar:40}] {percent:>3} %  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stdout())
                .with_style(style.progress_chars("=> "));
        }
    }

    /// Moves the progress bar.
    ///
    /// `rate`: bytes per second.
    pub(super) fn progress(&mut self, held: u64, rate: f64) {
        let left = if rate > 0.0 { (self.total.saturating_sub(held)) as f64 / rate } else { 0.0 };
        let text = format!(
            "{} of {}, {}/s, {left:.0} s left",
            byte_count(held),
            byte_count(self.total),
            byte_count(rate as u64)
        );
        if !self.bar.is_hidden() {
            self.bar.set_message(text);
            self.bar.set_position(held);
        } else if self.total > 0 && held * LINES_PER_TRANSFER / self.total > self.lines {
            self.lines = held * LINES_PER_TRANSFER / self.total;
            self.remark(format_args!("{:>3} %  {text}", held * 100 / self.total));
        }
    }

    /// Takes the progress bar down.
    pub(super) fn end_transfer(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
    }
}
