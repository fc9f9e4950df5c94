//! The way back, with the link cut just after one side has decided, so that the other side is in doubt.
//!
//! The window is met for certain, and not by luck: from the moment at which the side that the model comes to has been
//! handed everything, nothing is let through to it any more, so that it votes and cannot hear the answer. Should the
//! answer have been quicker, the model has moved, and the next attempt goes the other way.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout};

use super::agent_process::AgentProcess;
use super::control::ask;
use super::narration::{Narration, Show};
use super::stage::Stage;
use super::trouble::Trouble;
use crate::agent::control::view::is_in_doubt;
use crate::agent::control::wire::{read_line, write_line};
use crate::agent::control::{RESPONSE_BYTES_MAX, Request, Response};
use crate::clock::now_ms;
use crate::engine::view::{MigrationView, Stand, State};

/// How long anything here may take before the demo calls it failed.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often an agent is asked.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Times that the answer may have been quicker than the cut.
const ATTEMPTS_MAX: usize = 10;
/// Lines of `status` about a doubt that are shown.
const DOUBT_LINES: usize = 5;

/// A migration whose target has voted and cannot hear the decision.
struct Doubt {
    /// Its full id: in Juju's form it may be the same as that of the way there.
    mid: String,
    /// Whether the model was on its way from `src` to `dst`.
    from_src: bool,
}

impl Doubt {
    fn source<'a>(&self, stage: &'a Stage) -> &'a AgentProcess {
        if self.from_src { &stage.src } else { &stage.dst }
    }

    fn target<'a>(&self, stage: &'a Stage) -> &'a AgentProcess {
        if self.from_src { &stage.dst } else { &stage.src }
    }
}

/// Moves the model back, cuts the link just after the commit, and ends the doubt by a proof that is carried by hand.
pub(super) async fn play(stage: &Stage, scratch: &Path, narration: &mut Narration<'_>) -> Result<(), Trouble> {
    narration.step("Back again, and the link is cut just after the commit: nobody serves until somebody is told");
    let doubt = begin(stage, narration).await?;
    let (source, target, model) = (doubt.source(stage), doubt.target(stage), &stage.model.name);
    narration.remark("the link is cut: the one side has decided, and the other cannot hear of it");
    for agent in [source, target] {
        until(agent, &doubt.mid, "in doubt", |view| is_in_doubt(view, now_ms())).await?;
    }
    narration.run_ok(source, &["status"], Show::First(DOUBT_LINES)).await?;
    narration.run_ok(target, &["status"], Show::First(1)).await?;
    owners(stage, model, 0, narration).await?;

    let commit = scratch.join("commit.proof");
    into(source, &["show-migration", model, "--proof"], &commit, narration).await?;
    let activated = scratch.join("activated.proof");
    let resolve = |file: &PathBuf| ["resolve".to_owned(), model.clone(), "--proof".into(), file.display().to_string()];
    let typed = resolve(&commit);
    into(target, &typed.each_ref().map(String::as_str), &activated, narration).await?;
    owners(stage, model, 1, narration).await?;
    let typed = resolve(&activated);
    narration.run_ok(source, &typed.each_ref().map(String::as_str), Show::Errors).await?;

    stage.relay.restore();
    narration.remark("the link is mended");
    let ended = until(source, &doubt.mid, "at rest", |view| view.ended_ms.is_some()).await?;
    owners(stage, model, 1, narration).await?;
    narration.remark(format_args!(
        "moved back: {} of {} had to be sent, the rest was there; its log has followed",
        crate::cli::output::byte_count(ended.bytes.sent),
        crate::cli::output::byte_count(ended.bytes.total)
    ));
    if ended.stand != Stand::Moved {
        return Err(Trouble::new(format!("the migration ended as {}", ended.state)));
    }
    Ok(())
}

/// Migrates until a source has committed and its target cannot have heard of it.
async fn begin(stage: &Stage, narration: &Narration<'_>) -> Result<Doubt, Trouble> {
    let model = &stage.model.name;
    let mut from_src = false;
    for attempt in 0..ATTEMPTS_MAX {
        let (source, target, peer) =
            if from_src { (&stage.src, &stage.dst, "dst") } else { (&stage.dst, &stage.src, "src") };
        connected(source).await?;
        let typed = ["migrate", model, peer];
        match attempt {
            0 => drop(narration.run_ok(source, &typed, Show::All).await?),
            _ => drop(source.run(&typed).await?),
        }
        let mid = match ask(&source.socket, &Request::Migrations {}).await? {
            Response::Migrations(migrations) => migrations.first().map(|migration| migration.mid.clone()),
            _ => None,
        };
        let mid = mid.ok_or_else(|| Trouble::new("the agent knows of no migration"))?;
        handed_everything(target, &mid).await?;
        stage.relay.cut_to(from_src);
        let decided = until(source, &mid, "decided", |view| {
            view.stand == Stand::Undecided || view.ended_ms.is_some() || view.state == State::Handed
        })
        .await?;
        let told = view(target, &mid).await;
        if decided.stand == Stand::Undecided && told.is_some_and(|view| view.state == State::Prepared) {
            stage.relay.cut();
            return Ok(Doubt { mid, from_src });
        }
        // The answer was quicker. The model is over there now, and goes the other way.
        stage.relay.restore();
        let ended = until(source, &mid, "at rest", |view| view.ended_ms.is_some()).await?;
        until(target, &mid, "at rest", |view| view.ended_ms.is_some()).await?;
        from_src ^= ended.stand == Stand::Moved;
    }
    Err(Trouble::new(format!("the link could not be cut in time in {ATTEMPTS_MAX} attempts")))
}

/// Waits until the target has everything that it needs for its vote, told by the agent at that very moment.
async fn handed_everything(target: &AgentProcess, id: &str) -> Result<(), Trouble> {
    let waited = timeout(PATIENCE, async {
        loop {
            let mut stream = BufReader::new(UnixStream::connect(&target.socket).await?);
            write_line(&mut stream, &Request::Watch { id: id.to_owned() })
                .await
                .map_err(super::control::NoAnswer::from)?;
            loop {
                let line = read_line(&mut stream, RESPONSE_BYTES_MAX).await.map_err(super::control::NoAnswer::from)?;
                match serde_json::from_slice(&line).map_err(super::control::NoAnswer::from)? {
                    Response::Update(view) if view.state == State::Receiving => {}
                    Response::Update(_) | Response::Migration(_) => return Ok(()),
                    // The offer has not come yet.
                    _ => break,
                }
            }
            sleep(LOOK_AGAIN).await;
        }
    });
    waited.await.map_err(|_| Trouble::new(format!("agent {} was not handed the model", target.name)))?
}

async fn view(agent: &AgentProcess, id: &str) -> Option<MigrationView> {
    match ask(&agent.socket, &Request::ShowMigration { id: id.to_owned() }).await {
        Ok(Response::History { migration, .. }) => Some(*migration),
        _ => None,
    }
}

async fn until(
    agent: &AgentProcess,
    id: &str,
    what: &str,
    seen: impl Fn(&MigrationView) -> bool,
) -> Result<MigrationView, Trouble> {
    let begun = Instant::now();
    loop {
        match view(agent, id).await {
            Some(view) if seen(&view) => return Ok(view),
            now if begun.elapsed() > PATIENCE => {
                let state = now.map_or_else(|| "unknown".to_owned(), |view| view.state.to_string());
                return Err(Trouble::new(format!("on {} the migration is {state}, not {what}", agent.name)));
            }
            _ => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Waits until the agent has its peer.
async fn connected(agent: &AgentProcess) -> Result<(), Trouble> {
    let begun = Instant::now();
    loop {
        match ask(&agent.socket, &Request::Peers {}).await? {
            Response::Peers(peers) if peers.iter().any(|peer| peer.connected) => return Ok(()),
            _ if begun.elapsed() > PATIENCE => {
                return Err(Trouble::new(format!("agent {} does not find its peer", agent.name)));
            }
            _ => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Counts who takes writes for the model, and says so.
async fn owners(stage: &Stage, model: &str, expected: usize, narration: &Narration<'_>) -> Result<(), Trouble> {
    let mut live = Vec::new();
    for agent in [&stage.src, &stage.dst] {
        if agent.run(&["embedded", "set", model, "owner=asked"]).await?.status.success() {
            live.push(agent.name);
        }
    }
    let who = if live.is_empty() { String::new() } else { format!(" ({})", live.join(", ")) };
    narration.remark(format_args!("owners live: {}{who}", live.len()));
    if live.len() == expected {
        return Ok(());
    }
    Err(Trouble::new(format!("{} owners are live where {expected} should be", live.len())))
}

/// Runs a command that must succeed, and keeps what it prints in a file.
async fn into(agent: &AgentProcess, typed: &[&str], file: &Path, narration: &Narration<'_>) -> Result<(), Trouble> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let shown: Vec<&str> = typed.iter().copied().chain([">", &name]).collect();
    narration.typed(agent, &shown);
    let output = agent.run(typed).await?;
    narration.said(&output.stderr);
    if !output.status.success() {
        return Err(Trouble::new(format!("`modelferry {}` failed on {}", typed.join(" "), agent.name)));
    }
    fs::write(file, output.stdout)?;
    Ok(())
}
