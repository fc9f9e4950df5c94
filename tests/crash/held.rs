//! A migration that cannot go on: its target has died, and what the source tells and does meanwhile.

use std::fs;

use modelferry::sample::Sample;

use super::host::{Host, files, ready};

const FROZEN: &str = "applications keep running; hooks and changes wait until it has ended";

/// A migration whose target has died at `point` and stays away, and its id.
pub fn held(sample: &Sample, point: &str) -> (Host, Host, String) {
    let (src, mut dst, _) = ready(sample);
    dst.stop();
    dst.start_with(&[("MODELFERRY_FAILPOINT", &format!("{point}=kill"))]);
    for host in [&src, &dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
    src.run(&["migrate", &sample.name, "dst"]).ok();
    dst.wait_for_death(point);
    (src, dst, format!("{}:0", sample.uuid))
}

#[test]
fn while_a_model_is_frozen_everything_says_that_its_applications_run_on_and_why_it_waits() {
    let sample = Sample::default();
    let (src, _dst, id) = held(&sample, "target.Staging.after");
    let model = sample.name.as_str();
    // Before the connection is given up, the source may say that the target is silent: its last acknowledgement was lost.
    src.until("the source notices", |src| {
        let waiting = src.migration(&id)["migration"]["waiting"].as_str().map(str::to_owned);
        waiting.filter(|waiting| waiting.starts_with("waiting for the agent")).map(drop)
    });
    assert_eq!(src.migration(&id)["migration"]["state"], "Frozen");
    let waits = "migrating: waiting for the agent of dst to connect; importing model into target controller";

    let agent = src.run(&["status"]).ok();
    assert!(agent.starts_with("Model ") && agent.contains(waits), "{agent}");
    assert!(agent.contains(&format!("Model \"admin/{model}\" is frozen for its migration: {FROZEN}")), "{agent}");
    let tables = src.run(&["status", "-m", model]).ok();
    assert!(tables.contains(waits) && tables.contains(FROZEN) && tables.contains("\n\nApp "), "{tables}");
    let tree = src.run(&["status", "-m", model, "--format", "json"]).json();
    assert_eq!(tree["model"]["model-status"]["message"], waits);
    assert!(tree["model"]["model-status"]["reason"].as_str().unwrap().contains(FROZEN), "{tree}");
    let shown = src.run(&["show-model", model]).ok();
    assert!(shown.contains("    migration-start: ") && !shown.contains("migration-end"), "{shown}");
    assert!(
        src.run(&["show-migration", &id])
            .ok()
            .contains(&format!("meanwhile: model is frozen for its migration: {FROZEN}"))
    );

    // It can be read, not written, and waiting for it says that it goes on.
    src.run(&["embedded", "get", model]).ok();
    src.run(&["embedded", "set", model, "colour=blue"]).fails(1, "model migration in progress");
    src.run(&["wait", &id, "--timeout", "100ms"]).fails(6, "it goes on; nothing was stopped");
    src.run(&["migrate", model, "dst"]).fails(1, &id);
}

#[test]
fn an_abort_works_at_once_in_every_state_before_the_commit_with_the_peer_away() {
    for (point, state) in [
        ("target.Receiving.after", "Offered"),
        ("target.Staging.after", "Frozen"),
        ("target.Prepared.before", "Frozen"),
    ] {
        let sample = Sample::default();
        let (src, mut dst, id) = held(&sample, point);
        let before = files(&src.export(&sample.name));
        assert_eq!(src.migration(&id)["migration"]["state"], state, "{point}");
        src.run(&["abort", &id]).ok();
        src.run(&["wait", &id]).fails(3, "migration aborted: aborted by operator");
        assert_eq!(files(&src.export(&sample.name)), before, "{point}");
        assert!(src.serves(&sample.name), "{point}");
        let cause = src.migration(&id)["migration"]["cause"].clone();
        src.run(&["abort", &id]).fails(1, "ended");

        // What its target still has goes when it is back, and the first cause stays.
        dst.start();
        dst.until("the target is at rest", |dst| {
            let shown = dst.run(&["show-migration", &id, "--format", "json"]);
            (shown.code != 0 || !shown.json()["migration"]["ended-ms"].is_null()).then_some(())
        });
        assert!(!dst.serves(&sample.name), "{point}");
        assert_eq!(src.migration(&id)["migration"]["cause"], cause, "{point}");
    }
}

/// Nothing but a person ends it: `status --check` was 0, `wait` waited for ever, and the note was cut where the command stood.
#[test]
fn a_log_that_cannot_follow_is_for_somebody_to_look_at_and_the_command_is_shown_whole() {
    let sample = Sample::default();
    let (mut src, dst, _) = ready(&sample);
    src.stop();
    src.start_with(&[("MODELFERRY_FAILPOINT", "source.log.before=kill")]);
    for host in [&src, &dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
    src.run(&["migrate", &sample.name, "dst"]).ok();
    src.wait_for_death("source.log.before");
    let remove = |dst: &Host| (dst.run(&["embedded", "remove", &sample.name]).code == 0).then_some(());
    dst.until("the model is live there, and removed", remove);
    src.start();
    let id = format!("{}:0", sample.uuid);
    let command = format!("`modelferry reap {id} --skip-logs`");
    let notes = "migrating: controller: its log cannot follow (";
    let status = src.until("its log cannot follow", |src| {
        let status = src.run(&["status"]).ok();
        status.contains(notes).then_some(status)
    });
    let note = status.lines().find(|line| line.contains(notes)).unwrap();
    assert!(note.contains(&command), "{status}");
    src.until("the link is up again", |src| src.connected().then_some(()));
    src.run(&["status", "--check"]).fails(7, "");
    src.run(&["wait", &id]).fails(7, &command);
    src.run(&["reap", &id, "--skip-logs"]).ok();
    src.run(&["status", "--check"]).ok();
}

/// The users of a model were sent to where its new controller had been when the migration began.
#[test]
fn a_destination_that_was_configured_anew_before_the_commit_is_where_users_are_sent() {
    let sample = Sample::default();
    let (mut src, mut dst, id) = held(&sample, "target.Prepared.after");
    let config = fs::read_to_string(dst.config()).unwrap();
    let anew = "[embedded]\nname = \"west-2\"\naddresses = [\"10.9.8.7:17070\"]\n";
    fs::write(dst.config(), config.replace("[embedded]\nname = \"dst\"\n", anew)).unwrap();
    dst.start();
    let told = src.run(&["wait", &id]).ok();
    assert!(told.contains("Addresses:       10.9.8.7:17070\n"), "{told}");
    src.run(&["unpair", "dst"]).ok();
    for _ in 0..2 {
        src.run(&["status", "-m", &sample.name]).fails(1, "'juju login 10.9.8.7:17070 -c dst'");
        assert_eq!(src.view(&id)["controller"], "west-2");
        src.stop();
        src.start();
    }
    let events = src.run(&["events"]).ok();
    assert!(events.contains("now called \"west-2\" at 10.9.8.7:17070"), "{events}");
}
