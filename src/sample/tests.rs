//! Checks of what the sample guarantees to its readers.

use std::fs;
use std::io;

use serde_json::Value;

use super::binaries::Binary;
use super::*;

fn written(sample: &Sample) -> (tempfile::TempDir, SampleFiles, String) {
    let dir = tempfile::tempdir().unwrap();
    let files = sample.write(dir.path()).unwrap();
    let text = fs::read_to_string(&files.description).unwrap();
    (dir, files, text)
}

fn parsed(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn keys_of(text: &str) -> Vec<&str> {
    let top = text.lines().filter(|line| !line.starts_with([' ', '-']));
    top.map(|line| line.split(':').next().unwrap()).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let (_a, files, text) = written(&Sample::default());
    let (_b, again, same) = written(&Sample::default());
    let (_c, _, other) = written(&Sample { seed: 2, ..Sample::default() });
    assert_eq!(text, same);
    assert_ne!(text, other);
    let assets = |files: &SampleFiles| fs::read(files.blobs.join("resources/shop/assets")).unwrap();
    assert_eq!(assets(&files), assets(&again));
}

#[test]
fn every_document_version_parses_and_has_its_own_keys() {
    for document in 11..=14 {
        let (_dir, _, text) = written(&Sample { document, ..Sample::default() });
        let value = parsed(&text);
        assert_eq!(value["version"], document);
        let keys = keys_of(&text);
        assert_eq!(keys.contains(&"virtual-host-keys"), document > 11, "{document}");
        assert_eq!(keys.contains(&"status"), document < 14, "{document}");
        assert_eq!(keys.contains(&"authorized-keys"), document > 12, "{document}");
    }
}

#[test]
fn keys_stand_in_wire_order() {
    let (_dir, _, text) = written(&Sample::default());
    let expected = "version agent-version type owner config blocks latest-tools environ-version users machines \
        applications relations remote-entities relation-networks offer-connections external-controllers spaces \
        link-layer-devices ip-addresses subnets cloud-image-metadata status status-history actions operations \
        ssh-host-keys sequences annotations constraints cloud cloud-region cloud-credential volumes filesystems \
        storages storage-pools firewall-rules remote-applications secret-backend-id secrets remote-secrets sla \
        meter-status password-hash virtual-host-keys";
    assert_eq!(keys_of(&text), expected.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn every_kind_of_entity_is_there() {
    let (_dir, _, text) = written(&Sample::default());
    let value = parsed(&text);
    assert_eq!(value["config"]["name"], "shop-eu");
    let machines = value["machines"]["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 4);
    assert_eq!(machines[0]["containers"][0]["id"], "0/lxd/0");
    for (key, list) in [
        ("users", "users"),
        ("relations", "relations"),
        ("remote-entities", "remote-entities"),
        ("relation-networks", "relation-networks"),
        ("offer-connections", "offer-connections"),
        ("external-controllers", "external-controllers"),
        ("spaces", "spaces"),
        ("subnets", "subnets"),
        ("link-layer-devices", "link-layer-devices"),
        ("ip-addresses", "ip-addresses"),
        ("cloud-image-metadata", "cloudimagemetadata"),
        ("actions", "actions"),
        ("operations", "operations"),
        ("ssh-host-keys", "ssh-host-keys"),
        ("volumes", "volumes"),
        ("filesystems", "filesystems"),
        ("storages", "storages"),
        ("storage-pools", "pools"),
        ("firewall-rules", "firewall-rules"),
        ("remote-applications", "remote-applications"),
        ("secrets", "secrets"),
        ("remote-secrets", "remote-secrets"),
        ("virtual-host-keys", "virtual-host-keys"),
    ] {
        assert!(!value[key][list].as_array().unwrap().is_empty(), "no {key}");
    }
    let applications = value["applications"]["applications"].as_array().unwrap();
    assert!(applications.iter().any(|application| application["subordinate"] == true));
    assert_eq!(applications[0]["offers"]["offers"][0]["offer-name"], "orders");
}

#[test]
fn binaries_are_what_the_description_says() {
    let sample = Sample { size_bytes: 1 << 20, ..Sample::default() };
    let (_dir, files, text) = written(&sample);
    let value = parsed(&text);
    let tools = Binary::of(&files.blobs.join("tools").join(AGENT_BINARY)).unwrap();
    let named = &value["machines"]["machines"][0]["tools"];
    assert_eq!((&named["sha256"], &named["size"]), (&Value::from(tools.sha256), &Value::from(tools.bytes)));

    let applications = value["applications"]["applications"].as_array().unwrap();
    let mut blobs = 1;
    for application in applications {
        let url = application["charm-url"].as_str().unwrap();
        let charm = fs::File::open(files.blobs.join("charms").join(url.replace('/', "_"))).unwrap();
        assert!(zip::ZipArchive::new(charm).unwrap().len() > 3, "{url}");
        blobs += 1;
        for resource in application["resources"]["resources"].as_array().unwrap() {
            let revision = &resource["application-revision"];
            let name = [application["name"].as_str().unwrap(), resource["name"].as_str().unwrap()];
            let path = files.blobs.join("resources").join(name[0]).join(name[1]);
            if revision["fingerprint"] == "" {
                assert!(!path.exists(), "{name:?} was never asked for");
                continue;
            }
            let binary = Binary::of(&path).unwrap();
            assert_eq!(revision["fingerprint"], binary.sha384, "{name:?}");
            assert_eq!(revision["size"], binary.bytes, "{name:?}");
            blobs += 1;
        }
    }
    assert_eq!(files.blob_count, blobs);
    // All members of a charm but its last are whole, so the sum is exact where the resources fill it up.
    assert!((files.blob_bytes as i64 - (1 << 20)).abs() < 4096, "{} bytes", files.blob_bytes);
}

#[test]
fn the_number_of_machines_is_a_parameter() {
    for machines in [1, 2, 60] {
        let (_dir, _, text) = written(&Sample { machines, ..Sample::default() });
        let value = parsed(&text);
        assert_eq!(value["machines"]["machines"].as_array().unwrap().len(), machines);
        assert_eq!(value["sequences"]["machine"], machines);
    }
}

#[test]
fn a_document_version_that_nobody_writes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = Sample { document: 10, ..Sample::default() }.write(dir.path()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
