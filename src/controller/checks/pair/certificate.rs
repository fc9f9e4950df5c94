//! The certificate that the gateway shows.

use modelferry_protocol::plan::Finding;

use super::facts::{Arriving, Departing, Shown};
use crate::controller::checks::{fail, pass, warn};

/// Days before its end from which on a certificate should be renewed.
pub const WARN_DAYS: u64 = 7;

/// Returns the commands that make a certificate anew, for two hosts.
fn renew() -> String {
    "modelferry gateway csr --key FILE # here, as the agent's user\nsudo modelferry gateway sign FILE # on a machine of the \
     destination controller"
        .to_owned()
}

/// Returns what is wrong with a gateway's certificate, and what mends it; nothing while it holds long enough.
///
/// Whether it is worse than a warning is the second part: sources refuse it.
pub fn complaint(peer: &str, shown: Shown) -> Option<(String, bool, String)> {
    match shown {
        Shown::Own => None,
        Shown::Signed(days) if days >= WARN_DAYS => None,
        Shown::Signed(days) => {
            let text = format!("the certificate of the gateway to {peer} ends in {days} days; it is signed for 30");
            Some((text, false, renew()))
        }
        Shown::Refused => {
            let text = format!(
                "the certificate of the gateway to {peer} has ended, or is not signed by the destination's CA: every source refuses it"
            );
            Some((text, true, renew()))
        }
    }
}

pub(super) fn finding(departing: &Departing, arriving: &Arriving) -> Finding {
    let check = "gateway-certificate";
    if let Some((text, is_refused, fix)) = complaint(&arriving.peer, arriving.certificate) {
        return if is_refused { fail(check, text, fix) } else { warn(check, text, fix) };
    }
    match arriving.certificate {
        Shown::Own => {
            let offers = if departing.has_offers {
                "; consumers of its offers elsewhere break once they learn them"
            } else {
                ""
            };
            let text = format!(
                "the gateway's certificate is by a CA of its own: agents older than 3.6.9 would be lost once they learn the \
                 destination's addresses{offers}; `juju status` at the source names the gateway's fingerprint afterwards"
            );
            warn(check, text, renew())
        }
        Shown::Signed(days) => {
            pass(check, format!("the destination's CA has signed the gateway's certificate; it holds for {days} days"))
        }
        Shown::Refused => fail(check, "sources refuse the gateway's certificate", renew()),
    }
}
