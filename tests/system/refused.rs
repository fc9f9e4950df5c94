//! What is refused, with which words and exit code, and that nothing is lost by it.

use modelferry::sample::Sample;

use super::host::{Host, ready, towards};

#[test]
fn a_missing_user_is_refused_with_juju_s_advice_until_it_is_added() {
    let sample = Sample::default();
    let (mut src, mut dst) = (Host::new("src"), Host::new("dst"));
    src.start();
    dst.start();
    src.pair(&dst);
    src.add_users();
    src.import(&sample);
    let refused = src.run(&["migrate", &sample.name, "dst"]);
    let text = refused.fails(1, "cannot initiate migration as the users granted access to the model do not exist");
    // Juju's own words, and then the command, with the host that it is for.
    assert!(text.starts_with("ERROR cannot initiate migration as the users"), "{text}");
    assert!(text.contains("\n  - bob\n"), "{text}");
    assert!(text.ends_with("  modelferry embedded user add bob # on the host of dst\n"), "{text}");
    assert!(src.serves(&sample.name));
    dst.add_users();
    src.run(&["migrate", &sample.name, "dst", "--wait"]).ok();
}

#[test]
fn an_unknown_destination_is_refused_and_says_how_to_pair() {
    let sample = Sample::default();
    let (src, _dst, _) = ready(&sample);
    src.run(&["migrate", &sample.name, "nowhere"]).fails(1, "modelferry pair accept");
}

#[test]
fn an_unknown_model_is_refused() {
    let (src, _dst, _) = ready(&Sample::default());
    src.run(&["migrate", "no-such-model", "dst"]).fails(1, "no-such-model not found");
}

#[test]
fn a_controller_model_cannot_be_migrated_or_removed() {
    let (src, _dst, _) = ready(&Sample::default());
    src.run(&["migrate", "controller", "dst"]).fails(1, "controllers can't be migrated");
    src.run(&["embedded", "remove", "controller"]).fails(1, "controller model");
}

#[test]
fn a_name_that_is_taken_on_the_destination_is_refused() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    dst.import(&Sample { uuid: "00000000-0000-4000-8000-000000000001".into(), ..sample.clone() });
    src.run(&["migrate", &sample.name, "dst"]).fails(1, &format!("model named \"{}\" already exists", sample.name));
    assert!(src.serves(&sample.name));
}

#[test]
fn an_older_destination_is_refused() {
    let sample = Sample::default();
    let (src, _dst) = towards(Host::with("dst", "version = \"3.6.1\""));
    src.import(&sample);
    src.run(&["migrate", &sample.name, "dst"])
        .fails(1, "ERROR target prechecks failed: model has higher version than target controller (3.6.23 > 3.6.1)");
}

#[test]
fn a_second_migration_of_the_same_model_is_refused_with_the_first_ones_id() {
    let sample = Sample { size_bytes: 8 << 20, ..Sample::default() };
    let (src, mut dst, _) = ready(&sample);
    // With the destination gone, the first cannot end.
    let started = src.run(&["migrate", &sample.name, "dst"]);
    dst.kill();
    let id = format!("{}:0", sample.uuid);
    assert!(format!("{}{}", started.out, started.err).contains(&id), "{started:?}");
    let view = src.migration(&id);
    if view["migration"]["ended-ms"].is_null() {
        src.run(&["migrate", &sample.name, "dst"]).fails(1, &id);
    }
    dst.start();
    src.run(&["wait", &id]).ok();
}

#[test]
fn a_destination_that_is_down_is_refused_and_nothing_changes() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    dst.stop();
    src.until("loses its peer", |src| (!src.connected()).then_some(()));
    src.run(&["migrate", &sample.name, "dst"]).fails(5, "not connected");
    assert!(src.serves(&sample.name));
}

#[test]
fn an_agent_that_does_not_run_is_exit_code_5() {
    let host = Host::new("src");
    host.run(&["models"]).fails(5, "modelferry agent");
}
