//! The table at the end, and whether everything that was claimed is true.

use super::journey::Journey;
use super::narration::Narration;
use super::proof::Proof;
use super::relay::Traffic;
use super::trouble::Trouble;
use super::users::Notes;
use crate::cli::output::byte_count;

/// Everything that was measured.
pub(super) struct Report<'a> {
    pub(super) journey: &'a Journey,
    pub(super) notes: &'a Notes,
    pub(super) proof: &'a Proof,
    /// What went over the link until the model had moved, there and back.
    pub(super) wire: [Traffic; 2],
}

impl Report<'_> {
    /// Prints the table.
    pub(super) fn print(&self, narration: &mut Narration<'_>) {
        narration.step("In figures");
        for (name, figure) in self.figures() {
            narration.line(format_args!("  {name:<24} {figure}"));
        }
    }

    fn figures(&self) -> Vec<(&'static str, String)> {
        let Self { journey, notes, proof, wire } = self;
        let total = journey.total;
        let [there, back] = wire;
        let share = |part: u64| 100.0 * part as f64 / total.max(1) as f64;
        let freeze = notes.freeze_window().map_or("not seen".into(), |window| format!("{} ms", window.as_millis()));
        let by_agent = journey.migration.frozen_ms.map_or("unknown".into(), |ms| format!("{ms} ms"));
        vec![
            ("model and binaries", format!("{} in {} binaries", byte_count(total), proof.blob_count)),
            ("reused", format!("{} ({:.1} %) were on dst already", byte_count(journey.reused), share(journey.reused))),
            (
                "sent",
                format!(
                    "{}, of which {} ({:.1} %) again: on its way or about to go at {}",
                    byte_count(journey.sent),
                    byte_count(self.repeated()),
                    share(self.repeated()),
                    counted(journey.kills, "kill")
                ),
            ),
            (
                "on the wire",
                format!(
                    "{} there, {} back: compressed, with headers, and without what never left",
                    byte_count(there.bytes),
                    byte_count(back.bytes)
                ),
            ),
            ("freeze window", format!("{freeze} seen by the writer, {by_agent} by the agents")),
            ("reads", format!("{}, failed: {}{}", notes.reads, notes.reads_failed, delayed(notes.reads_delayed))),
            (
                "writes",
                format!(
                    "{} acknowledged, lost: {}, refused while frozen: {}{}",
                    notes.acknowledged.len(),
                    proof.writes_lost,
                    notes.writes_refused,
                    delayed(notes.writes_unanswered),
                ),
            ),
            ("time", format!("{:.1} s from `migrate` to the end", journey.took.as_secs_f64())),
        ]
    }

    /// Returns the plain bytes that were sent more than once: what was sent and what was reused is the whole, and these.
    fn repeated(&self) -> u64 {
        let Journey { total, sent, reused, .. } = self.journey;
        sent.saturating_sub(total.saturating_sub(*reused))
    }

    /// Tells whether everything that the demo claims is true.
    ///
    /// Errors: [`Trouble`] with every claim that is not.
    pub(super) fn judge(&self) -> Result<(), Trouble> {
        let Self { notes, proof, .. } = self;
        let mut broken = Vec::new();
        let mut claim = |holds: bool, otherwise: String| {
            if !holds {
                broken.push(otherwise);
            }
        };
        let missing = proof.blob_count - proof.blobs_identical;
        claim(missing == 0, format!("{missing} binaries are missing or changed"));
        claim(proof.description_identical, "the description has changed on the way".into());
        claim(proof.writes_lost == 0, format!("{} acknowledged writes are lost", proof.writes_lost));
        let why = notes.first_failure.clone().unwrap_or_default();
        claim(notes.reads_failed == 0, format!("{} uses of the model failed; the first: {why}", notes.reads_failed));
        let Journey { total, sent, reused, is_uncertain, .. } = self.journey;
        let sum = sent + reused;
        claim(*is_uncertain || sum >= *total, format!("{total} bytes moved, {sum} were sent or reused"));
        claim(reused <= total, format!("{reused} bytes of {total} are called reused"));
        claim(notes.freeze_window().is_some(), "nobody wrote to the model on both sides".into());
        if broken.is_empty() { Ok(()) } else { Err(Trouble::new(broken.join("; "))) }
    }
}

fn delayed(count: u64) -> String {
    if count == 0 { String::new() } else { format!(", waited for a killed agent: {count}") }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
