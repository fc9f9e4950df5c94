//! What a migration would meet: told before anything moves, and nothing changed by asking.

use modelferry::sample::{self, Sample};
use serde_json::Value;

use super::host::{Host, ready, towards};

/// One space that the model has, one whose addresses are those of the model's public one.
const SPACES: &str = "spaces = [\
    { name = \"internal\", subnets = [{ cidr = \"10.64.0.0/16\", provider-id = \"subnet-internal\" }] }, \
    { name = \"lab\", subnets = [{ cidr = \"10.80.0.0/16\", provider-id = \"subnet-lab\" }] }]";

fn second() -> Sample {
    Sample { name: "shop-us".into(), uuid: "00000000-0000-4000-8000-000000000002".into(), ..Sample::default() }
}

fn find<'a>(rows: &'a Value, key: &str, value: &str) -> &'a Value {
    let rows = rows.as_array().unwrap();
    rows.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("no {key} {value} in {rows:?}"))
}

fn levels<'a>(plan: &'a Value, level: &str) -> Vec<&'a str> {
    let findings = plan["findings"].as_array().unwrap().iter();
    findings.filter(|finding| finding["level"] == level).map(|finding| finding["check"].as_str().unwrap()).collect()
}

#[test]
fn a_plan_says_of_every_network_whether_it_exists_there_clashes_or_is_missing() {
    let sample = Sample::default();
    let (src, _dst) = towards(Host::with("dst", SPACES));
    src.import(&sample);
    let plan = src.run(&["precheck", &sample.name, "dst", "--format", "json"]).json();
    let networks = &plan["networks"];
    for (space, there) in [("alpha", "yes"), ("internal", "yes"), ("public", "no")] {
        assert_eq!(find(&networks["spaces"], "name", space)["there"], there, "{networks}");
    }
    for (cidr, there) in [("10.64.0.0/16", "yes"), ("10.80.0.0/24", "clash"), ("10.20.0.0/20", "no")] {
        let subnet = find(&networks["subnets"], "cidr", cidr);
        assert_eq!((&subnet["there"], &subnet["zones"][0]), (&there.into(), &"zone-a".into()), "{networks}");
        assert!(subnet["provider-id"].as_str().unwrap().starts_with("subnet-"));
    }
    let bindings = networks["bindings"].as_array().unwrap();
    let there = |space: &str| find(&networks["bindings"], "space", space)["there"].clone();
    assert!(bindings.len() >= 3 && there("internal") == "yes" && there("public") == "no", "{networks}");
    assert!(bindings.iter().all(|binding| !binding["means"].as_str().unwrap().is_empty()));

    // A network that is missing is no reason to refuse: an import keeps it. Somebody should look, though.
    assert_eq!(plan["ok"], true);
    let warnings = levels(&plan, "warn");
    for check in ["spaces", "subnets", "cidrs", "endpoint-bindings", "consumers"] {
        assert!(warnings.contains(&check), "{warnings:?}");
    }
    let table = src.run(&["precheck", &sample.name, "dst"]).ok();
    assert!(table.contains("10.80.0.0/24") && table.contains("clash") && table.contains("(default)"), "{table}");
    let strict = src.run(&["precheck", &sample.name, "dst", "--strict"]);
    strict.fails(1, "prechecks failed");
    assert_eq!(src.run(&["migrate", "--dry-run", "--strict", &sample.name, "dst"]).code, 1);
    assert_eq!(src.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
}

#[test]
fn a_forecast_rests_on_what_was_measured_and_survives_a_restart() {
    let big = Sample { size_bytes: 4 << 20, ..Sample::default() };
    let (mut src, _dst, _) = ready(&big);
    let before = src.run(&["precheck", &big.name, "dst", "--format", "json"]).json();
    assert_eq!(
        (&before["rate"], &before["eta-ms"], &before["freeze"]["last-ms"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(before["bytes-to-send"], before["bytes-total"]);
    src.run(&["migrate", &big.name, "dst", "--wait"]).ok();

    // The same binaries in another model: what is there already need not be sent.
    src.import(&Sample { size_bytes: 4 << 20, ..second() });
    src.stop();
    src.start();
    src.until("connected again", |src| src.connected().then_some(()));
    let after = src.run(&["precheck", "shop-us", "dst", "--format", "json"]).json();
    assert!(after["rate"]["bytes-per-second"].as_u64().unwrap() > 0, "{after}");
    assert!(after["freeze"]["last-ms"].is_u64() && after["freeze"]["expected-ms"].is_u64(), "{after}");
    let bytes = |key: &str| after[key].as_u64().unwrap();
    assert!(bytes("bytes-held") > 0 && bytes("bytes-to-send") == bytes("bytes-total") - bytes("bytes-held"), "{after}");
    assert!(after["eta-ms"].is_u64(), "{after}");
    assert_eq!(after["way-back"]["command"], "modelferry migrate admin/shop-us src");
}

#[test]
fn all_models_are_planned_and_moved_at_once() {
    let (src, dst, _) = ready(&Sample::default());
    src.import(&second());
    let plans = src.run(&["precheck", "--all", "dst", "--format", "json"]).json();
    let mut named: Vec<&str> = plans.as_array().unwrap().iter().map(|plan| plan["model"].as_str().unwrap()).collect();
    named.sort_unstable();
    assert_eq!(named, ["shop-eu", "shop-us"]);
    let planned = src.run(&["migrate", "--dry-run", "--all", "dst"]);
    for model in ["admin/shop-eu", "admin/shop-us"] {
        let verdict = format!("Dry run successful for model \"{model}\": migration can proceed\n");
        assert!(planned.err.contains(&verdict), "{planned:?}");
    }
    let table = planned.ok();
    assert!(table.contains("2 of 2 can proceed"), "{table}");
    // The two models differ in their descriptions alone, so their binaries travel once.
    let bytes = |plan: &Value| plan["bytes-total"].as_u64().unwrap();
    let sum: u64 = plans.as_array().unwrap().iter().map(bytes).sum();
    let row = table.lines().last().unwrap();
    let all: f64 = row.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(row.contains(" KiB") && all * 1024.0 < 0.8 * sum as f64, "{row} of {sum} bytes");
    assert!(src.serves("shop-eu") && src.serves("shop-us"));

    let waited = src.run(&["migrate", "--all", "dst", "--wait"]);
    let notes: Vec<&str> = waited.err.lines().filter(|line| line.as_bytes().get(8) == Some(&b'Z')).collect();
    let named = |line: &&str| line[10..].starts_with("admin/shop-eu: ") || line[10..].starts_with("admin/shop-us: ");
    assert!(!notes.is_empty() && notes.iter().all(named), "every line names its model: {waited:?}");
    waited.ok();
    assert!(dst.serves("shop-eu") && dst.serves("shop-us"));
    src.run(&["migrate", "--all", "dst"]).fails(1, "no model in service besides its own");
}

#[test]
fn of_several_models_each_is_told_and_the_gravest_exit_code_counts() {
    let (src, _dst, _) = ready(&Sample::default());
    let told = src.run(&["precheck", "shop-eu", "controller", "nowhere", "dst", "--format", "json"]);
    assert_eq!(told.code, 1, "{told:?}");
    let plans: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&plans[0]["ok"], &plans[1]["ok"], &plans[2]["ok"]), (&true.into(), &false.into(), &false.into()));
    assert_eq!(levels(&plans[1], "fail"), ["controller-model"]);
    assert!(plans[2]["error"]["message"].as_str().unwrap().contains("nowhere not found"), "{plans}");
    // One that was refused was told without its name: of several, nobody knew which.
    let told = src.run(&["migrate", "shop-eu", "nowhere", "controller", "dst", "--wait"]).fails(1, "nowhere not found");
    for model in ["nowhere", "controller"] {
        assert!(told.lines().any(|line| line.starts_with(&format!("ERROR model \"{model}\": "))), "{told}");
    }
    assert!(!src.serves("shop-eu"), "the good one has moved all the same");
    src.run(&["precheck", "shop-eu"]).fails(2, "target controller not specified");
}

#[test]
fn a_newer_destination_is_fine_and_has_no_way_back() {
    let (src, _dst) = towards(Host::with("dst", "version = \"4.0.6\""));
    let sample = Sample::default();
    src.import(&sample);
    let plan = src.run(&["precheck", &sample.name, "dst", "--format", "json"]).json();
    assert_eq!((&plan["ok"], &plan["way-back"]["exists"]), (&true.into(), &false.into()), "{plan}");
    assert!(src.run(&["precheck", &sample.name, "dst"]).ok().contains("none once the model has moved"));
}

#[test]
fn every_rule_that_fails_is_told_at_once_with_its_fix() {
    let revoked = format!(
        "[[embedded.credentials]]\nname = \"{}\"\nowner = \"{}\"\nrevoked = true",
        sample::CREDENTIAL,
        sample::OWNER
    );
    let mut src = Host::new("src");
    // A destination that was told of nothing: neither users nor back-ends, another cloud, and a credential revoked.
    let mut dst = Host::bare("dst", &format!("cloud = \"elsewhere\"\n{revoked}"));
    src.start();
    dst.start();
    src.pair(&dst);
    src.import(&Sample::default());
    let told = src.run(&["precheck", "shop-eu", "dst", "--format", "json"]);
    assert_eq!(told.code, 1);
    let plan: Value = serde_json::from_str(&told.out).unwrap();
    let failed = levels(&plan, "fail");
    for check in ["cloud", "users", "credential", "secret-backends", "storage-pools"] {
        assert!(failed.contains(&check), "{failed:?}");
    }
    let findings = plan["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "fail");
    findings.for_each(|finding| assert!(finding["fix"].is_string(), "{finding}"));
}
