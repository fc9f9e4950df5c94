//! The transcripts of `docs/in-doubt.md` are what the commands print. `BLESS=1` writes them anew.

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use modelferry::sample::Sample;

use super::host::Host;
use super::in_doubt::doubted;

/// Held while the document is read or written: the tests run side by side.
static DOCUMENT: Mutex<()> = Mutex::new(());

fn document() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/in-doubt.md")
}

/// Runs a command as an operator types it on `host`, where files lie in the working directory.
fn typed(host: &Host, line: &str) -> String {
    let (command, into) = line.split_once(" > ").map_or((line, None), |(command, file)| (command, Some(file)));
    let words: Vec<String> = command.split(' ').skip(1).map(|word| in_dir(host, word)).collect();
    let told = host.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let printed = match into {
        Some(file) => {
            fs::write(host.dir.path().join(file), &told.out).unwrap();
            told.err
        }
        None => format!("{}{}", told.err, told.out),
    };
    let code = if told.code == 0 { String::new() } else { format!("[exit {}]\n", told.code) };
    format!("{}$ {line}\n{printed}{code}", host.name)
}

fn in_dir(host: &Host, word: &str) -> String {
    if word.ends_with(".proof") { host.dir.path().join(word).display().to_string() } else { word.to_owned() }
}

/// Takes a file from one host to the other.
fn carried(from: &Host, to: &Host, file: &str) {
    fs::copy(from.dir.path().join(file), to.dir.path().join(file)).unwrap();
}

/// Drops what differs from run to run: ids, times, numbers, widths.
fn normal(text: &str) -> String {
    let mut normal = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        let (word, end) = word.split_at(word.len() - word.ends_with([' ', '\n']) as usize);
        let hex = word.trim_matches(['.', ',', ':', '"']);
        let is_hex = hex.len() >= 16 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = word.len() > 20 && word.starts_with("20") && word.ends_with('Z');
        match (is_hex, is_time, word) {
            (true, _, _) => normal += "#",
            (_, true, _) => normal += "T",
            (_, _, "") => {}
            // A number and its unit may both differ: `31 s`, `1m 02s`.
            (_, _, word) => normal.extend(word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c })),
        }
        if end == "\n" || !normal.ends_with([' ', '\n']) {
            normal += end;
        }
    }
    normal.replace("00", "0").replace("00", "0").replace("0m 0s", "0 s").replace("0.0 s", "0 s")
}

/// Compares what was printed with the document, or writes it there.
fn stands(name: &str, printed: &str) {
    let _alone = DOCUMENT.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(document()).unwrap();
    let begin = format!("<!-- transcript: {name} -->\n```text\n");
    let at = text.find(&begin).unwrap_or_else(|| panic!("no transcript {name}")) + begin.len();
    let end = at + text[at..].find("```").expect("an end of the transcript");
    if std::env::var_os("BLESS").is_some() {
        fs::write(document(), format!("{}{printed}{}", &text[..at], &text[end..])).unwrap();
    } else {
        assert_eq!(normal(&text[at..end]), normal(printed), "the transcript {name} is out of date; BLESS=1 renews it");
    }
}

/// Waits until `status` shows the doubt, and returns what it says of it: the first paragraph.
fn doubt(host: &Host) -> String {
    let status = host.until("it is in doubt", |host| {
        Some(typed(host, "modelferry status")).filter(|status| status.contains("IN DOUBT"))
    });
    let first = status.split_inclusive("\n\n").next().unwrap_or_default();
    format!("{}\n…\n", first.trim_end())
}

#[test]
fn a_doubt_is_ended_by_the_source_s_proof_as_the_document_shows() {
    let (src, dst, id) = doubted(&Sample::default());
    stands("source-abort", &typed(&src, &format!("modelferry abort {id}")));
    stands("source-doubt", &doubt(&src));
    stands("target-doubt", &doubt(&dst));
    stands("source-proof", &typed(&src, &format!("modelferry show-migration {id} --proof")));
    typed(&src, &format!("modelferry show-migration {id} --proof > commit.proof"));
    carried(&src, &dst, "commit.proof");
    stands("target-resolve", &typed(&dst, &format!("modelferry resolve {id} --proof commit.proof > activated.proof")));
    carried(&dst, &src, "activated.proof");
    stands("source-resolve", &typed(&src, &format!("modelferry resolve {id} --proof activated.proof")));
    stands("source-reap", &typed(&src, &format!("modelferry reap {id} --skip-logs")));
    let trail = typed(&src, "modelferry events") + &typed(&src, "modelferry audit verify");
    stands("source-trail", &trail);
}

#[test]
fn a_model_is_given_back_as_the_document_shows() {
    let (src, dst, id) = doubted(&Sample::default());
    let renounced = typed(&dst, &format!("modelferry resolve {id} --renounce > dropped.proof"));
    stands("target-renounce", &renounced);
    carried(&dst, &src, "dropped.proof");
    stands(
        "source-reclaimed",
        &typed(&src, &format!("modelferry resolve {id} --proof dropped.proof > reclaimed.proof")),
    );
}

#[test]
fn the_last_resort_of_a_source_is_as_the_document_shows() {
    let sample = Sample::default();
    let (src, mut dst, id) = doubted(&sample);
    dst.kill();
    let wrong = "00000000-0000-4000-8000-000000000001";
    let refused = typed(&src, &format!("modelferry resolve {id} --reclaim --target-destroyed {wrong}"));
    let done =
        typed(&src, &format!("modelferry resolve {id} --reclaim --target-destroyed {} > reclaimed.proof", sample.uuid));
    stands("source-reclaim", &format!("{refused}{done}"));
}

#[test]
fn the_last_resort_of_a_target_is_as_the_document_shows() {
    let sample = Sample::default();
    let (mut src, dst, id) = doubted(&sample);
    src.kill();
    let line = format!("modelferry resolve {id} --force-activate --source-destroyed {} > activated.proof", sample.uuid);
    stands("target-force", &typed(&dst, &line));
}

#[test]
fn every_state_has_a_row_in_the_document() {
    use modelferry_protocol::switch::source::SourceState;
    use modelferry_protocol::switch::target::TargetState;
    let text = fs::read_to_string(document()).unwrap();
    for (side, tags) in [("source", SourceState::TAGS), ("target", TargetState::TAGS)] {
        for (_, state) in tags {
            let row = |line: &&str| {
                line.contains(&format!("`{state}`")) && (line.contains(side) || line.starts_with("At rest"))
            };
            assert!(text.lines().find(row).is_some(), "docs/in-doubt.md has no row for {side} {state}");
        }
    }
}
