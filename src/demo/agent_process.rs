//! An agent as a process of its own, that can be killed and started again.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::control;
use super::trouble::Trouble;
use crate::agent::control::Request;

/// How long an agent may take until it answers.
const START_TIME_MAX: Duration = Duration::from_secs(20);
/// How often it is asked whether it is there.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// One of the demo's two agents; killed when dropped.
pub(super) struct AgentProcess {
    /// `src` or `dst`: its controller, and what its peer calls it.
    pub(super) name: &'static str,
    /// Where it listens for its peer.
    pub(super) listen: SocketAddr,
    /// Its control socket.
    pub(super) socket: PathBuf,
    executable: PathBuf,
    dir: PathBuf,
    child: Option<Child>,
}

impl AgentProcess {
    /// Prepares an agent below `scratch`; its configuration is still to be written.
    pub(super) fn new(name: &'static str, listen: SocketAddr, scratch: &Path) -> io::Result<Self> {
        let dir = scratch.join(name);
        // An agent refuses a directory that others can write to.
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let executable = std::env::current_exe()?;
        Ok(Self { name, listen, socket: dir.join("agent.sock"), executable, dir, child: None })
    }

    /// Returns where its configuration is.
    pub(super) fn config(&self) -> PathBuf {
        self.dir.join("modelferry.toml")
    }

    /// Returns where it keeps what must survive it.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Returns where it logs.
    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("agent.log")
    }

    /// Returns its process id, while it runs.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Starts the agent and returns how long it took until it answered.
    pub(super) async fn start(&mut self) -> Result<Duration, Trouble> {
        let started_at = Instant::now();
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let child = Command::new(&self.executable)
            .arg("agent")
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A terminal's Ctrl-C is for the demo, which ends its agents itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let child = self.child.insert(child);
        while control::ask(&self.socket, &Request::Status {}).await.is_err() {
            if let Some(status) = child.try_wait()? {
                return Err(Trouble::new(format!("agent {} ended while it started: {status}", self.name)));
            }
            if started_at.elapsed() > START_TIME_MAX {
                return Err(Trouble::new(format!("agent {} does not answer", self.name)));
            }
            sleep(ASK_AGAIN).await;
        }
        Ok(started_at.elapsed())
    }

    /// Kills the agent as a power cut would end it, as far as a process can tell.
    pub(super) async fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Tells whether the agent has ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    /// Runs a command against this agent, the way a person on its host would.
    pub(super) async fn run(&self, arguments: &[&str]) -> io::Result<Output> {
        let mut command = Command::new(&self.executable);
        command.arg("--socket").arg(&self.socket).args(arguments);
        command.stdin(Stdio::null()).kill_on_drop(true).output().await
    }
}
