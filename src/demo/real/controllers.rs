//! The two controllers: Juju 3.6's migration master as the source's, Juju 4.1's API server as the destination's.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::programs::Programs;
use crate::controller::description::Description;
use crate::demo::trouble::Trouble;

/// How long a controller may take until it serves.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// What the source's users log in with.
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// Starts a program that prints a line of JSON once it serves.
///
/// Errors: [`Trouble`] if it ends, or does not serve.
async fn started(
    program: &Path,
    arguments: &[&str],
    log: &Path,
    serves: impl Fn(&Value) -> bool,
) -> Result<(Child, Lines<BufReader<ChildStdout>>, Value), Trouble> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(log)?)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let name = || program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(stdout) = child.stdout.take() else { return Err(Trouble::new(format!("{} says nothing", name()))) };
    let mut lines = BufReader::new(stdout).lines();
    let told = timeout(START_TIME_MAX, async {
        while let Some(line) = lines.next_line().await? {
            match serde_json::from_str(&line) {
                Ok(value) if serves(&value) => return Ok(Some(value)),
                _ => {}
            }
        }
        Ok::<_, std::io::Error>(None)
    });
    match told.await {
        Ok(Ok(Some(value))) => Ok((child, lines, value)),
        Ok(Ok(None)) => Err(Trouble::new(format!("{} has ended; see {}", name(), log.display()))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Trouble::new(format!("{} does not serve; see {}", name(), log.display()))),
    }
}

/// The phases that the master has set, each with when it did.
pub(super) type Phases = Vec<(String, Instant)>;

/// The source controller.
pub(super) struct Source {
    child: Child,
    /// Where its API is.
    pub(super) address: SocketAddr,
    /// Its CA.
    pub(super) ca: PathBuf,
    /// What its master has come to.
    pub(super) phases: watch::Receiver<Phases>,
}

impl Source {
    pub(super) async fn start(
        programs: &Programs,
        address: SocketAddr,
        dir: &Path,
        description: &Path,
        blobs: &Path,
    ) -> Result<Self, Trouble> {
        let (ca, state) = (dir.join("ca.pem"), dir.join("state.json"));
        let (listen, text) = (address.to_string(), |path: &Path| path.to_string_lossy().into_owned());
        let arguments = [
            "-serve",
            &listen,
            "-ca",
            &text(&ca),
            "-password",
            PASSWORD,
            "-model",
            &text(description),
            "-blobs",
            &text(blobs),
            "-state",
            &text(&state),
            "-retry",
            "1s",
            "-minions",
            "blind",
        ];
        let serves = |told: &Value| told["event"] == "serving";
        let (child, mut lines, _) = started(&programs.master, &arguments, &dir.join("log"), serves).await?;
        let (set, phases) = watch::channel(Phases::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let told: Value = serde_json::from_str(&line).unwrap_or_default();
                if told["event"] == "phase" {
                    let phase = told["text"].as_str().unwrap_or_default().to_owned();
                    set.send_modify(|phases| phases.push((phase, Instant::now())));
                }
            }
        });
        Ok(Self { child, address, ca, phases })
    }

    /// Returns its process id, while it runs.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }
}

/// The destination controller.
pub(super) struct Destination {
    child: Child,
    client: PathBuf,
    /// Where its API is.
    pub(super) address: String,
    /// Its CA.
    pub(super) ca: PathBuf,
    /// What its administrator logs in with.
    pub(super) password: String,
}

/// The names of what is in a model: applications, units, machines.
pub(super) type Inside = [BTreeSet<String>; 3];

impl Destination {
    pub(super) async fn start(programs: &Programs, dir: &Path, model: &Description) -> Result<Self, Trouble> {
        let cloud = format!("{}:{}:{}", model.cloud, model.cloud_type, model.region);
        let (home, log) = (dir.join("controller"), dir.join("log"));
        let home = home.to_string_lossy().into_owned();
        // Agents keep the name of an address that loops, and drop its number.
        let mut arguments: Vec<String> =
            ["-dir", &home, "-name", "dst", "-address", "localhost", "-cloud", &cloud].map(str::to_owned).into();
        for user in model.users.iter().filter(|user| user.name != model.owner && !user.name.contains('@')) {
            arguments.extend(["-user".to_owned(), format!("{}:{PASSWORD}", user.name)]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (child, _, told) = started(&programs.server, &arguments, &log, |told| told["addr"].is_string()).await?;
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let (client, ca) = (programs.client.clone(), PathBuf::from(text("ca")));
        Ok(Self { child, client, address: text("addr"), ca, password: text("password") })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// Returns what Juju's own client shows of a model; nothing while the controller does not serve it.
    pub(super) async fn status(&self, model: &str) -> Result<Option<Value>, Trouble> {
        let mut command = Command::new(&self.client);
        command.args(["-addr", &self.address, "-ca"]).arg(&self.ca).args([
            "-password",
            &self.password,
            "status",
            model,
        ]);
        let told = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        Ok(told.status.success().then(|| serde_json::from_slice(&told.stdout).unwrap_or_default()))
    }
}

/// Returns the names that a controller's `FullStatus` has.
pub(super) fn inside(status: &Value) -> Inside {
    let named = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let applications = named(&status["applications"]);
    let mut units = BTreeSet::new();
    for (name, unit) in applications.values().flat_map(|application| named(&application["units"])) {
        units.insert(name);
        units.extend(named(&unit["subordinates"]).into_iter().map(|(name, _)| name));
    }
    let (mut machines, mut open) = (BTreeSet::new(), named(&status["machines"]));
    while let Some((name, machine)) = open.iter().next().map(|(name, machine)| (name.clone(), machine.clone())) {
        open.remove(&name);
        open.extend(named(&machine["containers"]));
        machines.insert(name);
    }
    [applications.into_iter().map(|(name, _)| name).collect(), units, machines]
}

/// Returns the names that a description has.
pub(super) fn told(model: &Description) -> Inside {
    [
        model.applications.iter().map(|application| application.name.clone()).collect(),
        model.all_units().map(|(_, unit)| unit.name.clone()).collect(),
        model.all_machines().map(|machine| machine.id.clone()).collect(),
    ]
}

/// Looks at both controllers, over and over, and counts the looks at which both serve the model.
pub(super) struct Watcher {
    task: tokio::task::JoinHandle<Result<Looks, Trouble>>,
    stop: watch::Sender<bool>,
}

/// What was seen.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Looks {
    pub(super) both: u64,
    pub(super) source: u64,
    pub(super) destination: u64,
    pub(super) neither: u64,
}

impl Watcher {
    pub(super) fn begin(source: &Source, destination: Arc<Destination>, model: String) -> Self {
        let (phases, (stop, stopped)) = (source.phases.clone(), watch::channel(false));
        let task = tokio::spawn(async move {
            let mut looks = Looks::default();
            while !*stopped.borrow() {
                // The destination first: what it serves then it still serves after the second look.
                let there = destination.status(&model).await?.is_some();
                let here = phases.borrow().last().is_none_or(|(phase, _)| phase == "ABORTDONE");
                let count = match (here, there) {
                    (true, true) => &mut looks.both,
                    (true, false) => &mut looks.source,
                    (false, true) => &mut looks.destination,
                    (false, false) => &mut looks.neither,
                };
                *count += 1;
            }
            Ok(looks)
        });
        Self { task, stop }
    }

    /// Ends it, after the look that it is at.
    pub(super) async fn end(self) -> Result<Looks, Trouble> {
        let _ = self.stop.send(true);
        self.task.await.map_err(|error| Trouble::new(error.to_string()))?
    }
}
