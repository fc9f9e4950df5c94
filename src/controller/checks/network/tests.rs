//! What exists there, what clashes, and what is said about it.

use modelferry_protocol::codec::{Bounded, Text};
use modelferry_protocol::plan::Level;
use modelferry_protocol::snapshot::Name;

use super::*;

fn space(name: &str) -> SpaceRow {
    SpaceRow { name: name.into(), provider_id: String::new(), there: There::Unknown, means: String::new() }
}

fn subnet(cidr: &str, provider_id: &str) -> SubnetRow {
    let (there, means) = (There::Unknown, String::new());
    let (provider_id, space) = (provider_id.into(), "internal".into());
    SubnetRow { cidr: cidr.into(), provider_id, zones: vec!["az1".into()], space, there, means }
}

fn known(spaces: &[&str], subnets: &[(&str, &str)]) -> Networks {
    let subnet = |(cidr, id): &(&str, &str)| NetworkSubnet {
        cidr: Text::cut(*cidr),
        provider_id: Name::cut(*id),
        zone: Name::default(),
        space: Name::cut("other"),
    };
    Networks {
        told: true,
        spaces: Bounded::truncated(spaces.iter().map(|space| Name::cut(*space)).collect()),
        subnets: Bounded::truncated(subnets.iter().map(subnet).collect()),
    }
}

fn table() -> NetworkTable {
    let binding = |endpoint: &str, space: &str, there| BindingRow {
        application: "shop".into(),
        endpoint: endpoint.into(),
        space: space.into(),
        there,
        means: String::new(),
    };
    NetworkTable {
        spaces: vec![space("alpha"), space("internal")],
        subnets: vec![subnet("10.64.0.0/16", "subnet-1")],
        bindings: vec![binding("", "alpha", There::Unknown), binding("db", "internal", There::Unknown)],
    }
}

fn judge(subnet: &SubnetRow, known: &Networks) -> There {
    judged(subnet, known).0
}

fn levels(findings: &[Finding]) -> Vec<(&str, Level)> {
    findings.iter().map(|finding| (&*finding.check, finding.level)).collect()
}

#[test]
fn a_subnet_is_known_by_the_clouds_id_and_else_by_its_addresses() {
    let ours = subnet("10.64.0.0/16", "subnet-1");
    assert_eq!(judge(&ours, &known(&[], &[("10.64.0.0/16", "subnet-1")])), There::Yes);
    assert_eq!(judge(&ours, &known(&[], &[("10.64.0.0/16", "")])), There::Yes);
    assert_eq!(judge(&subnet("10.64.0.0/16", ""), &known(&[], &[("10.64.0.0/16", "subnet-9")])), There::Yes);
    assert_eq!(judge(&ours, &known(&[], &[("10.99.0.0/16", "subnet-9")])), There::No);
    assert_eq!(judge(&ours, &Networks::default()), There::Unknown);
}

#[test]
fn addresses_that_another_network_has_clash() {
    let ours = subnet("10.64.0.0/16", "subnet-1");
    for other in ["10.64.0.0/16", "10.64.7.0/24", "10.0.0.0/8", "0.0.0.0/0"] {
        assert_eq!(judge(&ours, &known(&[], &[(other, "subnet-9")])), There::Clash, "{other}");
    }
    assert_eq!(judge(&ours, &known(&[], &[("fd00::/8", "subnet-9")])), There::No);
    assert_eq!(judge(&subnet("fd00:1::/32", "a"), &known(&[], &[("fd00::/8", "b")])), There::Clash);
    assert_eq!(judge(&subnet("nonsense", ""), &known(&[], &[("10.0.0.0/8", "")])), There::No);
}

#[test]
fn everything_that_exists_there_passes() {
    let (mut table, there) = (table(), known(&["internal"], &[("10.64.0.0/16", "subnet-1")]));
    table.compare(&there);
    let findings = table.findings(&there, "nimbus/north-1", "prod");
    assert!(findings.iter().all(|finding| finding.level == Level::Pass), "{findings:?}");
    assert!(table.bindings.iter().all(|row| row.there == There::Yes && row.means == "kept as it is"));
}

#[test]
fn what_is_missing_there_is_a_warning_with_its_meaning() {
    let (mut table, there) = (table(), known(&["dmz"], &[("10.0.0.0/8", "net-x")]));
    table.compare(&there);
    let findings = table.findings(&there, "nimbus/north-1", "prod");
    let expected =
        [("spaces", Level::Warn), ("subnets", Level::Pass), ("cidrs", Level::Warn), ("endpoint-bindings", Level::Warn)];
    assert_eq!(levels(&findings), expected);
    assert!(findings[0].text.contains("internal") && !findings[0].text.contains("alpha"), "{}", &*findings[0].text);
    assert!(findings[0].fix.contains("{ name = \"internal\", subnets = [{ cidr = \"10.64.0.0/16\" }] }"));
    assert!(findings[3].text.contains("shop:db to internal"), "{}", &*findings[3].text);
    assert_eq!(table.spaces[0].there, There::Yes, "every model has alpha");
}

#[test]
fn a_destination_that_tells_nothing_leaves_one_warning_and_no_guess() {
    let mut table = table();
    table.compare(&Networks::default());
    let findings = table.findings(&Networks::default(), "nimbus/north-1", "prod");
    assert_eq!(levels(&findings), [("spaces", Level::Warn)]);
    assert!(findings[0].text.contains("not known"));
    assert_eq!(table.subnets[0].there, There::Unknown);
}
