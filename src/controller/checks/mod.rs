//! What would stop a migration, as pure functions from facts to findings, in Juju's own words.
//!
//! Every check yields a finding, also one that passes: an operator sees what was looked at.

#[cfg(test)]
mod cases;
mod facts;
pub mod network;
pub mod offers;
pub mod pair;
mod refusals;
pub mod source;
mod storage;
pub mod target;
#[cfg(test)]
mod tests;
mod users;
pub mod version;

use modelferry_protocol::codec::Text;
use modelferry_protocol::plan::{Finding, Level};

/// Complaints of one check that are named each; a model of a thousand machines can have a thousand.
const NAMED_MAX: usize = 10;

/// Makes a finding. `fix`: what mends it; empty where nothing has to be.
pub(in crate::controller) fn finding(
    level: Level,
    check: &str,
    text: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding { level, check: Text::cut(check), text: Text::cut(text), fix: Text::cut(fix) }
}

fn pass(check: &str, text: impl Into<String>) -> Finding {
    finding(Level::Pass, check, text, "")
}

fn warn(check: &str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    finding(Level::Warn, check, text, fix)
}

fn fail(check: &str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    finding(Level::Fail, check, text, fix)
}

/// What speaks against it, in Juju's words, and the command that mends it.
struct Complaint {
    text: String,
    fix: String,
}

/// Turns a check's complaints into findings: one for each as far as a reader goes, or the one that says all is well.
fn findings_of(check: &str, complaints: Vec<Complaint>, well: impl Into<String>) -> Vec<Finding> {
    if complaints.is_empty() {
        return vec![pass(check, well)];
    }
    let more = complaints.len().saturating_sub(NAMED_MAX);
    let mut findings: Vec<Finding> =
        complaints.into_iter().take(NAMED_MAX).map(|complaint| fail(check, complaint.text, complaint.fix)).collect();
    if more > 0 {
        findings.push(fail(check, format!("… and {more} more of this kind"), ""));
    }
    findings
}

/// Returns the first few of many texts, and how many more there are.
pub(in crate::controller) fn cut(texts: &[String]) -> Vec<String> {
    let mut named: Vec<String> = texts.iter().take(NAMED_MAX).cloned().collect();
    if texts.len() > NAMED_MAX {
        named.push(format!("and {} more", texts.len() - NAMED_MAX));
    }
    named
}
