//! The transitions of the three machines stand in one table, `switch::table`: the machines make these steps and no other,
//! SPEC.md has the same, and a journal with any other step is refused.

#[allow(dead_code, unused_imports, reason = "not everything that has golden bytes is a step")]
mod samples;

use std::collections::BTreeSet;

use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::Hash;
use modelferry_protocol::ledger::{LastRecord, Ledger};
use modelferry_protocol::message::{Message, MigrationKey, Vote};
use modelferry_protocol::record::Body;
use modelferry_protocol::snapshot::{Arguments, KeptReply};
use modelferry_protocol::switch::relay::{Evidence, RelayInput};
use modelferry_protocol::switch::source::{self, SourceInput, SourceRecord};
use modelferry_protocol::switch::table::{self, IllegalStep, Transition};
use modelferry_protocol::switch::target::{self, TargetInput, TargetRecord};
use modelferry_protocol::switch::{Cause, Outcome, Profile};

/// From, input, to. An empty `from` begins a migration.
type Steps = BTreeSet<(String, String, String)>;

fn steps(table: &[Transition]) -> Steps {
    let expanded = |step: &Transition| {
        let from: Vec<&str> = if step.from.is_empty() { vec![""] } else { step.from.to_vec() };
        let triple = |from: &str| (from.to_owned(), step.input.to_owned(), step.to.to_owned());
        from.into_iter().map(triple).collect::<Vec<_>>()
    };
    table.iter().flat_map(expanded).collect()
}

fn sources(profile: Profile) -> impl Iterator<Item = SourceRecord> {
    samples::bodies().into_iter().filter_map(move |(_, body)| match body {
        // A Juju source has the states of an embedded one as well, and the machine is asked about all of them.
        Body::Source(SourceRecord { head, state }) => {
            Some(SourceRecord { head: modelferry_protocol::switch::Head { profile, ..head }, state })
        }
        _ => None,
    })
}

fn targets() -> impl Iterator<Item = TargetRecord> {
    samples::bodies().into_iter().filter_map(|(_, body)| match body {
        Body::Target(record) => Some(record),
        _ => None,
    })
}

fn source_inputs<'a>(
    messages: &'a [Message],
    cause: &'a Cause,
    arguments: &'a Arguments,
    vote: &'a Vote,
) -> Vec<SourceInput<'a>> {
    let mut inputs: Vec<SourceInput<'a>> =
        messages.iter().map(|message| SourceInput::Heard { message, fresh: true }).collect();
    inputs.extend([
        SourceInput::Ready { deadline_ms: 1 },
        SourceInput::Abort(cause),
        SourceInput::Seize(cause),
        SourceInput::FrozenAs(samples::ROOT),
        SourceInput::Done,
        SourceInput::Relayed(RelayInput::Sealed(samples::ROOT)),
        SourceInput::Relayed(RelayInput::Activate { arguments, vote: Some(vote) }),
        SourceInput::Relayed(RelayInput::Activate { arguments, vote: None }),
    ]);
    let shown = [Evidence::Success(None), Evidence::Abort, Evidence::Done];
    inputs.extend(shown.map(|evidence| SourceInput::Relayed(RelayInput::Shown(evidence))));
    inputs
}

/// Every step that the source's machine makes of the profile's own states.
fn source_steps(profile: Profile, table: &[Transition]) -> Steps {
    let (messages, cause) = (samples::messages(), Text::new("no longer wanted").unwrap());
    let (arguments, vote) = (Arguments::default(), Vote::unsigned(KEY, samples::ROOT));
    let reached: BTreeSet<&str> = table.iter().map(|step| step.to).collect();
    let mut made = Steps::new();
    for record in sources(profile).filter(|record| reached.contains(record.state.name())) {
        for input in source_inputs(&messages, &cause, &arguments, &vote) {
            if let Outcome::Record(state) = source::on(&record, input) {
                made.insert((record.state.name().into(), input.name().into(), state.name().into()));
            }
        }
    }
    made
}

const KEY: MigrationKey = MigrationKey { mid: samples::MID, journal: samples::JOURNAL };

/// What the sample that has imported a description has imported.
const IMPORTED: Hash = Hash([0x66; 32]);

fn target_inputs<'a>(messages: &'a [Message], cause: &'a Cause, reply: &'a KeptReply) -> Vec<TargetInput<'a>> {
    let mut inputs: Vec<TargetInput<'a>> = messages.iter().map(TargetInput::Heard).collect();
    inputs.extend([
        TargetInput::Import(samples::ROOT),
        TargetInput::Complete { root: samples::ROOT, description: IMPORTED },
        TargetInput::Complete { root: samples::ROOT, description: samples::ROOT },
        TargetInput::Done,
        TargetInput::Adopted(reply),
        TargetInput::Discarded,
        TargetInput::FoundLive,
        TargetInput::Drop(cause),
        TargetInput::Renounce(cause),
        TargetInput::Seize(cause),
    ]);
    inputs
}

fn target_steps() -> Steps {
    let (messages, cause) = (samples::messages(), Text::new("no longer wanted").unwrap());
    let mut made = Steps::new();
    for record in targets() {
        for input in target_inputs(&messages, &cause, &KeptReply::default()) {
            if let Outcome::Record(state) = target::on(&record, input) {
                made.insert((record.state.name().into(), input.name().into(), state.name().into()));
            }
        }
    }
    made
}

/// The steps of a table without those that begin a migration, which no machine makes.
fn later(table: &[Transition]) -> Steps {
    steps(table).into_iter().filter(|(from, ..)| !from.is_empty()).collect()
}

#[test]
fn the_machines_make_every_step_of_their_tables_and_no_other() {
    assert_eq!(source_steps(Profile::Embedded, table::SOURCE_EMBEDDED), later(table::SOURCE_EMBEDDED));
    assert_eq!(source_steps(Profile::Gateway, table::SOURCE_GATEWAY), later(table::SOURCE_GATEWAY));
    assert_eq!(target_steps(), later(table::TARGET));
}

/// Returns the steps that a section of the specification has, without its replies and what changes nothing.
fn written(title: &str) -> Steps {
    const HEADING: &str = "| in | input | leads to | when |";
    let spec = include_str!("../SPEC.md");
    let section = spec.split(&format!("### {title}")).nth(1).unwrap_or_else(|| panic!("no section {title}"));
    let section = section.split("\n### ").next().unwrap();
    let rows = section.split(HEADING).nth(1).unwrap_or_else(|| panic!("section {title} has no transitions"));
    let mut written = Steps::new();
    for row in rows.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').skip(1).map(str::trim).collect();
        let [from, inputs, to, ..] = cells[..] else { panic!("{row}") };
        let to = to.trim_matches('*');
        if to == "–" || to.starts_with("reply ") {
            continue;
        }
        for from in from.split(", ") {
            let from = if from == "(nothing)" { "" } else { from };
            for input in inputs.split(", ") {
                written.insert((from.to_owned(), input.trim_matches('`').to_owned(), to.to_owned()));
            }
        }
    }
    written
}

#[test]
fn the_specification_has_every_transition_and_no_other() {
    assert_eq!(written("9.2"), steps(table::SOURCE_EMBEDDED));
    assert_eq!(written("9.7"), steps(table::SOURCE_GATEWAY));
    assert_eq!(written("9.3"), steps(table::TARGET));
}

fn record(name: &str) -> LastRecord {
    let (_, body) = samples::bodies().into_iter().find(|(of, _)| of == name).unwrap();
    match body {
        Body::Source(record) => LastRecord::Source(record),
        Body::Target(record) => LastRecord::Target(record),
        other => panic!("{} is no step", other.name()),
    }
}

#[test]
fn a_step_that_is_in_no_table_is_refused_with_the_names_of_both_states() {
    let refused = |last: Option<&str>, next: &str| {
        let last = last.map(record);
        table::check(last.as_ref(), &record(next)).unwrap_err().to_string()
    };
    let (from, to) = (Some("source-Committed"), "source-Aborting");
    assert_eq!(refused(from, to), format!("migration {} cannot go from `Committed` to `Aborting`", samples::MID));
    assert!(refused(Some("target-Active"), "target-Dropping").contains("from `Active` to `Dropping`"));
    assert!(refused(None, "target-Prepared").contains("cannot begin with `Prepared`"));
    // The same migration on the other side, or of another model.
    assert!(refused(Some("source-Offered"), "target-Receiving").contains("of another side"));
    let LastRecord::Source(mut moved) = record("source-Freezing") else { unreachable!() };
    moved.head.model.0[0] ^= 1;
    let other = table::check(Some(&record("source-Offered")), &LastRecord::Source(moved));
    assert!(matches!(other, Err(IllegalStep::Head { from: "Offered", to: "Freezing", .. })), "{other:?}");
}

#[test]
fn a_step_follows_what_stands_before_it_in_the_same_batch() {
    let body = |name: &str| samples::bodies().into_iter().find(|(of, _)| of == name).unwrap().1;
    let bodies = ["source-Offered", "note", "source-Freezing", "source-Frozen"].map(body);
    let ledger = Ledger::default();
    assert_eq!(ledger.check_all(&bodies), Ok(()));
    let (place, illegal) = ledger.check_all([&bodies[0], &bodies[1], &bodies[3]]).unwrap_err();
    assert_eq!(place, 2);
    assert!(matches!(illegal, IllegalStep::States { from: "Offered", to: "Frozen", .. }), "{illegal}");
}

/// So that the samples above reach both ends of every step that rests on a root.
#[test]
fn samples_of_messages_and_states_name_one_root() {
    let roots = samples::messages().into_iter().filter_map(|message| match message {
        Message::Commit(commit) => Some(commit.root),
        Message::Activated(activated) => Some(activated.root),
        Message::Prepared(vote) => Some(vote.root),
        _ => None,
    });
    assert_eq!(roots.collect::<BTreeSet<_>>(), BTreeSet::from([samples::ROOT]));
}
