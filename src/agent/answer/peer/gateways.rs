//! What the gateways show, as `doctor` and `status` tell it.

use modelferry_protocol::codec::Text;
use modelferry_protocol::plan::{Finding, Level};

use crate::agent::answer::RequestHandler;
use crate::controller::checks::pair::{Shown, complaint};
use crate::engine::view::AlarmView;

/// The check, and the kind of the alarm.
const CHECK: &str = "gateway-certificate";

/// Judges the certificate that a gateway shows.
fn judged(peer: &str, shown: Shown) -> Finding {
    let finding = |level, text: String, fix: String| Finding {
        level,
        check: Text::cut(CHECK),
        text: Text::cut(text),
        fix: Text::cut(fix),
    };
    match (complaint(peer, shown), shown) {
        (Some((text, true, fix)), _) => finding(Level::Fail, text, fix),
        (Some((text, false, fix)), _) => finding(Level::Warn, text, fix),
        (None, Shown::Signed(days)) => {
            let text = format!("the certificate of the gateway to {peer} holds for {days} days");
            finding(Level::Pass, text, String::new())
        }
        (None, _) => {
            let text = format!(
                "the certificate of the gateway to {peer} is by a CA of the agent's own; `modelferry precheck MODEL {peer}` says what that costs"
            );
            finding(Level::Pass, text, String::new())
        }
    }
}

/// Makes the alarm of a finding that does not pass.
fn alarm(finding: &Finding) -> Option<AlarmView> {
    let renew = finding.fix.lines().collect::<Vec<_>>().join("; then ");
    let text = format!("{}. Renew it: {renew}; then restart the agent", &*finding.text);
    (finding.level != Level::Pass).then(|| AlarmView { kind: CHECK.to_owned(), text })
}

impl RequestHandler {
    /// Judges the certificates of all gateways.
    pub(in crate::agent::answer) fn gateway_findings(&self) -> Vec<Finding> {
        let shown = self.engine.get().map(|engine| engine.gateways_shown()).unwrap_or_default();
        shown.iter().map(|(peer, shown)| judged(peer, *shown)).collect()
    }

    /// Returns the alarms about certificates that sources refuse, or soon will.
    pub(in crate::agent::answer) fn gateway_alarms(&self) -> Vec<AlarmView> {
        self.gateway_findings().iter().filter_map(alarm).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::checks::pair::WARN_DAYS;

    #[test]
    fn a_certificate_is_an_alarm_a_week_before_it_ends_and_from_then_on() {
        let said = |shown| alarm(&judged("west", shown)).map(|alarm| alarm.text);
        assert_eq!(said(Shown::Own), None);
        assert_eq!(said(Shown::Signed(WARN_DAYS)), None);
        let soon = said(Shown::Signed(WARN_DAYS - 1)).unwrap();
        assert!(
            soon.contains("gateway to west ends in 6 days") && soon.contains("modelferry gateway csr --key FILE"),
            "{soon}"
        );
        assert!(said(Shown::Refused).unwrap().contains("every source refuses it"));
        assert_eq!(judged("west", Shown::Refused).level, Level::Fail);
    }
}
