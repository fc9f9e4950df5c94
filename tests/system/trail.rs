//! The audit trail, as scripts and people read it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use modelferry::sample::Sample;
use serde_json::Value;

use super::host::{Host, ready};

#[test]
fn every_record_is_followed_as_it_comes_with_time_actor_and_migration() {
    let sample = Sample::default();
    let (src, _dst, _) = ready(&sample);
    let mut follower = Command::new(env!("CARGO_BIN_EXE_modelferry"))
        .arg("--config")
        .arg(src.config())
        .args(["events", "--follow", "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    let mut states = Vec::new();
    for line in BufReader::new(follower.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(event["migration"], format!("{}:0", sample.uuid));
        assert!(event["time-ms"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(event["sequence"], states.len() as u64 + 1);
        assert!(["uid", "agent", "peer"].contains(&event["actor"].as_str().unwrap().split(' ').next().unwrap()));
        states.push(event["text"].as_str().unwrap().split([',', ' ']).next().unwrap().to_owned());
        if states.last().is_some_and(|state| state == "Moved") {
            break;
        }
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert_eq!(states, ["migration", "Offered", "Freezing", "Frozen", "Committed", "Handed", "Reaping", "Moved"]);
    assert_eq!(src.run(&["events", "--after", "7"]).ok().lines().count(), 1);
}

/// It ended with the agent, and said that what was asked for may have been done or not.
#[test]
fn whoever_follows_the_records_does_so_across_a_restart_of_the_agent_and_misses_none() {
    let sample = Sample::default();
    let (mut src, _dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--hold"]).ok();
    let mut follower = src.command(&["events", "--follow", "--format", "json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut sequence = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["sequence"].clone();
    assert_eq!(sequence(), 1);
    src.stop();
    src.start();
    src.run(&["abort", &sample.name]).ok();
    let all = src.run(&["events"]).ok().lines().count() as u64;
    for expected in 2..=all {
        assert_eq!(sequence(), expected);
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn both_sides_prove_their_trail_and_name_the_same_pins_and_root() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    let (here, there) = (src.migration(&sample.name), dst.migration(&sample.name));
    for field in ["mid", "root", "source-pin", "target-pin"] {
        assert_eq!(here["migration"][field], there["migration"][field], "{field}");
        assert!(here["migration"][field].as_str().unwrap().len() >= 32, "{field}");
    }
    let shown = src.run(&["show-migration", &sample.name]).ok();
    assert!(shown.contains("target agent: ") && shown.contains(".") && shown.contains("Committed, root "), "{shown}");
    let audit = src.run(&["audit", "verify", "--format", "json"]).json();
    assert_eq!((audit["records"].as_u64(), audit["unfinished"].as_u64()), (Some(8), Some(0)), "{audit}");
    assert!(dst.run(&["audit", "verify"]).ok().contains("is whole: "));
}

/// Who shows such a certificate poses as the controller: so the trail of the controller's own agent tells of each.
#[test]
fn a_certificate_for_a_gateway_is_signed_only_once_the_trail_tells_of_it() {
    let mut dst = Host::new("dst");
    dst.start();
    let at = |name: &str| dst.dir.path().join(name).display().to_string();
    let asked = dst.run(&["gateway", "csr", "--key", &at("gateway.key")]).ok();
    std::fs::write(at("gateway.csr"), asked).unwrap();
    let ca = modelferry::juju::tls::Authority::make().unwrap();
    let conf = serde_json::json!({ "cacert": ca.cert_pem, "caprivatekey": ca.key_pem });
    std::fs::write(at("agent.conf"), conf.to_string()).unwrap();
    let (request, conf) = (at("gateway.csr"), at("agent.conf"));
    let sign = ["gateway", "sign", &request, "--agent-conf", &conf];
    let signed = dst.run(&[&sign[..], &["--format", "json"]].concat()).json();
    let fingerprint = signed["fingerprint"].as_str().unwrap();
    let trail = dst.run(&["events"]).ok();
    assert!(trail.contains(&format!("Signed: certificate {fingerprint}")) && trail.contains("uid "), "{trail}");
    assert_eq!(dst.run(&["audit", "verify", "--format", "json"]).json()["records"], 1);
    dst.stop();
    let refused = dst.run(&sign);
    assert!(refused.code != 0 && refused.out.is_empty() && refused.err.contains("--unrecorded"), "{refused:?}");
    assert!(dst.run(&[&sign[..], &["--unrecorded"]].concat()).ok().contains("BEGIN CERTIFICATE"));
    dst.start();
    assert_eq!(dst.run(&["audit", "verify", "--format", "json"]).json()["records"], 1);
}

#[test]
fn a_record_that_was_changed_under_a_running_agent_fails_the_proof() {
    let sample = Sample::default();
    let (src, _dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
    for name in ["journal.0", "journal.1"] {
        let file = fs::OpenOptions::new().write(true).open(src.dir.path().join("state").join(name)).unwrap();
        let bytes = fs::read(src.dir.path().join("state").join(name)).unwrap();
        // Inside the first record, which names the model. The file that is not in use has none.
        let named = sample.name.as_bytes();
        let Some(at) = bytes.windows(named.len()).position(|window| window == named) else { continue };
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
    }
    let told = src.run(&["audit", "verify"]).fails(1, "is damaged at byte");
    assert!(told.contains("state/journal."), "{told}");
}
