//! A plan as people read it.

use std::fmt::Write;
use std::time::Duration;

use crate::cli::output::plain;
use crate::cli::output::{Table, ago, byte_count, span};
use crate::controller::checks::network::{NetworkTable, There};
use crate::engine::view::{Level, PlanView, TotalsView, fixes};

/// Networks of one kind that are listed; JSON and YAML have all of them.
const ROWS_MAX: usize = 40;

/// Returns the plan of one model.
pub(in crate::cli) fn text(plan: &PlanView, now_ms: u64) -> String {
    let mut table = Table::new(&["Check", "Result", "Finding"]);
    for finding in &plan.findings {
        // Juju breaks some of these into lines; a table has one for each.
        let text: Vec<&str> = finding.text.split_whitespace().collect();
        table.row([finding.check.as_str(), finding.level.as_str(), &text.join(" ")]);
    }
    let mut text = format!(
        "Model \"{}\" to controller \"{}\" of peer \"{}\"\n\n{}\n",
        plain(&plan.model),
        plain(&plan.controller),
        plain(&plan.peer),
        table.render()
    );
    for warning in plan.findings.iter().filter(|finding| finding.level == Level::Warn) {
        for fix in fixes([warning]) {
            let _ = writeln!(text, "{}: {}", plain(&warning.check), plain(fix));
        }
    }
    text.push_str(&networks(&plan.networks));
    let _ = write!(text, "\n{}\n", forecast(plan, now_ms));
    text
}

fn word(there: There) -> &'static str {
    match there {
        There::Yes => "yes",
        There::No => "no",
        There::Clash => "clash",
        There::Unknown => "unknown",
        There::Dangling => "dangling",
    }
}

fn networks(networks: &NetworkTable) -> String {
    let mut text = String::new();
    let mut put = |columns: &[&str], rows: Vec<Vec<&str>>| {
        if rows.is_empty() {
            return;
        }
        let mut table = Table::new(columns);
        let more = rows.len().saturating_sub(ROWS_MAX);
        rows.into_iter().take(ROWS_MAX).for_each(|row| table.row(row));
        let _ = write!(text, "\n{}", table.render());
        if more > 0 {
            let _ = writeln!(text, "… and {more} more, see --format yaml");
        }
    };
    let spaces = networks.spaces.iter();
    put(
        &["Space", "Provider id", "There", "Meaning"],
        spaces.map(|row| vec![&*row.name, or_dash(&row.provider_id), word(row.there), &row.means]).collect(),
    );
    let zones: Vec<String> = networks.subnets.iter().map(|row| row.zones.join(",")).collect();
    let subnets = networks.subnets.iter().zip(&zones);
    put(
        &["Subnet", "Provider id", "Zones", "Space", "There", "Meaning"],
        subnets
            .map(|(row, zones)| {
                vec![&*row.cidr, or_dash(&row.provider_id), or_dash(zones), &row.space, word(row.there), &row.means]
            })
            .collect(),
    );
    let bindings = networks.bindings.iter();
    put(
        &["Application", "Endpoint", "Space", "There", "Meaning"],
        bindings
            .map(|row| {
                let endpoint = if row.endpoint.is_empty() { "(default)" } else { &row.endpoint };
                vec![&*row.application, endpoint, &row.space, word(row.there), &row.means]
            })
            .collect(),
    );
    text
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn forecast(plan: &PlanView, now_ms: u64) -> String {
    let rate = match plan.rate {
        Some(rate) => {
            format!("{}/s, measured {}", byte_count(rate.bytes_per_second), ago(rate.measured_ms, now_ms))
        }
        None => "not measured yet: a migration that sends 1 MiB or more measures it".to_owned(),
    };
    let rate = plan.limit.as_ref().map_or_else(|| rate.clone(), |limit| format!("{limit} ({rate})"));
    let eta = match (plan.eta_ms, &plan.limit) {
        (Some(ms), _) => span(Duration::from_millis(ms)),
        (None, Some(_)) => "not known under this limit".to_owned(),
        (None, None) => "not known without a rate".to_owned(),
    };
    let last = plan.freeze.last_ms.map_or_else(String::new, |ms| {
        format!("; the last model that went there was frozen for {}", span(Duration::from_millis(ms)))
    });
    let way_back = if plan.way_back.exists {
        format!("{}: `{}` on the other host", plan.way_back.text, plan.way_back.command)
    } else {
        plan.way_back.text.clone()
    };
    [
        ("Bytes", byte_count(plan.bytes_total)),
        ("There already", byte_count(plan.bytes_held)),
        ("To send", byte_count(plan.bytes_to_send)),
        ("Round trip", format!("{:.0} ms", plan.rtt_ms)),
        ("Rate", rate),
        ("Sending takes", eta),
        ("Expected freeze", format!("{}{last}", span(Duration::from_millis(plan.freeze.expected_ms)))),
        ("Way back", way_back),
    ]
    .iter()
    .map(|(what, value)| format!("{:<17}{}", format!("{what}:"), plain(value)))
    .collect::<Vec<_>>()
    .join("\n")
}

/// Returns a line for each of several plans, and what they have together: what several have travels once.
pub(in crate::cli) fn summary(plans: &[Box<PlanView>], totals: Option<&TotalsView>) -> String {
    let mut table = Table::new(&["Model", ">Bytes", ">To send", ">Sending takes", ">Freeze", "Result"]);
    let took = |ms: Option<u64>| ms.map_or_else(|| "unknown".to_owned(), |ms| span(Duration::from_millis(ms)));
    for plan in plans {
        let count = |level: Level| plan.findings.iter().filter(|finding| finding.level == level).count();
        let result = match (count(Level::Fail), count(Level::Warn)) {
            (0, 0) => "pass".to_owned(),
            (0, warnings) => format!("pass, {warnings} warnings"),
            (failures, _) => format!("fail: {failures} findings"),
        };
        table.row([
            &format!("{}/{}", plan.owner, plan.model),
            &byte_count(plan.bytes_total),
            &byte_count(plan.bytes_to_send),
            &took(plan.eta_ms),
            &took(Some(plan.freeze.expected_ms)),
            &result,
        ]);
    }
    if let Some(totals) = totals {
        let failed = plans.iter().filter(|plan| !plan.ok).count();
        table.row([
            "all",
            &byte_count(totals.bytes_total),
            &byte_count(totals.bytes_to_send),
            &took(totals.eta_ms),
            "-",
            &format!("{} of {} can proceed", plans.len() - failed, plans.len()),
        ]);
    }
    format!("\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::checks::network::SpaceRow;
    use crate::engine::view::{FindingView, FreezeView, RateView, WayBackView};

    fn plan() -> PlanView {
        PlanView {
            model: "prod".into(),
            owner: "admin".into(),
            model_uuid: "u".into(),
            peer: "west".into(),
            controller: "west-1".into(),
            ok: true,
            findings: vec![FindingView {
                level: Level::Warn,
                check: "spaces".into(),
                text: "spaces of the model that are not there: dmz".into(),
                fix: "juju spaces".into(),
                side: None,
            }],
            networks: NetworkTable {
                spaces: vec![SpaceRow {
                    name: "dmz".into(),
                    provider_id: String::new(),
                    there: There::No,
                    means: "imported all the same".into(),
                }],
                ..NetworkTable::default()
            },
            bytes_total: 64 << 20,
            bytes_held: 16 << 20,
            bytes_to_send: 48 << 20,
            rtt_ms: 80.4,
            rate: Some(RateView { bytes_per_second: 12 << 20, measured_ms: 1_000_000 }),
            eta_ms: Some(4080),
            limit: None,
            freeze: FreezeView { expected_ms: 970, last_ms: Some(850) },
            way_back: WayBackView {
                exists: true,
                text: "at any time".into(),
                command: "modelferry migrate admin/prod east".into(),
            },
        }
    }

    #[test]
    fn a_plan_tells_everything_that_was_measured_and_found() {
        let shown = text(&plan(), 1_060_000);
        assert_eq!(
            shown,
            "Model \"prod\" to controller \"west-1\" of peer \"west\"\n\n\
             Check   Result  Finding\nspaces  warn    spaces of the model that are not there: dmz\n\n\
             spaces: juju spaces\n\n\
             Space  Provider id  There  Meaning\ndmz    -            no     imported all the same\n\n\
             Bytes:           64 MiB\nThere already:   16 MiB\nTo send:         48 MiB\nRound trip:      80 ms\n\
             Rate:            12 MiB/s, measured 1 minute ago\nSending takes:   4.1 s\n\
             Expected freeze: 970 ms; the last model that went there was frozen for 850 ms\n\
             Way back:        at any time: `modelferry migrate admin/prod east` on the other host\n"
        );
    }

    #[test]
    fn what_is_not_known_is_not_guessed() {
        let none = "none once the model has moved";
        let unknown = PlanView {
            rate: None,
            eta_ms: None,
            way_back: WayBackView { exists: false, text: none.into(), command: String::new() },
            ..plan()
        };
        let shown = text(&unknown, 0);
        assert!(
            shown.contains("Rate:            not measured yet: a migration that sends 1 MiB or more measures it\n"),
            "{shown}"
        );
        assert!(shown.contains("Sending takes:   not known without a rate\n"), "{shown}");
        assert!(shown.contains("Way back:        none once the model has moved\n"), "{shown}");
        assert!(summary(&[Box::new(unknown)], None).contains("unknown"));
    }

    /// A limit of 0 was told nowhere, and what is never sent was to take four seconds.
    #[test]
    fn a_limit_is_told_where_the_rate_is() {
        let limit = Some("limit for west is 0 until 06:00".to_owned());
        let shown = text(&PlanView { limit, eta_ms: None, ..plan() }, 1_060_000);
        let rate = "Rate:            limit for west is 0 until 06:00 (12 MiB/s, measured 1 minute ago)\n";
        assert!(shown.contains(rate), "{shown}");
        assert!(shown.contains("Sending takes:   not known under this limit\n"), "{shown}");
    }

    #[test]
    fn several_plans_are_summed_up_and_what_they_share_counts_once() {
        let failed = PlanView { ok: false, ..plan() };
        let shared =
            TotalsView { bytes_total: 80 << 20, bytes_held: 16 << 20, bytes_to_send: 64 << 20, eta_ms: Some(5400) };
        let shown = summary(&[Box::new(plan()), Box::new(failed)], Some(&shared));
        let all = shown.lines().last().unwrap();
        assert!(all.contains("80 MiB") && all.contains("64 MiB") && all.contains("5.4 s"), "{shown}");
        assert!(all.ends_with("1 of 2 can proceed"), "{shown}");
    }
}
