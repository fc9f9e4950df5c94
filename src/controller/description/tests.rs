//! Descriptions as Juju writes them, and what only looks like one.

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
        if matches!(wanted, Wanted::AgentBinary { .. } | Wanted::File { .. }) {
            assert!(matches!(prove(&longer), Err(NotWanted::Size { .. })), "{}", path.display());
            assert!(matches!(prove(&flipped), Err(NotWanted::Hash { .. })), "{}", path.display());
        } else {
            prove(&flipped).unwrap();
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
    assert!(binary.contains("byte 1 is not UTF-8"), "{binary}");
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
