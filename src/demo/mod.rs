//! `modelferry demo`: a model moves between two agents on this host, over a thin link, while somebody uses it.
//!
//! The agents are processes of this same program, the commands shown are the ones that are run, and everything is
//! measured from outside. Whatever is claimed and not true makes the demo fail.

mod agent_config;
mod agent_process;
mod control;
mod doubt;
mod journey;
mod juju;
mod kills;
mod narration;
mod own_model;
mod proof;
mod real;
pub mod relay;
mod report;
mod stage;
mod trouble;
mod users;
mod write_model;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use crate::agent::control::{Failure, FailureKind};
use crate::cli::Context;
use crate::cli::demo::DemoArgs;
use crate::cli::exit::Exit;
use narration::Narration;
use report::Report;
use stage::{Model, Stage};
use trouble::Trouble;
use users::Users;

/// Plays the demo.
///
/// Errors: a [`Failure`] with every claim that is not true, or with what stopped the demo.
pub fn run(args: DemoArgs, context: &Context) -> Result<Exit, Failure> {
    if let Some(dir) = &args.write_model {
        return write_model::write(context, dir, args.size, args.seed);
    }
    let programs = match args.real {
        true => Some(real::Programs::find(args.programs.as_deref().or(context.environment.interop_bin.as_deref()))?),
        false => None,
    };
    let failed = |trouble: &Trouble| Failure::new(FailureKind::Internal, format!("demo failed: {trouble}"));
    let scratch =
        tempfile::Builder::new().prefix("modelferry-demo-").permissions(Permissions::from_mode(0o700)).tempdir();
    let scratch = scratch.map_err(|error| failed(&error.into()))?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| failed(&error.into()))?;
    let played = runtime.block_on(async {
        tokio::select! {
            // The play is asked first: with --keep, Ctrl-C is its end and no interruption.
            biased;
            played = play_one(&args, context, programs.as_ref(), scratch.path()) => played,
            interrupted = interruption() => interrupted.and(Err(Trouble::Interrupted)),
        }
    });
    match played {
        Ok(()) => Ok(Exit::Done),
        // What never began has no agents to end, and no logs to keep.
        Err(trouble) if !scratch.path().join("src").exists() => Err(failed(&trouble)),
        Err(Trouble::Interrupted) => Err(failed(&Trouble::Interrupted).state("both agents have been ended")),
        Err(trouble) => {
            let kept = scratch.keep();
            Err(failed(&trouble)
                .state("both agents have been ended")
                .hint(format!("see {0}/src/agent.log and {0}/dst/agent.log", kept.display())))
        }
    }
}

/// Waits for somebody to end the demo.
async fn interruption() -> Result<(), Trouble> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Plays between embedded controllers, or between Juju's own where their programs are given.
async fn play_one(
    args: &DemoArgs,
    context: &Context,
    programs: Option<&real::Programs>,
    scratch: &Path,
) -> Result<(), Trouble> {
    let narration = Narration::new(context);
    match programs {
        Some(programs) => real::play(args, programs, scratch, narration).await,
        None => play(args, narration, scratch).await,
    }
}

async fn play(args: &DemoArgs, mut narration: Narration<'_>, scratch: &Path) -> Result<(), Trouble> {
    narration.line("A live model moves from controller src to controller dst, and nobody loses anything.");
    let model = Model::prepare(args, &scratch.join("model"))?;
    let mut stage = Stage::set_up(args, scratch, model, &mut narration).await?;
    stage.pair(&mut narration).await?;
    stage.import(args, &mut narration).await?;
    journey::precheck(&stage, &mut narration).await?;
    let users = Users::begin(&stage.model.name, stage.src.socket.clone(), stage.dst.socket.clone());
    let journey = journey::travel(&mut stage, args, &users, &mut narration).await?;
    let notes = users.end().await;
    proof::both_sides(&stage, &mut narration).await?;
    let proof = proof::of_arrival(&stage, &notes, scratch, &mut narration).await?;
    let wire = [stage.relay.from_a(), stage.relay.from_b()];
    doubt::play(&stage, scratch, &mut narration).await?;
    let report = Report { wire, journey: &journey, notes: &notes, proof: &proof };
    report.print(&mut narration);
    report.judge()?;
    if args.keep { keep(&stage, scratch, &narration).await } else { Ok(()) }
}

/// Leaves everything running, and says what to type.
async fn keep(stage: &Stage, scratch: &Path, narration: &Narration<'_>) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let model = &stage.model.name;
    narration.line("\nBoth agents and the link are still there, until Ctrl-C. In another terminal:");
    for (agent, command) in [
        (&stage.src, "status".to_owned()),
        (&stage.src, format!("show-model {model}")),
        (&stage.src, format!("embedded set {model} color=blue")),
        (&stage.src, format!("migrate {model} dst --wait")),
        (&stage.dst, "migrations".to_owned()),
    ] {
        narration.remark(format_args!("{} --socket {} {command}", program.display(), agent.socket.display()));
    }
    narration.line("And with Juju's own client, where it is installed:");
    for line in juju::lines(stage, scratch).await? {
        narration.remark(line);
    }
    interruption().await?;
    narration.line("\nBoth agents have been ended.");
    Ok(())
}
