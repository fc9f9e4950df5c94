//! A host of its own in a scratch directory: an agent process, and the commands that talk to it.

mod pairs;
mod printed;

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use modelferry::sample::{self, Sample, SampleFiles};
use serde_json::Value;

pub use self::pairs::{BIG, THIN, big, joined, meet, ready, towards};
pub use self::printed::Output;
use self::printed::documented_codes;

/// How long something may take that takes a moment. Generous: nothing is claimed about time here.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Host {
    pub name: &'static str,
    pub dir: tempfile::TempDir,
    pub port: u16,
    agent: Option<Child>,
}

/// The program under test: the one that was built with the tests, or another, such as a release build.
pub fn binary() -> PathBuf {
    std::env::var_os("MODELFERRY_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_modelferry").into(), PathBuf::from)
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Host {
    /// A host whose controller lives in the sample's cloud, not started yet.
    pub fn new(name: &'static str) -> Self {
        Self::with(name, "")
    }

    /// Likewise, with further configuration at the end of `[embedded]`.
    pub fn with(name: &'static str, embedded: &str) -> Self {
        let host = Self { name, dir: tempfile::tempdir().unwrap(), port: free_port(), agent: None };
        let dir = host.dir.path().display();
        let port = host.port;
        let (cloud, cloud_type, region) = (sample::CLOUD, sample::CLOUD_TYPE, sample::REGION);
        let (pool, provider, backend) = (sample::POOL, sample::POOL_PROVIDER, sample::SECRET_BACKEND);
        let (credential, owner, version) = (sample::CREDENTIAL, sample::OWNER, sample::AGENT_VERSION);
        let version_line =
            if embedded.contains("version") { String::new() } else { format!("version = \"{version}\"\n") };
        let config = format!(
            "state-dir = \"{dir}/state\"\nsocket = \"{dir}/ferry.sock\"\nlisten = \"127.0.0.1:{port}\"\n\n\
             [log]\nfilter = \"info,modelferry=debug\"\n\n\
             [embedded]\nname = \"{name}\"\ncloud = \"{cloud}\"\nregion = \"{region}\"\ntype = \"{cloud_type}\"\n\
             {version_line}storage-pools = [{{ name = \"{pool}\", provider = \"{provider}\" }}]\n\
             secret-backends = [\"{backend}\"]\n\
             credentials = [{{ name = \"{credential}\", owner = \"{owner}\" }}]\n{embedded}\n"
        );
        fs::write(host.config(), config).unwrap();
        host
    }

    /// A host whose controller was told of nothing but `embedded`.
    pub fn bare(name: &'static str, embedded: &str) -> Self {
        let host = Self { name, dir: tempfile::tempdir().unwrap(), port: free_port(), agent: None };
        let (dir, port) = (host.dir.path().display(), host.port);
        let config = format!(
            "state-dir = \"{dir}/state\"\nsocket = \"{dir}/ferry.sock\"\nlisten = \"127.0.0.1:{port}\"\n\n\
             [embedded]\nname = \"{name}\"\n{embedded}\n"
        );
        fs::write(host.config(), config).unwrap();
        host
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("agent.toml")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("agent.log")
    }

    /// Starts the agent and waits until it answers.
    pub fn start(&mut self) {
        self.start_with(&[]);
        self.until("agent answers", |host| (host.run(&["status"]).code == 0).then_some(()));
    }

    /// Starts the agent with further environment, and does not wait.
    pub fn start_with(&mut self, environment: &[(&str, &str)]) {
        let mut agent = Command::new(binary());
        agent.args(["agent", "--config"]).arg(self.config()).envs(environment.iter().copied());
        self.start_as(agent);
    }

    /// Starts the agent by a command of the caller's, and does not wait.
    pub fn start_as(&mut self, mut agent: Command) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).unwrap();
        agent.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.agent = Some(agent.spawn().unwrap());
    }

    /// Reads a file of the running agent in `/proc`.
    pub fn proc(&self, file: &str) -> std::io::Result<String> {
        let agent = self.agent.as_ref().expect("a running agent");
        fs::read(format!("/proc/{}/{file}", agent.id())).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the most memory that the running agent has had resident.
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = self.proc("status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line of Linux's");
        let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        kib << 10
    }

    /// Returns the bytes that the running agent has had the system write to its disks; nothing where that is not counted,
    /// as of files in memory.
    pub fn bytes_to_disk(&self) -> Option<u64> {
        let io = self.proc("io").ok()?;
        let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
        bytes.parse().ok().filter(|bytes| *bytes > 0)
    }

    /// Stops the agent as systemd would.
    pub fn stop(&mut self) {
        let mut agent = self.agent.take().expect("a running agent");
        let pid = rustix::process::Pid::from_child(&agent);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(agent.wait().unwrap().success(), "an agent that is told to stop ends well");
    }

    /// Waits until the agent has died by itself.
    #[track_caller]
    pub fn wait_for_death(&mut self, why: &str) {
        let begun = Instant::now();
        while self.agent.as_mut().expect("a running agent").try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "{why} was never reached; log of {}:\n{}", self.name, self.tail());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.agent = None;
    }

    /// Kills the agent at once, as a power cut would end it.
    pub fn kill(&mut self) {
        let mut agent = self.agent.take().expect("a running agent");
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    /// Sends the running agent a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let agent = self.agent.as_ref().expect("a running agent");
        rustix::process::kill_process(rustix::process::Pid::from_child(agent), signal).unwrap();
    }

    /// Starts the agent anew at another port, as a host does that gets another address.
    pub fn renumber(&mut self) {
        self.stop();
        let old = std::mem::replace(&mut self.port, free_port());
        let config = fs::read_to_string(self.config()).unwrap();
        fs::write(self.config(), config.replace(&format!(":{old}\""), &format!(":{}\"", self.port))).unwrap();
        self.start();
    }

    /// Cuts the link of a host whose agent is down, until [`Host::rejoin`]: it comes back at another port, where
    /// nobody looks for it, and looks for its peers where nobody is.
    pub fn isolate(&self) {
        for (file, from, to) in [
            (self.config(), format!(":{}\"", self.port), format!(":{}\"", free_port())),
            (self.dir.path().join("state/peers.toml"), "127.0.0.1:".to_owned(), "127.0.0.2:".to_owned()),
        ] {
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file.with_extension("linked"), &text).unwrap();
            fs::write(&file, text.replace(&from, &to)).unwrap();
        }
    }

    /// Lets a host whose agent is down have its link again.
    pub fn rejoin(&self) {
        for file in [self.config(), self.dir.path().join("state/peers.toml")] {
            fs::rename(file.with_extension("linked"), &file).unwrap();
        }
    }

    /// Returns a command to this host's agent, not run yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.config()).args(args).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Runs a command against this host's agent. It ends with a code that its help tells of, or the test fails.
    pub fn run(&self, args: &[&str]) -> Output {
        self.told(args, &mut self.command(args))
    }

    /// Runs a command that was made by [`Host::command`] from `args`.
    pub fn told(&self, args: &[&str], command: &mut Command) -> Output {
        let output = command.output().unwrap();
        let code = output.status.code().unwrap_or(-1);
        assert!(
            code == -1 || documented_codes(args).contains(&code),
            "{args:?} ended with {code}, which its help does not tell: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Output { code, out: String::from_utf8(output.stdout).unwrap(), err: String::from_utf8(output.stderr).unwrap() }
    }

    /// Asks until there is an answer. Panics with the agent's log if there never is one.
    #[track_caller]
    pub fn until<T>(&self, what: &str, ask: impl Fn(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(answer) = ask(self) {
                return answer;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}; log of {}:\n{}",
                self.name,
                self.tail()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn tail(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(60).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Pairs with another host, each under its controller's name, and waits for the link.
    pub fn pair(&self, other: &Host) {
        self.pair_at(other, &format!("127.0.0.1:{}", self.port));
    }

    /// Likewise, where `other` reaches this host at `address`.
    pub fn pair_at(&self, other: &Host, address: &str) {
        let offer = self.run(&["pair", "offer", "--as", other.name]).ok();
        let code = offer
            .split_whitespace()
            .map(|word| word.trim_matches('\''))
            .find(|word| word.len() == 21 && word.matches('-').count() == 4);
        let code = code.unwrap_or_else(|| panic!("no code in {offer}"));
        other.run(&["pair", "accept", code, address, "--as", self.name]).ok();
        for host in [self, other] {
            host.until("peers are connected", |host| host.connected().then_some(()));
        }
    }

    pub fn connected(&self) -> bool {
        let peers = self.run(&["peers", "--format", "json"]);
        peers.code == 0
            && peers.json().as_array().is_some_and(|peers| peers.iter().any(|peer| peer["connected"] == true))
    }

    /// Reports whether `status` shows an alarm of this kind.
    pub fn alarms(&self, kind: &str) -> bool {
        self.run(&["status"]).ok().contains(&format!("ALARM  {kind}: "))
    }

    /// Writes a sample model and imports it.
    pub fn import(&self, sample: &Sample) -> SampleFiles {
        let files = sample.write(&self.dir.path().join(&sample.name)).unwrap();
        let (description, blobs) = (files.description.to_str().unwrap(), files.blobs.to_str().unwrap());
        self.run(&["embedded", "import", description, "--blobs", blobs]).ok();
        files
    }

    /// Makes the sample's users known here.
    pub fn add_users(&self) {
        for user in sample::USERS {
            self.run(&["embedded", "user", "add", user]).ok();
        }
    }

    /// Exports a model into a directory of its own, and returns it.
    pub fn export(&self, model: &str) -> PathBuf {
        let dir = self.dir.path().join(format!("export-{}-{}", model.replace('/', "_"), uuid::Uuid::new_v4()));
        self.run(&["embedded", "export", model, dir.to_str().unwrap()]).ok();
        dir
    }

    /// Returns what `show-migration` tells, as JSON.
    pub fn migration(&self, id: &str) -> Value {
        self.run(&["show-migration", id, "--format", "json"]).json()
    }

    /// Returns the migration itself of [`Host::migration`].
    pub fn view(&self, id: &str) -> Value {
        self.migration(id)["migration"].take()
    }

    /// Reports whether this host has the model in service.
    pub fn serves(&self, model: &str) -> bool {
        self.run(&["embedded", "set", model, "probe=1"]).code == 0
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _ = agent.kill();
            let _ = agent.wait();
        }
    }
}

/// Returns every file under `dir`, by its path there.
pub fn files(dir: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut std::collections::BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = std::collections::BTreeMap::new();
    walk(dir, dir, &mut found);
    found
}
