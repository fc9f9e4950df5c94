//! SPEC.md says what the code does: every number, name and limit of the code stands in its tables.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use modelferry_protocol::frame::{Encoding, FRAME_VERSION, KIND_CHUNK};
use modelferry_protocol::message::{Message, MigrationKey, Vote, seized_bytes};
use modelferry_protocol::plan::{Answer, Knowledge, Level, Payload, Question, VerbatimReply};
use modelferry_protocol::proof::{self, Verdict};
use modelferry_protocol::record::{AlarmKind, Body, PrecopyState, When};
use modelferry_protocol::snapshot::{Call, Performed};
use modelferry_protocol::stream::{StreamFrame, StreamPurpose};
use modelferry_protocol::switch::Profile;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;
use modelferry_protocol::version::Feature;
use modelferry_protocol::{limits, pairing};

const SPEC: &str = include_str!("../SPEC.md");

/// Returns the part under the heading that begins with `title`, up to the next of any level.
fn section(title: &str) -> &'static str {
    let at = SPEC.find(&format!("# {title}")).unwrap_or_else(|| panic!("SPEC.md has no section {title}"));
    let body = &SPEC[at + 2..];
    &body[..body.find("\n#").unwrap_or(body.len())]
}

/// Returns the first two cells of each row of the table whose second heading is `heading`.
fn table(section: &'static str, heading: &str) -> BTreeSet<(&'static str, &'static str)> {
    let cells = |line: &'static str| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        Some((cells.next()?, cells.next()?))
    };
    let mut lines = section.lines().skip_while(|line| cells(line).is_none_or(|(_, second)| second != heading));
    assert!(lines.next().is_some(), "no table of {heading}");
    lines.skip(1).map_while(cells).collect()
}

fn says_the_same(title: &str, heading: &str, tags: &[(u8, &'static str)]) {
    let written = table(section(title), heading);
    let numbers: Vec<String> = tags.iter().map(|(tag, _)| format!("{tag:#04x}")).collect();
    let coded = numbers.iter().zip(tags).map(|(number, (_, name))| (number.as_str(), *name)).collect();
    assert_eq!(written, coded, "{heading} in section {title}");
}

#[test]
fn every_kind_of_frame_is_written_down_and_no_other() {
    let mut kinds = Message::KINDS.to_vec();
    kinds.push((KIND_CHUNK, "Chunk"));
    kinds.extend(StreamFrame::KINDS);
    says_the_same("5. Messages", "name", &kinds);
}

#[test]
fn every_tag_is_written_down_and_no_other() {
    says_the_same("5.1", "Question", Question::TAGS);
    says_the_same("5.1", "Answer", Answer::TAGS);
    says_the_same("5.1", "Level", Level::TAGS);
    says_the_same("5.2", "Profile", Profile::TAGS);
    says_the_same("5.1", "Payload", Payload::TAGS);
    says_the_same("5.1", "Said", VerbatimReply::TAGS);
    says_the_same("5.3", "Encoding", Encoding::TAGS);
    says_the_same("5.4", "StreamPurpose", StreamPurpose::TAGS);
    says_the_same("7. Snapshot", "Call", Call::TAGS);
    says_the_same("5.2", "Performed", Performed::TAGS);
    let (embedded, relayed) = SourceState::TAGS.split_at(0x0c);
    says_the_same("9.2", "state", embedded);
    says_the_same("9.7", "state", relayed);
    says_the_same("9.3", "state", TargetState::TAGS);
    says_the_same("9.9", "Verdict", Verdict::TAGS);
    says_the_same("10. Journal", "Body", Body::TAGS);
    says_the_same("10. Journal", "When", When::TAGS);
    says_the_same("10. Journal", "PrecopyState", PrecopyState::TAGS);
    says_the_same("10. Journal", "AlarmKind", AlarmKind::TAGS);
}

/// Counts the enums with hand-written tags that the files below `dir` declare.
fn wire_enums(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let count = |path: PathBuf| match path.is_dir() {
        true => wire_enums(&path),
        false => fs::read_to_string(path).unwrap().matches("\nwire_enum! {").count(),
    };
    entries.map(count).sum()
}

/// Every enum that is declared with hand-written tags, so that none is forgotten above.
#[test]
fn every_wire_enum_is_compared() {
    let declared = wire_enums(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert_eq!(declared, 17, "a new enum is to be added to SPEC.md and to this test");
}

macro_rules! values {
    ($module:ident: $($name:ident),+ $(,)?) => { [ $( (stringify!($name), $module::$name.to_string()) ),+ ] };
}

/// Names of the numeric constants that `source` declares.
fn declared(source: &'static str) -> BTreeSet<&'static str> {
    let constants = source.lines().filter_map(|line| line.strip_prefix("pub const "));
    constants.filter(|rest| !rest.contains("&[u8]")).filter_map(|rest| rest.split(':').next()).collect()
}

#[test]
fn every_limit_is_written_down_with_its_value_and_no_other() {
    let mut coded = values![limits:
        PROTOCOL_VERSION, PROTOCOL_VERSION_OLDEST, FEATURES_MAX, FEATURE_BYTES_MAX, PORT_DEFAULT, FRAME_HEADER_BYTES, CONTROL_FRAME_BYTES_MAX, CHUNK_HEADER_BYTES_MAX,
        CHUNK_BYTES_MAX, CHUNK_BYTES_AVERAGE, CHUNK_BYTES_MIN, CHUNK_WIRE_BYTES_MAX, ZSTD_WINDOW_LOG_MAX,
        PAGE_CHUNKS_MAX, RANGES_MAX, BLOB_BYTES_MAX, BLOBS_NAMED_MAX, DESCRIPTION_BYTES_MAX, LOG_SEGMENT_BYTES_MAX, CALLS_MAX, SNAPSHOT_BYTES_MAX,
        NAME_BYTES_MAX, TEXT_BYTES_MAX, ANSWER_BYTES_MAX, ANSWER_PLAIN_BYTES_MAX, USERS_MAX, OFFER_USERS_MAX, SECTIONS_MAX,
        HURDLES_MAX, HURDLE_BYTES_MAX, FINDINGS_MAX,
        SPACES_MAX, SUBNETS_MAX,
        CHUNK_OTHERS_BYTES_MAX, CIDR_BYTES_MAX, ADDRESSES_MAX, CA_CERT_BYTES_MAX, ACTIVATE_BYTES_MAX, PARAMS_BYTES_MAX, QUERY_BYTES_MAX, REPLY_BYTES_MAX, REPLY_KEPT_BYTES_MAX, VERBATIM_FRAME_BYTES_MAX, VERBATIM_BYTES_MAX, STREAMS_MAX, STREAM_CREDIT_BYTES,
        STREAM_PIECE_BYTES_MAX, STREAM_FRAME_BYTES_MAX, STREAM_HEAD_BYTES_MAX, EPOCH_MAX, EPOCH_LEARNED_MAX, RECORD_BYTES_MAX, EPOCH_FORCED_STEP,
        PROOF_BYTES_MAX, PROOF_MAIL_BYTES_MAX, CLAIMS_MAX, OFFERS_OPEN_MAX, OFFERS_BURST, OFFER_SECONDS_EACH, OFFERS_PAST_MAX,
        TOMBSTONES_MAX, ALARMS_BURST, ALARM_SECONDS_EACH,
        QUESTIONS_AT_ONCE_MAX, QUERIES_AT_ONCE_MAX, TRIES_AT_ONCE_MAX, RELAYS_AT_ONCE_MAX, COPIES_AT_ONCE_MAX, BLOB_MESSAGES_MAX, WORK_QUESTIONS_MS_BURST,
        WORK_ONE_IN, WORK_STAGING_MS_BURST, WORK_STAGING_ONE_IN, WORK_WAIT_SECONDS_MAX, QUERY_FREEZE_SECONDS_MAX,
    ]
    .to_vec();
    coded.extend(values![pairing:
        SECRET_BYTES, EXPORTER_BYTES, OFFER_SECONDS,
    ]);
    let mut names = declared(include_str!("../src/limits.rs"));
    names.extend(declared(include_str!("../src/pairing.rs")));
    assert_eq!(coded.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), names, "limits compared here");
    let coded: BTreeSet<(&str, &str)> = coded.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(table(section("13. Limits"), "value"), coded);
}

#[test]
fn every_feature_is_written_down_and_no_other() {
    let written: BTreeSet<&str> =
        table(section("15. Versions"), "Feature").iter().map(|(_, name)| name.trim_matches('`')).collect();
    assert_eq!(written, Feature::ALL.map(Feature::name).into());
}

#[test]
fn labels_are_written_down() {
    let vote =
        Vote::signed_bytes(MigrationKey { mid: Default::default(), journal: Default::default() }, Default::default());
    let signed = vote.split(|byte| *byte == 0).next().unwrap();
    let known = Knowledge::default().signed_bytes(Default::default(), Default::default());
    let known = known.split(|byte| *byte == 0).next().unwrap();
    let seized = seized_bytes(Default::default(), 0, Default::default());
    let seized = seized.split(|byte| *byte == 0).next().unwrap();
    for (title, label) in [
        ("2. Link", limits::ALPN_LINK),
        ("3. Pairing", limits::ALPN_PAIR),
        ("3. Pairing", pairing::EXPORTER_LABEL),
        ("5.1", known),
        ("5.1", seized),
        ("5.2", signed),
        ("9.9", &proof::CONTEXT[..proof::CONTEXT.len() - 1]),
    ] {
        let label = std::str::from_utf8(label).unwrap();
        assert!(section(title).contains(&format!("`{label}`")), "section {title} lacks {label}");
    }
    assert!(section("4.1").contains(&format!("| 1 | frame version, {FRAME_VERSION} |")));
}
