//! Proofs survive what mail does to text, and nothing that was altered passes for one.

#[path = "samples/proof.rs"]
mod sample;

use modelferry_protocol::ids::{Hash, JournalId, MigrationId, ModelUuid, Pin};
use modelferry_protocol::ledger::LastRecord;
use modelferry_protocol::limits::{PROOF_BYTES_MAX, PROOF_MAIL_BYTES_MAX};
use modelferry_protocol::message::Message;
use modelferry_protocol::proof::{BadArmour, Proof, ProofRefused, Statement};
use modelferry_protocol::switch::source::{Committed, SourceRecord, SourceState};
use modelferry_protocol::switch::target::{Activating, Active, Live, TargetRecord, TargetState};
use modelferry_protocol::switch::{Cause, Handover, Head, Profile};
use proptest::prelude::*;

use sample::{JOURNAL, MID, MODEL, ROOT, committed, key, pin, signed};

/// The source signs with seed 1, the target with seed 2.
const SOURCE: u8 = 1;
const TARGET: u8 = 2;

fn head(peer: Pin) -> Head {
    Head { mid: MID, model: MODEL, epoch_to: 2, peer, journal: JOURNAL, profile: Profile::Embedded }
}

fn source(state: SourceState) -> LastRecord {
    LastRecord::Source(SourceRecord { head: head(pin(TARGET)), state })
}

fn target(state: TargetState) -> LastRecord {
    LastRecord::Target(TargetRecord { head: head(pin(SOURCE)), state })
}

fn active() -> TargetState {
    TargetState::Active(Active { root: ROOT, reply: Default::default() })
}

fn in_doubt_at_source() -> LastRecord {
    source(SourceState::Committed(Committed { root: ROOT, vote: Default::default(), handover: Handover::default() }))
}

/// What the side with `seed` proves of `last`.
fn proof_of(last: &LastRecord, seed: u8) -> Proof {
    signed(Statement::of(last, pin(seed), 1_767_225_600_000).expect("a decision"), &key(seed))
}

#[test]
fn each_decision_is_carried_to_the_other_side_as_its_message() {
    let waiting = target(TargetState::Prepared(ROOT));
    let commit = proof_of(&in_doubt_at_source(), SOURCE).check(&waiting, pin(TARGET)).unwrap();
    assert!(matches!(commit, Message::Commit(commit) if commit.root == ROOT && commit.epoch_to == 2));
    let aborted = source(SourceState::Aborted(Cause::default()));
    assert!(matches!(proof_of(&aborted, SOURCE).check(&waiting, pin(TARGET)), Ok(Message::Abort(_))));
    let activated = proof_of(&target(active()), TARGET).check(&in_doubt_at_source(), pin(SOURCE));
    assert!(matches!(activated, Ok(Message::Activated(told)) if told.root == ROOT));
    let dropped = proof_of(&target(TargetState::Dropped(Cause::default())), TARGET);
    assert!(matches!(dropped.check(&in_doubt_at_source(), pin(SOURCE)), Ok(Message::Dropped(_))));
}

#[test]
fn a_side_that_has_decided_nothing_proves_nothing() {
    for last in [
        source(SourceState::Offered),
        target(TargetState::Receiving),
        target(TargetState::Prepared(ROOT)),
        target(TargetState::Importing(ROOT)),
        target(TargetState::Activating(Activating {
            root: ROOT,
            handover: Handover::default(),
            stamp: Default::default(),
        })),
        target(TargetState::Live(Live { root: ROOT, adopt: Default::default(), forced: None })),
    ] {
        assert_eq!(Statement::of(&last, pin(SOURCE), 0), None);
    }
}

#[test]
fn a_proof_of_anything_else_is_refused_and_says_what_differs() {
    let waiting = target(TargetState::Prepared(ROOT));
    let right = proof_of(&in_doubt_at_source(), SOURCE).statement;
    for (statement, other) in [
        (Statement { mid: MigrationId([9; 16]), ..right }, "migration"),
        (Statement { model: ModelUuid([9; 16]), ..right }, "model"),
        (Statement { epoch_to: 3, ..right }, "epoch"),
        (Statement { journal: JournalId([9; 16]), ..right }, "journal"),
        (Statement { root: Some(Hash([9; 32])), ..right }, "snapshot"),
        (Statement { target: Pin([9; 32]), ..right }, "target agent"),
        (Statement { source: Pin([9; 32]), ..right }, "source agent"),
    ] {
        let refused = signed(statement, &key(SOURCE)).check(&waiting, pin(TARGET)).unwrap_err();
        assert!(matches!(&refused, ProofRefused::Other { what, .. } if *what == other), "{refused}");
    }
}

#[test]
fn nothing_is_trusted_but_the_peers_signature() {
    let waiting = target(TargetState::Prepared(ROOT));
    let right = proof_of(&in_doubt_at_source(), SOURCE);
    let stranger = signed(right.statement, &key(7)).check(&waiting, pin(TARGET));
    assert_eq!(stranger, Err(ProofRefused::Signer { expected: pin(SOURCE), actual: pin(7) }));
    let altered = Proof { statement: Statement { time_ms: 1, ..right.statement }, ..right };
    assert_eq!(altered.check(&waiting, pin(TARGET)), Err(ProofRefused::Signature));
    let own = proof_of(&target(active()), TARGET).check(&waiting, pin(TARGET));
    assert!(matches!(own, Err(ProofRefused::OwnSide { .. })));
}

#[test]
fn a_proof_fits_a_kilobyte_and_no_line_is_wrapped() {
    let text = committed().to_string();
    assert!(text.len() <= PROOF_BYTES_MAX, "{} bytes", text.len());
    assert!(text.lines().all(|line| line.len() <= 76), "{text}");
    let largest = Proof {
        statement: Statement { epoch_to: u64::MAX, time_ms: u64::MAX, ..committed().statement },
        ..committed()
    };
    assert!(largest.to_string().len() <= PROOF_BYTES_MAX);
}

#[test]
fn text_that_is_no_proof_says_why() {
    let text = committed().to_string();
    let parse = |text: &str| text.parse::<Proof>().unwrap_err();
    assert_eq!(parse("Dear all, the proof is attached."), BadArmour::NoBegin);
    assert_eq!(parse(text.split("----- END").next().unwrap()), BadArmour::NoEnd);
    let without = |name: &str| text.lines().filter(|line| !line.starts_with(name)).collect::<Vec<_>>().join("\n");
    assert_eq!(parse(&without("journal")), BadArmour::Missing("journal"));
    assert_eq!(parse(&text.replace("epoch: 2", "epoch: 2\nepoch: 3")), BadArmour::Twice("epoch"));
    assert_eq!(parse(&text.replace("epoch:", "era:")), BadArmour::Unknown("era".into()));
    assert_eq!(parse(&text.replace("epoch: 2", "epoch: 02")), BadArmour::Damaged("epoch"));
    assert_eq!(parse(&text.replace("commit", "dropped")), BadArmour::Damaged("root"));
    assert_eq!(parse(&"x".repeat(PROOF_MAIL_BYTES_MAX + 1)), BadArmour::TooLong(PROOF_MAIL_BYTES_MAX + 1));
}

/// What mail programs do to text.
fn mangled(text: &str, width: usize, quotes: usize, crlf: bool, blanks: usize) -> String {
    let (end, quote) = (if crlf { "\r\n" } else { "\n" }, "> ".repeat(quotes));
    let mut mail = format!("Hello,{end}see below.{end}");
    for line in text.lines() {
        let characters: Vec<char> = line.chars().collect();
        // The two markers are sentences; their words are kept.
        let pieces = if line.starts_with('-') { vec![&characters[..]] } else { characters.chunks(width).collect() };
        for piece in pieces {
            mail += &format!("{quote}{}{}{end}", piece.iter().collect::<String>(), " ".repeat(blanks));
        }
    }
    mail + "-- " + end + "Somebody"
}

proptest! {
    #[test]
    fn a_proof_survives_being_mailed(
        width in 16_usize..100, quotes in 0_usize..4, crlf: bool, blanks in 0_usize..3, time_ms: u64, epoch_to: u64,
    ) {
        let statement = Statement { time_ms, epoch_to, ..committed().statement };
        let proof = signed(statement, &key(SOURCE));
        let mail = mangled(&proof.to_string(), width, quotes, crlf, blanks);
        prop_assert_eq!(mail.parse::<Proof>(), Ok(proof), "{}", mail);
    }

    #[test]
    fn a_flipped_character_is_noticed(at: prop::sample::Index, to in "[0-9a-zA-Z]") {
        let text = committed().to_string();
        let inside = |at: &usize| text[..*at].contains("PROOF") && !text[*at..].starts_with("END") && text[*at..].contains("END M");
        let places: Vec<usize> = (0..text.len()).filter(inside).filter(|at| text.as_bytes()[*at].is_ascii_alphanumeric()).collect();
        let place = *at.get(&places);
        prop_assume!(text[place..=place] != to);
        let mut altered = text.clone();
        altered.replace_range(place..=place, &to);
        let waiting = target(TargetState::Prepared(ROOT));
        let accepted = altered.parse::<Proof>().is_ok_and(|proof| proof.check(&waiting, pin(TARGET)).is_ok());
        prop_assert!(!accepted, "{}", altered);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "(.|\n){0,300}", inside in "[a-f0-9: >\n=é-]{0,300}") {
        let _ = text.parse::<Proof>();
        let _ = format!("BEGIN MODELFERRY PROOF\n{inside}\nEND MODELFERRY PROOF").parse::<Proof>();
    }
}
