//! The matrix of a source whose Juju controller decides: either agent is killed, or its link cut, at each record and each reply; the
//! controller's migration master goes on by Juju's rules. Whatever it comes to, the model has one owner.

use super::host::Host;
use super::juju_rig::Rig;
use super::scripted::Phase;

/// Which agent dies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Source,
    Target,
}

/// What else happens in the run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// Nothing: the controller goes its way.
    Goes,
    /// The reply to `Activate` is lost, and so is `Abort`.
    Loses,
}

/// Where the model must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    Moved,
    Stayed,
    /// On either, as the controller decides; but on exactly one.
    Either,
}

fn connected(src: &Host, dst: &Host) {
    for host in [src, dst] {
        host.until("peers are connected", |host| host.connected().then_some(()));
    }
}

fn survives(action: &str, side: Side, point: &str, run: Run, ends: Ends) {
    let mut rig = Rig::start();
    {
        let mut state = rig.source.shared.state();
        (state.lose_activate, state.lose_abort) = (run == Run::Loses, run == Run::Loses);
    }
    let armed = match side {
        Side::Source => &mut rig.src,
        Side::Target => &mut rig.dst,
    };
    armed.stop();
    armed.start_with(&[("MODELFERRY_FAILPOINT", &format!("{point}={action}"))]);
    connected(&rig.src, &rig.dst);
    let started = rig.src.run(&["migrate", &rig.sample.name, "dst"]);
    if action == "kill" {
        let armed = match side {
            Side::Source => &mut rig.src,
            Side::Target => &mut rig.dst,
        };
        armed.wait_for_death(point);
        armed.start();
        connected(&rig.src, &rig.dst);
    }
    // Killed before the first record: nothing had begun, and the operator asks again.
    if started.code != 0 && rig.src.run(&["show-migration", &rig.id()]).code != 0 {
        rig.src.run(&["migrate", &rig.sample.name, "dst"]).ok();
    }
    rig.src.until("the source is at rest", |src| src.migration(&rig.id())["migration"]["ended-ms"].as_u64());
    rig.dst.until("the target is at rest", |dst| {
        let shown = dst.run(&["show-migration", &rig.id(), "--format", "json"]);
        (shown.code != 0 || !shown.json()["migration"]["ended-ms"].is_null()).then_some(())
    });
    // One that this agent has given up is ended by the controller at its next call.
    let phase = match rig.source.phase() {
        None => Phase::AbortDone,
        Some(_) => rig.ends(),
    };
    let (on_source, on_target) = (!rig.source.shared.state().is_gone, rig.dst.serves(&rig.sample.name));
    assert!(on_source != on_target, "{point} {action}: source live {on_source}, target live {on_target}, {phase:?}");
    assert_eq!(phase == Phase::Done, on_target, "{point} {action}");
    match ends {
        Ends::Moved => assert!(on_target, "{point} {action}: {:?}", rig.source.phases()),
        Ends::Stayed => assert!(on_source, "{point} {action}: {:?}", rig.source.phases()),
        Ends::Either => {}
    }
}

macro_rules! matrix {
    ($($name:ident: $side:ident $what:literal $run:ident => $ends:ident;)+) => { $(
        mod $name {
            use super::*;

            #[test]
            fn killed_before() {
                survives("kill", Side::$side, concat!($what, ".before"), Run::$run, Ends::$ends);
            }

            #[test]
            fn killed_after() {
                survives("kill", Side::$side, concat!($what, ".after"), Run::$run, Ends::$ends);
            }

            #[test]
            fn link_cut_before() {
                survives("cut", Side::$side, concat!($what, ".before"), Run::$run, Ends::$ends);
            }

            #[test]
            fn link_cut_after() {
                survives("cut", Side::$side, concat!($what, ".after"), Run::$run, Ends::$ends);
            }
        }
    )+ };
}

matrix! {
    g0_record_offered: Source "source.Offered" Goes => Moved;
    g1_record_relaying: Source "source.Relaying" Goes => Either;
    g2_record_answered: Source "source.Answered" Goes => Either;
    g3_reply_to_activate: Source "source.answer-activate" Goes => Either;
    g4_record_committed: Source "source.Committed" Goes => Moved;
    g5_record_handed: Source "source.Handed" Goes => Moved;
    g6_reply_to_adopt: Source "source.answer-adopt" Goes => Moved;
    g7_record_aborted: Source "source.Aborted" Loses => Stayed;
    g8_record_moved: Source "source.Moved" Goes => Moved;
    t1_record_receiving: Target "target.Receiving" Goes => Moved;
    t2_record_importing: Target "target.Importing" Goes => Moved;
    t3_import: Target "target.import" Goes => Moved;
    t4_record_imported: Target "target.Imported" Goes => Moved;
    t5_record_staging: Target "target.Staging" Goes => Moved;
    t6_record_prepared: Target "target.Prepared" Goes => Moved;
    t7_record_activating: Target "target.Activating" Goes => Moved;
    t8_activate: Target "target.activate" Goes => Moved;
    t9_record_live: Target "target.Live" Goes => Moved;
    t10_record_active: Target "target.Active" Goes => Moved;
    t11_discard: Target "target.discard" Loses => Stayed;
}
