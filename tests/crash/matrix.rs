//! One row a point: where the agent dies, and where the model must be afterwards.

use modelferry::sample::Sample;

use super::host::{Host, files, ready};

/// Which agent dies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

/// What the operator does in the run.
#[derive(Clone, Copy)]
enum Run {
    /// Migrates and lets it go.
    Moves,
    /// Migrates, and aborts as soon as the target receives.
    Aborts,
    /// Migrates; the target misses the commit, and its operator renounces without the link.
    Renounces,
}

/// Where the model must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    /// On the target.
    Moved,
    /// On the source.
    Stayed,
    /// On either, but on exactly one: the kill may come before or after the decision.
    Either,
}

fn sample() -> Sample {
    // Large enough for an abort to find it under way.
    Sample { size_bytes: 4 << 20, ..Sample::default() }
}

/// Kills `side` at `point`, starts it again, and checks that the model has one owner, whole.
fn survives(action: &str, side: Side, point: &str, run: Run, ends: Ends) {
    let sample = sample();
    let (mut src, mut dst, _) = ready(&sample);
    let before = src.export(&sample.name);
    let spec = format!("{point}={action}");
    let armed = match side {
        Side::Source => &mut src,
        Side::Target => &mut dst,
    };
    armed.stop();
    armed.start_with(&[("MODELFERRY_FAILPOINT", &spec)]);
    connected(&src, &dst);

    let id = format!("{}:0", sample.uuid);
    if let Run::Renounces = run {
        dst.stop();
        dst.start_with(&[("MODELFERRY_FAILPOINT", "target.Activating.before=kill")]);
        connected(&src, &dst);
    }
    let started = src.run(&["migrate", &sample.name, "dst"]);
    if let Run::Renounces = run {
        dst.wait_for_death("the commit");
        dst.isolate();
        dst.start();
        dst.run(&["resolve", &id, "--renounce"]).ok();
        dst.stop();
        dst.rejoin();
        dst.start();
    }
    if let Run::Aborts = run {
        src.run(&["abort", &id]);
    }
    if action == "kill" {
        let armed = match side {
            Side::Source => &mut src,
            Side::Target => &mut dst,
        };
        armed.wait_for_death(point);
        armed.start();
    }
    // Killed before the first record: nothing had begun, and the operator asks again.
    if started.code != 0 && src.run(&["show-migration", &id]).code != 0 {
        connected(&src, &dst);
        src.run(&["migrate", &sample.name, "dst"]).ok();
    }
    if let Run::Aborts = run {
        src.run(&["abort", &id]);
    }
    src.until("the source is at rest", |src| src.migration(&id)["migration"]["ended-ms"].as_u64());
    dst.until("the target is at rest", |dst| {
        let shown = dst.run(&["show-migration", &id, "--format", "json"]);
        (shown.code != 0 || !shown.json()["migration"]["ended-ms"].is_null()).then_some(())
    });

    let (on_source, on_target) = (src.serves(&sample.name), dst.serves(&sample.name));
    assert!(on_source != on_target, "{point} {action}: source live {on_source}, target live {on_target}");
    match ends {
        Ends::Moved => assert!(on_target, "{point} {action}: the model should have moved"),
        Ends::Stayed => assert!(on_source, "{point} {action}: the model should have stayed"),
        Ends::Either => {}
    }
    let owner = if on_source { &src } else { &dst };
    let mut held = files(&owner.export(&sample.name));
    // Asking who serves it wrote to it.
    held.retain(|path, _| path.file_name().is_none_or(|name| name != "entries.json"));
    let mut expected = files(&before);
    expected.retain(|path, _| path.file_name().is_none_or(|name| name != "entries.json"));
    assert_eq!(held, expected, "{point} {action}");
}

fn connected(src: &Host, dst: &Host) {
    for host in [src, dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
}

macro_rules! matrix {
    ($($name:ident: $side:ident $what:literal $run:ident => $before:ident, $after:ident;)+) => { $(
        mod $name {
            use super::*;

            #[test]
            fn killed_before() {
                survives("kill", Side::$side, concat!($what, ".before"), Run::$run, Ends::$before);
            }

            #[test]
            fn killed_after() {
                survives("kill", Side::$side, concat!($what, ".after"), Run::$run, Ends::$after);
            }

            #[test]
            fn link_cut_before() {
                survives("cut", Side::$side, concat!($what, ".before"), Run::$run, Ends::$before);
            }

            #[test]
            fn link_cut_after() {
                survives("cut", Side::$side, concat!($what, ".after"), Run::$run, Ends::$after);
            }
        }
    )+ };
}

matrix! {
    s1_record_offered: Source "source.Offered" Moves => Moved, Moved;
    s2_record_freezing: Source "source.Freezing" Moves => Moved, Moved;
    s3_freeze: Source "source.freeze" Moves => Moved, Moved;
    s4_record_frozen: Source "source.Frozen" Moves => Moved, Moved;
    s5_record_committed: Source "source.Committed" Moves => Moved, Moved;
    s6_record_handed: Source "source.Handed" Moves => Moved, Moved;
    s6_redirect: Source "source.redirect" Moves => Moved, Moved;
    s6_log: Source "source.log" Moves => Moved, Moved;
    s7_record_reaping: Source "source.Reaping" Moves => Moved, Moved;
    s8_reap: Source "source.reap" Moves => Moved, Moved;
    s9_record_moved: Source "source.Moved" Moves => Moved, Moved;
    s10_record_aborting: Source "source.Aborting" Aborts => Either, Stayed;
    s11_thaw: Source "source.thaw" Aborts => Stayed, Stayed;
    s12_record_aborted: Source "source.Aborted" Aborts => Stayed, Stayed;
    s13_record_reclaiming: Source "source.Reclaiming" Renounces => Stayed, Stayed;
    s14_thaw: Source "source.thaw" Renounces => Stayed, Stayed;
    s15_record_reclaimed: Source "source.Reclaimed" Renounces => Stayed, Stayed;
    t1_record_receiving: Target "target.Receiving" Moves => Moved, Moved;
    t2_record_staging: Target "target.Staging" Moves => Moved, Moved;
    t3_stage: Target "target.stage" Moves => Moved, Moved;
    t4_record_prepared: Target "target.Prepared" Moves => Moved, Moved;
    t5_record_activating: Target "target.Activating" Moves => Moved, Moved;
    t6_activate: Target "target.activate" Moves => Moved, Moved;
    t6_record_live: Target "target.Live" Moves => Moved, Moved;
    t6_adopt: Target "target.adopt" Moves => Moved, Moved;
    t7_record_active: Target "target.Active" Moves => Moved, Moved;
    t8_record_dropping: Target "target.Dropping" Aborts => Stayed, Stayed;
    t9_discard: Target "target.discard" Aborts => Stayed, Stayed;
    t10_record_dropped: Target "target.Dropped" Aborts => Stayed, Stayed;
}

#[test]
fn a_target_killed_with_half_of_the_model_staged_stages_it_anew() {
    survives("kill", Side::Target, "target.stage.within", Run::Moves, Ends::Moved);
}

#[test]
fn a_source_killed_with_half_of_the_log_sent_sends_the_rest() {
    survives("kill", Side::Source, "source.log.within", Run::Moves, Ends::Moved);
}

#[test]
fn a_link_cut_with_half_of_the_log_sent_is_no_end_of_it() {
    survives("cut", Side::Source, "source.log.within", Run::Moves, Ends::Moved);
}

#[test]
fn a_controller_that_refuses_the_freeze_keeps_its_model() {
    survives("refuse", Side::Source, "source.freeze.before", Run::Moves, Ends::Stayed);
}

#[test]
fn a_controller_that_refuses_to_stage_gives_the_model_back() {
    survives("refuse", Side::Target, "target.stage.before", Run::Moves, Ends::Stayed);
}

#[test]
fn a_controller_that_refuses_to_activate_is_asked_again() {
    survives("refuse", Side::Target, "target.activate.before", Run::Moves, Ends::Moved);
}

#[test]
fn a_controller_that_refuses_to_adopt_is_asked_again() {
    survives("refuse", Side::Target, "target.adopt.before", Run::Moves, Ends::Moved);
}

#[test]
fn a_controller_that_refuses_to_thaw_is_asked_again() {
    survives("refuse", Side::Source, "source.thaw.before", Run::Aborts, Ends::Stayed);
}

#[test]
fn a_controller_that_refuses_to_redirect_is_asked_again() {
    survives("refuse", Side::Source, "source.redirect.before", Run::Moves, Ends::Moved);
}

#[test]
fn a_controller_that_refuses_to_reap_is_asked_again() {
    survives("refuse", Side::Source, "source.reap.before", Run::Moves, Ends::Moved);
}

#[test]
fn a_controller_that_refuses_to_discard_is_asked_again() {
    survives("refuse", Side::Target, "target.discard.before", Run::Aborts, Ends::Stayed);
}
