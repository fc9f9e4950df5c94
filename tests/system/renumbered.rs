//! A host gets another address, and then the other: each time one of the two was still reachable where it was known.

use super::host::{Host, towards};

fn peer(host: &Host) -> serde_json::Value {
    host.run(&["peers", "--format", "json"]).json()[0].clone()
}

fn at(host: &Host) -> String {
    format!("127.0.0.1:{}", host.port)
}

/// The address from which a peer had called was forgotten with the next start, so that two agents which had moved one
/// after the other never met again.
#[test]
fn agents_that_move_one_after_the_other_still_meet() {
    let (mut src, mut dst) = towards(Host::new("dst"));
    for _ in 0..3 {
        src.renumber();
        for host in [&src, &dst] {
            host.until("the link is back", |host| host.connected().then_some(()));
        }
        dst.until("the new address is shown", |dst| (peer(dst)["address"] == at(&src).as_str()).then_some(()));
        dst.renumber();
        for host in [&src, &dst] {
            host.until("the link is back", |host| host.connected().then_some(()));
        }
    }
    src.until("the new address is shown", |src| (peer(src)["address"] == at(&dst).as_str()).then_some(()));
}

#[test]
fn a_link_that_is_down_says_what_to_type() {
    let (src, mut dst) = towards(Host::new("dst"));
    dst.stop();
    let next = src.until("the link is down", |src| peer(src)["next"].as_str().map(str::to_owned));
    assert!(next.contains("`modelferry "), "{next}");
    for table in [src.run(&["peers"]).ok(), src.run(&["status"]).ok()] {
        let line = table.lines().find(|line| line.contains("down: ")).unwrap_or_else(|| panic!("{table}"));
        assert!(line.split("down: ").nth(1).unwrap().contains("`modelferry "), "{line}");
    }
}
