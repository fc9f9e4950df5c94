//! Whether what proves an identity holds until the model has moved.

use std::time::Duration;

use modelferry_protocol::plan::Finding;

use super::facts::{Proof, said};
use crate::controller::checks::{fail, pass, warn};

/// What a migration takes besides its bytes: agents' waits, a link that is down for a while.
const BESIDES: Duration = Duration::from_secs(3600);
/// What is expected where nobody knows how long the bytes take.
const UNKNOWN: Duration = Duration::from_secs(24 * 3600);

/// Compares the ends of what proves an identity with that of the migration.
///
/// `takes`: how long the bytes take; nothing if that is not known. `now_s`: Unix seconds.
pub fn lifetimes(proofs: &[Proof], takes: Option<Duration>, now_s: u64) -> Vec<Finding> {
    let check = "credential-lifetime";
    let expected = takes.unwrap_or(UNKNOWN).saturating_add(BESIDES);
    let mut findings = Vec::new();
    for proof in proofs {
        let left = Duration::from_secs(proof.ends_s.saturating_sub(now_s));
        if left.is_zero() {
            findings.push(fail(check, format!("{} has ended", proof.what), &*proof.fix));
        } else if left < expected {
            let text = format!("{} ends in {}, and the migration may take {}", proof.what, said(left), said(expected));
            findings.push(warn(check, text, &*proof.fix));
        }
    }
    if findings.is_empty() {
        findings.push(pass(
            check,
            format!("what proves an identity holds for {} and longer, or tells no end", said(expected)),
        ));
    }
    findings
}
