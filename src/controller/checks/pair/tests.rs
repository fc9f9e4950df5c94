//! What a pair of controllers is judged by, and what is said of it.

use std::collections::BTreeMap;
use std::time::Duration;

use modelferry_protocol::plan::{Finding, Level};

use super::*;

const BUDGET: Duration = Duration::from_secs(1800);

fn departing(agents: &[(&str, usize)]) -> Departing {
    Departing {
        model: "shop".to_owned(),
        agents: agents.iter().map(|(version, count)| ((*version).to_owned(), *count)).collect::<BTreeMap<_, _>>(),
        controller: "src".to_owned(),
        agent_wait: AGENT_WAIT_DEFAULT,
        ..Departing::default()
    }
}

fn arriving() -> Arriving {
    Arriving {
        peer: "west".to_owned(),
        controller: "dst".to_owned(),
        version: "3.6.23".to_owned(),
        burst: 10,
        every: Duration::from_millis(250),
        image_repo: Some(String::new()),
        certificate: Shown::Signed(29),
        route_shown: false,
        routes: vec![("10.0.0.4:17070".to_owned(), Ok(()))],
    }
}

/// Returns the finding of a check.
fn found(check: &str, departing: &Departing, arriving: &Arriving) -> Finding {
    let all = findings(departing, arriving, BUDGET);
    let named: Vec<&Finding> = all.iter().filter(|finding| &*finding.check == check).collect();
    let [finding] = named.as_slice() else { panic!("{check}: {all:?}") };
    assert_eq!(finding.level == Level::Pass, finding.fix.is_empty(), "{finding:?}");
    (*finding).clone()
}

#[test]
fn a_pair_with_nothing_wrong_passes_every_check() {
    let all = findings(&departing(&[("3.6.11", 7)]), &arriving(), BUDGET);
    let bad: Vec<&Finding> = all.iter().filter(|finding| finding.level != Level::Pass).collect();
    assert!(bad.is_empty() && all.len() == 7, "{all:?}");
}

#[test]
fn agents_before_3_6_9_need_the_destinations_ca_and_a_route_that_is_shown() {
    let check = "agent-redirects";
    let old = departing(&[("3.6.8", 3), ("3.6.9", 4)]);
    assert_eq!(found(check, &departing(&[("3.6.9", 4), ("4.0.1", 1)]), &arriving()).level, Level::Pass);
    let own = found(check, &old, &Arriving { certificate: Shown::Own, route_shown: true, ..arriving() });
    assert!(own.level == Level::Fail && own.text.contains("3 of 7 agents are older than 3.6.9 (3.6.8)"), "{own:?}");
    assert_eq!(&*own.fix, "juju upgrade-model -m shop # to 3.6.9 or later");
    let blind = found(check, &old, &arriving());
    assert!(
        blind.level == Level::Fail && blind.fix.contains("set route-shown = true under [gateways.west]"),
        "{blind:?}"
    );
    assert!(blind.fix.contains("juju exec --all -m shop -- timeout 5 bash -c '</dev/tcp/10.0.0.4/17070'"), "{blind:?}");
    assert_eq!(found(check, &old, &Arriving { route_shown: true, ..arriving() }).level, Level::Warn);
}

#[test]
fn a_destination_that_admits_agents_too_slowly_is_told_with_the_figures_that_mend_it() {
    let check = "agent-rate";
    let rate = |count, burst| found(check, &departing(&[("3.6.11", count)]), &Arriving { burst, ..arriving() });
    assert_eq!(rate(490, 10).level, Level::Pass);
    // 2000 agents at 4 a second: 8 min 20 s of the freeze.
    let slow = rate(2010, 10);
    assert!(slow.level == Level::Warn && slow.text.contains("9 min; the model is frozen"), "{slow:?}");
    let never = rate(4010, 10);
    assert!(never.level == Level::Fail && never.text.contains("gives up after 15 min"), "{never:?}");
    assert!(
        never.fix.starts_with("juju controller-config --controller dst agent-ratelimit-max=4010 ")
            && never.fix.ends_with("--controller src migration-agent-wait-time=22m"),
        "{never:?}"
    );
    assert_eq!(rate(4010, 0).level, Level::Pass, "without a limit");
}

#[test]
fn waits_for_agents_that_outlast_the_freeze_budget_are_told() {
    let waits = |minutes: u64| {
        let agent_wait = Duration::from_secs(60 * minutes);
        found("agent-wait", &Departing { agent_wait, ..departing(&[("3.6.11", 7)]) }, &arriving())
    };
    assert_eq!(waits(15).level, Level::Pass);
    let long = waits(20);
    assert!(long.level == Level::Warn && long.text.contains("up to 20 min"), "{long:?}");
    assert_eq!(
        &*long.fix,
        "juju controller-config --controller src migration-agent-wait-time=15m # or `migrate --max-freeze 40m`"
    );
}

#[test]
fn a_certificate_of_the_agents_own_has_its_limits_told_and_one_that_ends_is_renewed() {
    let shown = |certificate, has_offers| {
        let departing = Departing { has_offers, ..departing(&[("3.6.11", 7)]) };
        found("gateway-certificate", &departing, &Arriving { certificate, ..arriving() })
    };
    let own = shown(Shown::Own, true);
    assert!(
        own.level == Level::Warn && own.text.contains("older than 3.6.9") && own.text.contains("consumers"),
        "{own:?}"
    );
    assert!(own.fix.contains("modelferry gateway csr") && own.fix.contains("sudo modelferry gateway sign"), "{own:?}");
    assert!(!shown(Shown::Own, false).text.contains("consumers"));
    assert_eq!(shown(Shown::Signed(WARN_DAYS), false).level, Level::Pass);
    let ends = shown(Shown::Signed(WARN_DAYS - 1), false);
    assert!(ends.level == Level::Warn && ends.text.contains("ends in 6 days"), "{ends:?}");
    assert_eq!(shown(Shown::Refused, false).level, Level::Fail);
}

#[test]
fn the_route_is_tried_from_here_and_the_line_that_tries_it_from_every_machine_is_told() {
    let check = "agent-route";
    let line = "juju exec --all -m shop -- timeout 5 bash -c '</dev/tcp/10.0.0.4/17070'";
    let here = found(check, &departing(&[]), &arriving());
    assert!(here.level == Level::Pass && here.text.contains(line), "{here:?}");
    let refused = vec![("10.0.0.4:17070".to_owned(), Err("connection refused".to_owned()))];
    let none = found(check, &departing(&[]), &Arriving { routes: refused.clone(), ..arriving() });
    assert!(none.level == Level::Warn && none.text.contains("connection refused") && &*none.fix == line, "{none:?}");
    let shown = Arriving { routes: refused, route_shown: true, ..arriving() };
    assert_eq!(found(check, &departing(&[]), &shown).level, Level::Pass);
    let nowhere = found(check, &departing(&[]), &Arriving { routes: Vec::new(), route_shown: true, ..arriving() });
    assert!(nowhere.level == Level::Warn && nowhere.text.contains("loopback"), "{nowhere:?}");
    let six =
        Arriving { routes: vec![("[fd00::4]:17070".to_owned(), Err("no answer in 3 s".to_owned()))], ..arriving() };
    assert!(found(check, &departing(&[]), &six).fix.contains("</dev/tcp/fd00::4/17070"));
    let pods = Departing { is_kubernetes: true, ..departing(&[]) };
    assert!(found(check, &pods, &arriving()).text.contains("juju exec --application APPLICATION -m shop"));
}

#[test]
fn a_registry_that_the_models_cluster_did_not_use_before_is_told() {
    let check = "image-registry";
    let pods = Departing { is_kubernetes: true, ..departing(&[]) };
    let other = Arriving { image_repo: Some("registry.example/juju".to_owned()), ..arriving() };
    assert_eq!(found(check, &departing(&[]), &other).level, Level::Pass, "machines pull no images");
    assert_eq!(found(check, &pods, &arriving()).level, Level::Pass);
    let told = found(check, &pods, &other);
    assert!(
        told.level == Level::Warn && told.text.contains("\"registry.example/juju\", and not from Juju's own"),
        "{told:?}"
    );
    assert_eq!(found(check, &pods, &Arriving { image_repo: None, ..arriving() }).level, Level::Warn);
}

#[test]
fn an_offer_that_could_not_come_to_4_1_again_after_an_abort_is_told_before() {
    let check = "offers-again";
    let offers = Departing { has_offers: true, ..departing(&[]) };
    let to = |version: &str| Arriving { version: version.to_owned(), ..arriving() };
    assert_eq!(found(check, &offers, &to("3.6.23")).level, Level::Pass);
    assert_eq!(found(check, &departing(&[]), &to("4.1-beta2")).level, Level::Pass);
    let told = found(check, &offers, &to("4.1-beta2"));
    assert!(told.level == Level::Warn && told.text.contains("cannot come to \"dst\" again"), "{told:?}");
}

#[test]
fn what_ends_before_the_bytes_have_travelled_is_told() {
    let ends = |ends_s, takes: Option<u64>| {
        let proof = Proof { what: "the login".to_owned(), ends_s, fix: "juju login".to_owned() };
        lifetimes(&[proof], takes.map(Duration::from_secs), 1_000_000).remove(0)
    };
    let day = 86_400;
    assert_eq!(lifetimes(&[], None, 1_000_000)[0].level, Level::Pass);
    assert_eq!(ends(1_000_000 + 2 * day, None).level, Level::Pass);
    assert_eq!(ends(1_000_000 + day, None).level, Level::Warn, "nobody knows how long it takes");
    assert_eq!(ends(1_000_000 + day, Some(600)).level, Level::Pass);
    let soon = ends(1_000_000 + day, Some(day));
    assert!(soon.level == Level::Warn && soon.text.contains("the login ends in 1440 min"), "{soon:?}");
    let over = ends(999_999, Some(0));
    assert!(over.level == Level::Fail && &*over.fix == "juju login", "{over:?}");
}
