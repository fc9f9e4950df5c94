//! `modelferry demo --real`: the model leaves a controller whose migration master is Juju 3.6's own, for Juju 4.1's own API server.
//!
//! Juju's programs run as they are, each in a process of its own: the master drives the migration as in any controller, and takes
//! the gateway of the agent beside it for the destination.

mod controllers;
mod programs;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use self::controllers::{Destination, Looks, PASSWORD, Phases, Source, Watcher, inside, told};
pub(super) use self::programs::Programs;
use super::agent_process::AgentProcess;
use super::narration::{Narration, Show};
use super::relay::DatagramRelay;
use super::stage::{Model, Stage, free_ports};
use super::trouble::Trouble;
use crate::cli::demo::DemoArgs;

/// How long the master may take.
const MIGRATES_WITHIN: Duration = Duration::from_secs(600);
/// How long the destination may take to serve the model, and the source's agent to see the end.
const SETTLES: &str = "2m";

/// Plays it.
pub(super) async fn play(
    args: &DemoArgs,
    programs: &Programs,
    scratch: &Path,
    mut narration: Narration<'_>,
) -> Result<(), Trouble> {
    narration.line("A live model moves from Juju 3.6's own migration master into Juju 4.1's own API server.");
    let model = Model::of_36(args, &scratch.join("model"))?;
    let [api, gateway, first, second] = free_ports::<4>()?.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let (mut src, mut dst) = (AgentProcess::new("src", first, scratch)?, AgentProcess::new("dst", second, scratch)?);

    narration.step("Two controllers of Juju's, which know nothing of each other");
    let source = Source::start(programs, api, &made(scratch, "juju-3.6")?, &model.description, &model.blobs).await?;
    narration.remark(format_args!("src: Juju 3.6.11's migration master with the model, process {}", source.id()));
    let destination = Arc::new(Destination::start(programs, &made(scratch, "juju-4.1")?, &model.told).await?);
    narration.remark(format_args!("dst: Juju 4.1-beta2's API server, process {}", destination.id()));

    narration.step("An agent beside each, and a thin link between them");
    write_configs(&mut src, &mut dst, &source, &destination, gateway)?;
    for agent in [&mut src, &mut dst] {
        agent.start().await?;
        narration.line(format_args!("  {}$ modelferry agent --config {}", agent.name, agent.config().display()));
    }
    let relay = DatagramRelay::start(args.link, src.listen, dst.listen, args.seed).await?;
    narration.remark(format_args!("the link: {}", args.link));
    let mut stage = Stage { src, dst, relay, model };
    stage.pair(&mut narration).await?;

    narration.step("Would it arrive? Nothing is changed by asking");
    let name = stage.model.name.clone();
    narration.run_ok(&stage.src, &["precheck", &name, "dst"], Show::First(4)).await?;

    let watcher = Watcher::begin(&source, destination.clone(), stage.model.told.uuid.to_string());
    narration.step("Move it: Juju's master decides, the agents carry, and the source's agent is killed after SUCCESS");
    let phases = travel(&mut stage, &source, &name, &mut narration).await?;
    narration.run_ok(&stage.src, &["wait", &name, "--timeout", SETTLES], Show::All).await?;
    let looks = watcher.end().await?;

    narration.step("Proof: what Juju's own client sees at the destination is compared with what left");
    prove(&stage, &destination, &phases, looks, &narration).await
}

fn made(scratch: &Path, name: &str) -> io::Result<std::path::PathBuf> {
    let dir = scratch.join(name);
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

fn write_configs(
    src: &mut AgentProcess,
    dst: &mut AgentProcess,
    source: &Source,
    destination: &Destination,
    gateway: SocketAddr,
) -> Result<(), Trouble> {
    let of = |agent: &AgentProcess, address: &str, ca: &Path, password: &Path, more: &str| {
        format!(
            "state-dir = {:?}\nsocket = {:?}\nlisten = \"{}\"\n\n[controller]\nkind = \"juju\"\nname = \"{}\"\n\
             endpoints = [\"{address}\"]\nca-cert = {ca:?}\npassword-file = {password:?}\n{more}",
            agent.state_dir(),
            agent.socket,
            agent.listen,
            agent.name,
        )
    };
    let gateways = format!("\n[gateways.dst]\nlisten = \"{gateway}\"\n");
    let sides = [
        (src, source.address.to_string(), &source.ca, PASSWORD, gateways.as_str()),
        (dst, destination.address.clone(), &destination.ca, destination.password.as_str(), ""),
    ];
    for (agent, address, ca, secret, more) in sides {
        let password = agent.config().with_file_name("password");
        fs::write(&password, format!("{secret}\n"))?;
        fs::write(agent.config(), of(agent, &address, ca, &password, more))?;
    }
    Ok(())
}

/// Begins the migration, shows the master's phases as they come, and kills the source's agent in SUCCESS.
async fn travel(
    stage: &mut Stage,
    source: &Source,
    name: &str,
    narration: &mut Narration<'_>,
) -> Result<Phases, Trouble> {
    let (mut phases, mut shown, begun) = (source.phases.clone(), 0, Instant::now());
    narration.run_ok(&stage.src, &["migrate", name, "dst"], Show::All).await?;
    let ended = timeout(MIGRATES_WITHIN, async {
        loop {
            let seen = phases.borrow_and_update().clone();
            for (phase, at) in &seen[shown..] {
                narration.remark(format_args!("{:>6.1} s  master: {phase}", (*at - begun).as_secs_f64()));
                if phase == "SUCCESS" {
                    narration.line(format_args!("  src$ kill -9 {}", stage.src.id().unwrap_or_default()));
                    stage.src.kill().await?;
                    stage.src.start().await?;
                }
            }
            shown = seen.len();
            if seen.last().is_some_and(|(phase, _)| ["DONE", "ABORTDONE"].contains(&phase.as_str())) {
                return Ok(seen);
            }
            if phases.changed().await.is_err() {
                return Err(Trouble::new("Juju's master has ended"));
            }
        }
    });
    match ended.await {
        Ok(phases) => phases,
        Err(_) => Err(Trouble::new(format!("Juju's master has not ended in {} s", MIGRATES_WITHIN.as_secs()))),
    }
}

/// Compares, and judges everything that is claimed.
///
/// Errors: [`Trouble`] with every claim that is not true.
async fn prove(
    stage: &Stage,
    destination: &Destination,
    phases: &Phases,
    looks: Looks,
    narration: &Narration<'_>,
) -> Result<(), Trouble> {
    let model = &stage.model;
    let status = destination.status(&model.told.uuid.to_string()).await?;
    let (there, left) = (status.as_ref().map(inside).unwrap_or_default(), told(&model.told));
    for (what, there, left) in
        [("applications", 0), ("units", 1), ("machines", 2)].map(|(what, n)| (what, &there[n], &left[n]))
    {
        narration.remark(format_args!("{what}: {} of {} are there", there.intersection(left).count(), left.len()));
    }
    narration.remark(format_args!(
        "looks at both controllers: {}; only src served the model at {}, only dst at {}, neither at {}, both at {}",
        looks.both + looks.source + looks.destination + looks.neither,
        looks.source,
        looks.destination,
        looks.neither,
        looks.both,
    ));
    let verified = narration.run(&stage.dst, &["verify", &model.name], Show::First(3)).await?;
    let mut broken = Vec::new();
    let mut claim = |holds: bool, otherwise: &str| {
        if !holds {
            broken.push(otherwise.to_owned());
        }
    };
    claim(phases.last().is_some_and(|(phase, _)| phase == "DONE"), "Juju's master has not come to DONE");
    claim(there == left, "what the destination serves is not what left");
    claim(looks.both == 0, "both controllers served the model at once");
    claim(looks.source > 0 && looks.destination > 0, "the model was not seen served on both sides in turn");
    claim(verified.status.success(), "verify finds something missing at the destination");
    if broken.is_empty() { Ok(()) } else { Err(Trouble::new(broken.join("; "))) }
}
