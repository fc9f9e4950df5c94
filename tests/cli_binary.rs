//! The binary from outside: what a person, a script and systemd meet.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_modelferry");
/// Beyond what a start can take on a busy host: only a hang gets there.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent in a directory of its own, and the end of a socket where it talks to systemd.
struct Agent {
    dir: tempfile::TempDir,
    systemd: UnixDatagram,
    process: Child,
}

fn config(dir: &Path) -> PathBuf {
    let file = dir.join("ferry.toml");
    let text = format!(
        "state-dir = \"{0}/state\"\nsocket = \"{0}/ferry.sock\"\nlisten = \"127.0.0.1:0\"\n[embedded]\nname = \"here\"\n",
        dir.display()
    );
    fs::write(&file, text).unwrap();
    file
}

impl Agent {
    fn start() -> Self {
        Self::start_as(|command, _| command)
    }

    /// Starts an agent and waits until it has told systemd that it is ready.
    fn start_as(change: impl FnOnce(Command, &Path) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let systemd = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        systemd.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(BINARY);
        command.arg("agent").arg("--config").arg(config(dir.path()));
        let mut command = change(command, dir.path());
        command.env("NOTIFY_SOCKET", dir.path().join("notify")).env_remove("JOURNAL_STREAM");
        command.stderr(fs::File::create(dir.path().join("log")).unwrap());
        let mut agent = Self { systemd, process: command.spawn().unwrap(), dir };
        agent.told("READY=1");
        agent
    }

    /// Waits until systemd was told `what`, and returns the whole message.
    fn told(&mut self, what: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let read = self.systemd.recv(&mut buffer).unwrap_or_else(|error| {
                panic!("{what}: {error}; log: {}", fs::read_to_string(self.dir.path().join("log")).unwrap())
            });
            let message = String::from_utf8(buffer[..read].to_vec()).unwrap();
            if message.lines().any(|line| line == what) {
                return message;
            }
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("ferry.sock")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(BINARY).arg("--socket").arg(self.socket()).args(arguments).output().unwrap()
    }

    /// Says `bytes` on the socket and returns the line that comes back.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    }

    fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn failure(line: &str) -> (String, String) {
    let tree: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(tree["answer"], "failed", "{line}");
    let text = |key: &str| tree["body"][key].as_str().unwrap_or("").to_owned();
    (text("kind"), text("message"))
}

#[test]
fn systemd_is_told_of_the_start_and_of_the_stop_and_sigterm_ends_cleanly() {
    let mut agent = Agent::start();
    assert_eq!(code(&agent.run(&["status"])), 0);
    agent.terminate();
    let message = agent.told("STOPPING=1");
    assert!(message.contains("STATUS="), "{message}");
    assert_eq!(agent.process.wait().unwrap().code(), Some(0));
    assert!(!agent.socket().exists(), "the socket outlived its agent");
}

#[test]
fn an_agent_feeds_systemds_watchdog() {
    let mut agent = Agent::start_as(|mut command, _| {
        command.env("WATCHDOG_USEC", "200000");
        command
    });
    for _ in 0..3 {
        agent.told("WATCHDOG=1");
    }
}

#[test]
fn a_socket_that_systemd_passes_is_served() {
    let agent = Agent::start_as(|command, dir| {
        let passed: OwnedFd = UnixListener::bind(dir.join("ferry.sock")).unwrap().into();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg("exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"");
        shell.arg(command.get_program()).args(command.get_args()).stdin(Stdio::from(passed));
        shell
    });
    assert_eq!(code(&agent.run(&["status"])), 0);
}

#[test]
fn a_mistyped_key_ends_the_daemon_with_78_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ferry.toml");
    fs::write(&file, "listen = \"127.0.0.1:0\"\n[embedded]\nclod = \"lxd\"\n").unwrap();
    let ended = Command::new(BINARY).arg("agent").arg("--config").arg(&file).output().unwrap();
    assert_eq!(code(&ended), 78);
    let expected = format!("ERROR {}:3: embedded.clod: unknown key `clod`; did you mean `cloud`?\n", file.display());
    assert_eq!(errors(&ended), expected);
}

#[test]
fn a_key_that_others_can_read_ends_the_daemon_with_78() {
    let mut agent = Agent::start();
    agent.terminate();
    agent.process.wait().unwrap();
    for entry in fs::read_dir(agent.dir.path().join("state/identity")).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let again = Command::new(BINARY).arg("agent").arg("--config").arg(config(agent.dir.path())).output().unwrap();
    assert_eq!(code(&again), 78, "{}", errors(&again));
    assert!(errors(&again).contains("chmod 0600"), "{}", errors(&again));
}

#[test]
fn without_an_agent_commands_end_with_5_and_say_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("ferry.sock");
    let asked =
        |arguments: &[&str]| Command::new(BINARY).arg("--socket").arg(&socket).args(arguments).output().unwrap();
    let refused = asked(&["models"]);
    assert_eq!(code(&refused), 5);
    assert!(errors(&refused).starts_with(&format!("ERROR no agent is running at {}\n", socket.display())));
    assert!(errors(&refused).contains("systemctl start modelferry"));

    let as_json = asked(&["models", "--format", "json"]);
    assert_eq!((code(&as_json), errors(&as_json).as_str()), (5, ""));
    let tree: Value = serde_json::from_slice(&as_json.stdout).unwrap();
    assert_eq!(tree["error"]["kind"], "unreachable");
}

#[test]
fn a_second_agent_on_the_same_state_is_refused() {
    let agent = Agent::start();
    let second = Command::new(BINARY).arg("agent").arg("--config").arg(config(agent.dir.path())).output().unwrap();
    assert_eq!(code(&second), 1);
    assert!(errors(&second).contains("another agent runs on this state directory"), "{}", errors(&second));
    assert_eq!(code(&agent.run(&["status"])), 0, "the first agent lost its socket");
}

#[test]
fn a_second_agent_on_the_same_socket_is_refused() {
    let agent = Agent::start();
    let other = tempfile::tempdir().unwrap();
    let second = Command::new(BINARY)
        .args(["agent", "--config"])
        .arg(config(other.path()))
        .arg("--socket")
        .arg(agent.socket())
        .output()
        .unwrap();
    assert_eq!(code(&second), 1);
    assert!(errors(&second).contains("another agent listens on the control socket"), "{}", errors(&second));
}

#[test]
fn a_socket_that_a_dead_agent_left_behind_is_replaced() {
    let mut agent = Agent::start();
    agent.process.kill().unwrap();
    agent.process.wait().unwrap();
    assert!(agent.socket().exists());
    let notify = agent.dir.path().join("notify");
    let mut command = Command::new(BINARY);
    command.arg("agent").arg("--config").arg(config(agent.dir.path())).env("NOTIFY_SOCKET", notify);
    agent.process = command.stderr(Stdio::null()).spawn().unwrap();
    agent.told("READY=1");
    assert_eq!(code(&agent.run(&["status"])), 0);
}

#[test]
fn garbage_on_the_socket_is_answered_and_hurts_nobody() {
    let agent = Agent::start();
    for garbage in [
        &b"\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\xff\xfe\n",
        b"{\"verb\":\"explode\"}\n",
        b"{\"verb\":\"abort\"}\n",
        b"{\"verb\":\"abort\",\"id\":\"x\",\"force\":true}\n",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n",
    ] {
        let (kind, message) = failure(&agent.say(garbage));
        assert_eq!(kind, "usage", "{garbage:?}");
        assert!(message.starts_with("the request is not understood"), "{message}");
    }
    let deep = [vec![b'['; 500_000], b"\n".to_vec()].concat();
    assert_eq!(failure(&agent.say(&deep)).0, "usage");
    // Somebody who says half a word and hangs up is not answered.
    UnixStream::connect(agent.socket()).unwrap().write_all(b"{\"verb\":").unwrap();
    assert_eq!(code(&agent.run(&["status"])), 0);
}

#[test]
fn a_request_of_2_mib_is_refused() {
    let agent = Agent::start();
    let request = format!("{{\"verb\":\"show-model\",\"model\":\"{}\"}}\n", "x".repeat(2 << 20));
    let (kind, message) = failure(&agent.say(request.as_bytes()));
    assert_eq!((kind.as_str(), message.as_str()), ("usage", "the request is a line of more than 1048576 bytes"));
    assert_eq!(code(&agent.run(&["status"])), 0);
}

#[test]
fn more_than_64_clients_are_refused_until_one_leaves() {
    let agent = Agent::start();
    let connect = |_| UnixStream::connect(agent.socket()).unwrap();
    let mut crowd: Vec<UnixStream> = (0..64).map(connect).collect();
    // Idle clients kept root's `abort` out: root and the agent's own user have 8 more places.
    assert_eq!(code(&agent.run(&["status"])), 0);
    crowd.extend((0..8).map(connect));
    let refused = agent.run(&["status"]);
    assert_eq!(code(&refused), 1);
    assert!(errors(&refused).contains("64 clients are connected already"), "{}", errors(&refused));
    // One asks, is answered and so leaves: there is a place again.
    let mut leaving = crowd.pop().unwrap();
    leaving.write_all(b"{\"verb\":\"peers\"}\n").unwrap();
    leaving.read_to_end(&mut Vec::new()).unwrap();
    let outcomes = std::iter::repeat_with(|| code(&agent.run(&["status"]))).take(100);
    assert!(outcomes.into_iter().any(|code| code == 0), "the place was not given back");
}

#[test]
fn whoever_may_not_use_the_socket_is_told_who_may() {
    let agent = Agent::start();
    let mode = fs::metadata(agent.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let binary = agent.dir.path().join("modelferry");
    let as_another = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command.arg("--socket").arg(agent.socket()).args(arguments);
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        // A test beside this one may be about to run a program of its own, and has the copy open for a moment.
        loop {
            match command.output() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
                output => return output.unwrap(),
            }
        }
    };
    // The other user needs a binary to run, wherever this one lies.
    fs::copy(BINARY, &binary).unwrap();
    fs::set_permissions(agent.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if !rustix::process::geteuid().is_root() {
        fs::set_permissions(agent.socket(), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let outside = as_another(&["status"]);
    assert_eq!(code(&outside), 1, "{}", errors(&outside));
    assert!(errors(&outside).contains("you may not connect to the agent"), "{}", errors(&outside));
    assert!(errors(&outside).contains("sudo"), "{}", errors(&outside));

    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: that another user may look but not change needs root");
        return;
    }
    fs::set_permissions(agent.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(code(&as_another(&["status"])), 0);
    let change = as_another(&["embedded", "user", "add", "mallory"]);
    assert_eq!(code(&change), 1);
    assert!(errors(&change).contains("user 65534 may look but not change anything"), "{}", errors(&change));
    let users = agent.run(&["embedded", "user", "list"]);
    assert!(!String::from_utf8_lossy(&users.stdout).contains("mallory"));
}

#[test]
fn what_is_not_there_is_named_with_the_command_that_lists_it() {
    let agent = Agent::start();
    for (arguments, text, hint) in [
        (&["show-model", "prod"][..], "ERROR model here:admin/prod not found\n", "modelferry models"),
        (&["status", "-m", "west:prod"], "ERROR controller west not found\n", "modelferry controllers"),
        (&["migrate", "controller", "west"], "ERROR controller \"west\" is not known here", "modelferry peers"),
        (&["show-migration", "prod"], "ERROR migration \"prod\" not found", "modelferry migrations"),
        (&["unpair", "west"], "west", "modelferry peers"),
    ] {
        let refused = agent.run(arguments);
        assert_eq!(code(&refused), 1, "{arguments:?}: {}", errors(&refused));
        assert!(errors(&refused).contains(text), "{arguments:?}: {}", errors(&refused));
        assert!(errors(&refused).contains(hint), "{arguments:?}: {}", errors(&refused));
    }
}

#[test]
fn completion_and_manual_pages_know_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    let asked = Command::new(BINARY).args(["--", "modelferry", "show-mi"]).env("MODELFERRY_COMPLETE", "fish").output();
    let told = String::from_utf8(asked.unwrap().stdout).unwrap();
    assert!(told.starts_with("show-migration\tShow a migration"), "{told}");
    let written = Command::new(BINARY).arg("man").arg(dir.path()).output().unwrap();
    assert_eq!(code(&written), 0, "{}", errors(&written));
    each_page(&modelferry::cli::command(), "modelferry", &mut |name| {
        let page =
            fs::read_to_string(dir.path().join(format!("man1/{name}.1"))).unwrap_or_else(|e| panic!("{name}: {e}"));
        for part in [".SH EXAMPLES", ".SH \"EXIT STATUS\"", ".SH JUJU"] {
            assert!(page.contains(part), "{name} has no {part}: {page}");
        }
    });
}

/// Calls `check` with the name of every command's manual page.
fn each_page(command: &clap::Command, name: &str, check: &mut impl FnMut(&str)) {
    check(name);
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        each_page(inner, &format!("{name}-{}", inner.get_name()), check);
    }
}
