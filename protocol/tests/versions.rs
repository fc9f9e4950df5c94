//! Two agents agree on the newest version that both speak, and on the features that both have.

use modelferry_protocol::codec::{Text, decode, encode};
use modelferry_protocol::ids::JournalId;
use modelferry_protocol::limits::PROTOCOL_VERSION;
use modelferry_protocol::message::{ControllerCard, Hello, agree};
use modelferry_protocol::version::{Feature, FeatureNames, Versions};

fn hello(oldest: u16, newest: u16, features: &[&str]) -> Hello {
    let names = features.iter().map(|name| Text::cut(*name)).collect();
    Hello {
        versions: Versions { oldest, newest },
        features: FeatureNames::new(names).unwrap(),
        agent: Text::cut("0.1.0"),
        journal: JournalId([1; 16]),
        sequence: 1,
        sequence_seen: 0,
        controller: ControllerCard::default(),
    }
}

fn own() -> Hello {
    Hello { features: Feature::names(), ..hello(Versions::OWN.oldest, Versions::OWN.newest, &[]) }
}

#[test]
fn a_peer_of_the_next_version_with_an_unknown_feature_interoperates() {
    let next = hello(PROTOCOL_VERSION, PROTOCOL_VERSION + 1, &["teleport", "patches", "patches"]);
    // As it comes over the wire.
    let next: Hello = decode(&encode(&next)).unwrap();
    let (here, there) = (agree(&own(), &next).unwrap(), agree(&next, &own()).unwrap());
    assert_eq!(here, there, "both sides come to the same");
    assert_eq!(here.version, PROTOCOL_VERSION);
    assert!(here.has(Feature::Patches));
    let without = agree(&own(), &hello(PROTOCOL_VERSION, PROTOCOL_VERSION + 1, &["teleport"])).unwrap();
    assert!(!without.has(Feature::Patches), "what one side lacks is not used");
}

#[test]
fn the_newest_common_version_is_spoken() {
    let range = |oldest, newest| Versions { oldest, newest };
    assert_eq!(range(1, 3).common(range(2, 5)), Some(3));
    assert_eq!(range(2, 5).common(range(1, 3)), Some(3));
    assert_eq!(range(1, 9).common(range(4, 4)), Some(4));
    assert_eq!(range(1, 2).common(range(3, 4)), None);
    assert_eq!(range(1, 4).common(range(3, 2)), None, "a range that ends before it begins has no version");
}

#[test]
fn agents_without_a_common_version_are_told_both_ranges_and_what_to_do() {
    let newer = hello(PROTOCOL_VERSION + 1, PROTOCOL_VERSION + 2, &[]);
    let told = agree(&own(), &newer).unwrap_err().to_string();
    for part in [
        format!("speaks version {PROTOCOL_VERSION},"),
        format!("speaks versions {} to {};", PROTOCOL_VERSION + 1, PROTOCOL_VERSION + 2),
        "upgrade the older one".to_owned(),
    ] {
        assert!(told.contains(&part), "{told} lacks {part}");
    }
}
