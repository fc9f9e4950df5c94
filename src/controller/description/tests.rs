//! Descriptions as Juju writes them, and what only looks like one.

use std::io::Read;

use modelferry_protocol::limits::DESCRIPTION_BYTES_MAX;

use super::sample::Sample;
use super::wanted::{NotWanted, Wanted};
use super::*;

fn parsed(sample: &Sample) -> Description {
    Description::parse(sample.yaml().as_bytes()).unwrap()
}

fn refusal(yaml: &str) -> String {
    Description::parse(yaml.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_description_is_read_for_what_lists_show() {
    let model = parsed(&Sample::default());
    assert_eq!((model.name.as_str(), model.owner.as_str(), model.agent_version.as_str()), ("prod", "admin", "3.6.23"));
    assert_eq!(model.cloud_type, "openstack");
    assert_eq!(model.machines.len(), 2);
    let machines: Vec<&str> = model.all_machines().map(|machine| machine.id.as_str()).collect();
    assert_eq!(machines, ["0", "0/lxd/0", "1"]);
    assert_eq!(model.machines[0].instance.as_ref().unwrap().status.value, "running");
    let units: Vec<&str> = model.all_units().map(|(_, unit)| unit.workload_version.as_str()).collect();
    assert_eq!(units, ["16.9", "16.9"]);
    assert_eq!(model.applications[0].endpoint_bindings[""], "1");
    assert_eq!(model.relations[0].endpoints[1].units_joined.iter().collect::<Vec<_>>(), ["postgresql/0"]);
    assert_eq!(model.volumes[0].0.attachments[0].host(), "0");
    assert_eq!(model.users[1].last_connection, "2026-08-21T09:01:00.146413Z");
    assert_eq!(model.sequences["machine"], 2);
}

#[test]
fn every_document_version_from_11_to_14_is_understood() {
    for version in 11..=14 {
        let model = parsed(&Sample { version, ..Sample::default() });
        assert_eq!(model.document_version, u64::from(version));
        assert_eq!(model.wanted().len(), 5, "version {version}");
    }
}

#[test]
fn another_document_version_is_refused_by_its_number() {
    for version in [1, 10, 15] {
        assert_eq!(
            refusal(&Sample { version, ..Sample::default() }.yaml()),
            format!("model description has document version {version}; versions 11 to 14 are understood")
        );
    }
    // Long ago a list was no wrapper: the version is what matters, not the field that comes first.
    let old = "version: 1\nowner: magic\nusers: [bob]\nmachines: 3\n";
    assert!(refusal(old).contains("document version 1;"), "{}", refusal(old));
}

#[test]
fn the_binaries_are_what_the_description_names() {
    let sample = Sample::default();
    let model = parsed(&sample);
    let paths: Vec<_> = model.wanted().iter().map(Wanted::path).collect();
    assert_eq!(paths, sample.binaries().into_iter().map(|(path, _)| path).collect::<Vec<_>>());
}

#[test]
fn a_binary_proves_itself_by_size_and_hash() {
    let sample = Sample::default();
    let model = parsed(&sample);
    for (wanted, (path, bytes)) in model.wanted().iter().zip(sample.binaries()) {
        let prove = |bytes: &[u8]| {
            let mut proving = wanted.proving(bytes);
            std::io::copy(&mut proving, &mut std::io::sink()).unwrap();
            proving.finish()
        };
        prove(&bytes).unwrap();
        let (longer, mut flipped) = ([bytes.as_slice(), b"x"].concat(), bytes.clone());
        flipped[0] ^= 1;
        match wanted {
            Wanted::AgentBinary { .. } | Wanted::File { .. } => {
                assert!(matches!(prove(&longer), Err(NotWanted::Size { .. })), "{}", path.display());
                assert!(matches!(prove(&flipped), Err(NotWanted::Hash { .. })), "{}", path.display());
            }
            Wanted::Charm { .. } => {
                assert!(matches!(prove(&longer), Err(NotWanted::NoArchive { .. })), "{}", path.display());
                assert!(matches!(prove(&flipped), Err(NotWanted::NoArchive { .. })), "{}", path.display());
                assert!(matches!(prove(b""), Err(NotWanted::NoArchive { .. })), "{}", path.display());
            }
            Wanted::OciImage { .. } => assert_eq!(prove(&flipped).unwrap(), None),
        }
        let huge = vec![b' '; (64 << 10) + 1];
        let too_large = matches!(prove(&huge), Err(NotWanted::TooLarge { .. }));
        assert_eq!(too_large, matches!(wanted, Wanted::OciImage { .. }), "{}", path.display());
    }
}

#[test]
fn kubernetes_agents_come_as_images_and_no_binary_travels() {
    let yaml = Sample::default().yaml().replace("type: iaas\nowner", "type: caas\nowner");
    let model = Description::parse(yaml.as_bytes()).unwrap();
    assert!(!model.wanted().iter().any(|wanted| matches!(wanted, Wanted::AgentBinary { .. })));
}

#[test]
fn local_charms_go_by_revision_so_that_the_target_numbers_them_alike() {
    let yaml = Sample::default().yaml().replace("ch:amd64/postgresql-843", "local:noble/postgresql-10");
    let model = Description::parse(yaml.as_bytes()).unwrap();
    let charms: Vec<String> = model.wanted().iter().take(2).map(Wanted::to_string).collect();
    assert_eq!(charms, ["charm local:noble/webapp-2", "charm local:noble/postgresql-10"]);
}

#[test]
fn facts_name_everything_a_target_must_have() {
    let facts = parsed(&Sample::default()).facts().unwrap();
    let names =
        |names: &[modelferry_protocol::snapshot::Name]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&facts.users), ["admin", "bob"]);
    assert_eq!(names(&facts.secret_backends), ["63c8ad37c906eb278540e942"]);
    assert_eq!(names(&facts.storage_pools), ["fast:cinder"]);
    assert_eq!(&*facts.credential, "admin/openstack-eu/default");
    assert!(facts.charms_without_manifest.is_empty());
}

#[test]
fn a_description_cut_short_is_never_read_as_a_smaller_model() {
    let yaml = Sample::default().yaml();
    let last = yaml.find("meter-status").unwrap();
    // Cut between lines as well as inside them: what is left is often YAML.
    for end in (0..last).step_by(97).chain(yaml[..last].match_indices('\n').map(|(at, _)| at + 1)) {
        assert!(
            Description::parse(&yaml.as_bytes()[..end]).is_err(),
            "cut at {end}: …{}",
            &yaml[end.saturating_sub(60)..end]
        );
    }
}

#[test]
fn garbage_is_refused_with_its_place() {
    assert!(refusal("hello world").contains("line 1, column 1"));
    assert!(refusal("version: 12\nname: \"abc\n").contains("line 3"));
    assert!(refusal("version: twelve").contains("line 1, column 10"));
    assert!(refusal("").contains("no `version`"));
    let binary = Description::parse(&[0x28, 0xb5, 0x2f, 0xfd, 0x00]).unwrap_err().to_string();
    assert!(binary.contains("unpack it first, with `zstd -d`"), "{binary}");
    let binary = Description::parse(&[b'a', 0xb5, 0x2f, 0xfd, 0x00]).unwrap_err().to_string();
    assert!(binary.contains("byte 1 is no text"), "{binary}");
}

#[test]
fn an_alias_bomb_is_refused_at_its_first_anchor() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        bomb += &format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 10].join(","));
    }
    for yaml in [bomb.as_str(), "version: 12\nowner: *nobody\n", "version: 12\nowner: &a admin\n"] {
        let error = Description::parse(yaml.as_bytes()).unwrap_err();
        assert!(matches!(error, DescriptionError::Alias { .. }), "{error}");
    }
}

#[test]
fn deep_nesting_is_refused_before_the_stack_is_full() {
    let deep = format!("version: 12\nconfig: {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refusal(&deep).contains("line 2"), "{}", refusal(&deep));
}

#[test]
fn no_more_is_read_than_a_description_may_have() {
    struct Endless(u64);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len() as u64;
            buffer.fill(b'a');
            Ok(buffer.len())
        }
    }
    let mut endless = Endless(0);
    assert!(matches!(read_bytes(&mut endless), Err(DescriptionError::TooLarge)));
    assert_eq!(endless.0, DESCRIPTION_BYTES_MAX + 1);
}

#[test]
fn an_error_never_quotes_what_may_be_secret() {
    let yaml = Sample::default().yaml();
    for broken in [yaml.replace("s3cret", "\"s3cret"), yaml.replace("size: 10240", "size: s3cret")] {
        let error = refusal(&broken);
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn names_that_would_leave_the_directory_are_refused() {
    let yaml = Sample::default().yaml();
    for (from, to) in [
        ("name: postgresql\n", "name: ../../etc\n"),
        ("charm-url: ch:amd64/postgresql-843", "charm-url: .."),
        ("- name: wal-g", "- name: ../wal-g"),
        ("tools-version: 3.6.23-ubuntu-amd64", "tools-version: ../3.6.23"),
        ("name: prod", "name: \"prod\\e[2J\""),
    ] {
        let broken = yaml.replace(from, to);
        assert_ne!(broken, yaml, "{from}");
        let error = Description::parse(broken.as_bytes()).unwrap_err();
        assert!(matches!(error, DescriptionError::Value { .. }), "{error}");
    }
}
#[test]
fn nothing_without_a_name_is_taken_for_a_machine() {
    for list in ["{}, {}", "{hostname: a}"] {
        let error = refusal(&format!("version: 12\nmachines:\n  machines: [{list}]\n"));
        assert!(error.contains("something without a name among the machines"), "{error}");
    }
}

/// `charm-origin.hash` is the SHA-256 of the archive that the store handed out. A controller of Juju repacks a charm that a
/// migration brings it, and leaves the hash as it is: another one is no reason to refuse the charm.
#[test]
fn a_charm_of_another_hash_than_the_stores_is_taken_with_a_warning_that_has_both() {
    let origin = |source: &str, hash: &str| {
        let origin = format!("    charm-origin:\n      version: 2\n      source: {source}\n      hash: {hash}\n");
        let yaml = Sample::default().yaml();
        let yaml = yaml.replacen("    cs-channel", &format!("{origin}    cs-channel"), 1);
        Description::parse(yaml.as_bytes()).unwrap().wanted()[0].clone()
    };
    let (_, charm) = Sample::default().binaries().remove(0);
    let prove = |wanted: &Wanted| {
        let mut proving = wanted.proving(charm.as_slice());
        std::io::copy(&mut proving, &mut std::io::sink()).unwrap();
        proving.finish()
    };
    let sha256 = super::wanted::hex(ring::digest::digest(&ring::digest::SHA256, &charm).as_ref());
    assert_eq!(prove(&origin("charm-hub", &sha256.to_uppercase())).unwrap(), None);
    let other = "0".repeat(64);
    let warning = prove(&origin("charm-hub", &other)).unwrap().expect("a warning");
    assert!(warning.contains(&sha256) && warning.contains(&other), "{warning}");
    // What is no SHA-256, and that of a charm from elsewhere, says nothing of the archive.
    for (source, hash) in [("charm-hub", "''"), ("charm-hub", "abc"), ("local", other.as_str())] {
        assert_eq!(prove(&origin(source, hash)).unwrap(), None);
    }
}

/// The bug: the YAML library reads a scalar with this tag into no string, so one of them made the whole model unusable.
#[test]
fn times_may_be_tagged_as_times() {
    let tiny = include_str!("../../../tests/cases/tiny.yaml");
    let plain = Description::parse(tiny.as_bytes()).unwrap();
    let tagged: String = tiny
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((key, value)) if value.trim_matches(['"', '\'']).starts_with("20") && value.contains('T') => {
                format!("{key}: !!timestamp {value}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(tagged.matches("!!timestamp").count() >= 3, "{tagged}");
    let read = Description::parse(tagged.as_bytes()).unwrap();
    assert_eq!(format!("{read:?}"), format!("{plain:?}"));
    // In a text it is a text.
    let noted =
        tiny.replacen("owner: admin", "owner: 'ad !!timestamp min'", 1).replace("updated: '", "updated: !!timestamp '");
    assert_eq!(Description::parse(noted.as_bytes()).unwrap().owner, "ad !!timestamp min");
}

/// The bug: Go writes every string that is no UTF-8 as `!!binary`, and one of them anywhere made the whole model
/// unusable.
#[test]
fn binary_strings_are_passed_over_or_shown_escaped() {
    let case = include_str!("../../../tests/cases/04-binary.yaml");
    Description::parse(case.as_bytes()).unwrap();
    let tiny = include_str!("../../../tests/cases/tiny.yaml");
    let mut count = 0;
    for (at, _) in tiny.match_indices(": ") {
        let end = at + tiny[at..].find('\n').unwrap();
        let (line, value) = (tiny[..at].rsplit('\n').next().unwrap(), &tiny[at + 2..end]);
        let key = line.trim_start_matches([' ', '-']);
        // What is a number, a word of Juju's own or an identity is never written so; all else may be.
        let is_text =
            !value.starts_with(['{', '[']) && value.parse::<f64>().is_err() && !matches!(value, "true" | "false");
        let is_own = matches!(key, "type" if !line.starts_with(' ')) || key == "uuid" || key == "? ''";
        if !is_text || is_own {
            continue;
        }
        let yaml = format!("{}: !!binary AAH//mFiYw=={}", &tiny[..at], &tiny[end..]);
        if let Err(error) = Description::parse(yaml.as_bytes()) {
            // Names that go into files' names and messages are refused by name, for their control characters or not.
            assert!(matches!(error, DescriptionError::Value { .. }), "{key}: {error}");
        }
        count += 1;
    }
    assert!(count > 60, "{count}");
    let shown = tiny
        .replace("hostname: h0", "hostname: !!binary /w==")
        .replace("message: ready", "message: !!binary |\n              AAH/\n              /mFiYw==");
    let model = Description::parse(shown.as_bytes()).unwrap();
    assert_eq!(model.machines[0].hostname, "\\xff");
    assert_eq!(model.applications[0].units[0].workload_status.message, "\\u{0}\\u{1}\\xff\\xfeabc");
}

#[test]
fn what_is_not_looked_at_is_passed_over_whatever_it_is() {
    let tiny = include_str!("../../../tests/cases/tiny.yaml");
    for value in [
        ".nan",
        "1e999",
        "!!binary /w==",
        "!own [1]",
        "~",
        "{!!binary /w==: !!binary /w==}",
        "{<<: x, =: y}",
        "[[], {}]",
        "99999999999999999999999",
    ] {
        for key in ["annotations", "leadership-settings"] {
            let yaml = tiny.replace("leadership-settings: {}", &format!("{key}: {value}"));
            Description::parse(yaml.as_bytes()).unwrap_or_else(|error| panic!("{key}: {value}: {error}"));
        }
        let yaml = tiny.replace("    settings: {}", &format!("    settings:\n      key: {value}"));
        Description::parse(yaml.as_bytes()).unwrap_or_else(|error| panic!("settings: {value}: {error}"));
    }
}

/// The bug: people read of `Option<String>`, `DuplicateKeyPolicy` and other words of a library's.
#[test]
fn what_is_wrong_is_said_in_our_own_words() {
    let refused = |name: &str| {
        let path = format!("{}/tests/cases/18-{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        Description::parse(&std::fs::read(path).unwrap()).unwrap_err()
    };
    let said = |name: &str| refused(name).to_string();
    assert!(said("duplicate-key").ends_with(": `cloud` stands here a second time"), "{}", said("duplicate-key"));
    assert_eq!(said("null-owner"), "not a model description: it has no `owner`");
    assert!(said("tables").contains("a controller of Juju 4.1 or later"), "{}", said("tables"));
    assert!(refused("tables").advice().unwrap().contains("juju show-model"));
    assert!(said("two-documents").contains("a second YAML document begins"), "{}", said("two-documents"));
    assert_eq!(said("version-10"), "model description has document version 10; versions 11 to 14 are understood");
    assert!(refused("version-10").advice().unwrap().contains("juju migrate MODEL CONTROLLER"));
    let tiny = include_str!("../../../tests/cases/tiny.yaml");
    for (from, to, words) in [
        ("environ-version: 0", "environ-version: {", "this is no YAML"),
        ("memory: 1024", "memory: much", "a number is expected here"),
        ("memory: 1024", "memory: [1]", "is expected here"),
        ("type: iaas\nowner", "type: else\nowner", "`iaas` or `caas` is expected here"),
        ("machines:\n  version: 4", "machines: 7\nx:\n  version: 4", "is expected here"),
        ("owner: admin", "owner: [admin]", "is expected here"),
        ("cloud: localhost", "cloud: 'localhost", "this is no YAML"),
        ("neverset: false", "neverset: false\n          neverset: true", "`neverset` stands here a second time"),
    ] {
        let broken = tiny.replacen(from, to, 1);
        assert_ne!(broken, tiny, "{from}");
        let said = Description::parse(broken.as_bytes()).unwrap_err().to_string();
        assert!(said.contains(words), "{to}: {said}");
        for foreign in ["struct", "Option", "Policy", "serde", "deserialize", "u64", "Options", "variant", "mapping"] {
            assert!(!said.contains(foreign), "{to}: {said}");
        }
    }
}
