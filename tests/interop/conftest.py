"""Two agents on this host, each with an embedded controller whose API Juju's own clients use.

`scripts/interop` builds what the tests run and names it in the environment:

    MODELFERRY   the program under test
    JUJU36       Juju's own client, 3.6.11
    JUJU41       Juju's own client, 4.1-beta2; only with --long
    MASTER36     Juju 3.6.11's own migration master
    WIRETAP36    holds every message against Juju 3.6.11's own types
    WATCH36      follows a controller with Juju 3.6.11's own client of AllModelWatcher
    SERVER41     Juju 4.1's own API server, see tests/interop/juju41/server41
    CLIENT41     asks it with Juju 4.1's own API client
    LIBJUJU      Python interpreters that have python-libjuju, separated by colons
    JUBILANT     a Python interpreter that has jubilant
    JUJULIB      a folder with node_modules/@canonical/jujulib
"""

import json
import os
import random
import re
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import pytest

PATIENCE = 90
PASSWORD = "correct horse battery staple"
MODEL = "shop-eu"
SIZE = "4MiB"
# The sample has one user; a reader is put in after it.
OWNER = "users:\n  version: 1\n  users:\n"
READER = """  - name: bob
    display-name: Bob
    created-by: admin
    date-created: 2026-03-02T08:00:00Z
    access: read
"""


def tool(name):
    """The program that the environment names, or a skip that names it."""
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"{name} is not set: see scripts/interop")
    return value


def assert_clean(agent, whose=""):
    """Every message of this agent's API satisfies Juju's own types; with `whose` "reply", every one that it sent itself."""
    report = agent.report()
    assert report["checked"] > 0
    findings = {where: found for where, found in report["findings"].items() if whose in where}
    # What a client of a later Juju asks, the tap has no types for.
    findings = {where: found for where, found in findings.items() if found != ["not in Juju 3.6"]}
    assert not findings, json.dumps(findings, indent=1)


# Below what the kernel gives to outgoing connections: nobody takes one of these between the look and its use.
PORTS = range(20000, 32000)
given = set()


def free_port(kind):
    for _ in range(1000):
        port = random.choice(PORTS)
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in given:
            given.add(port)
            return port
    raise AssertionError("no port is free")


def until(what, check, patience=PATIENCE):
    """Waits until `check` returns something true, at most `patience` seconds, and returns it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        result = check()
        if result:
            return result
        time.sleep(0.1)
    raise AssertionError(f"waited {patience} s in vain: {what}")


class Ran:
    """What a command printed, and its exit status."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def ok(self):
        assert self.code == 0, f"exit status {self.code}\nstdout: {self.out}\nstderr: {self.err}"
        return self.out

    def fails(self, code=None):
        assert self.code != 0, f"expected a failure\nstdout: {self.out}\nstderr: {self.err}"
        assert code is None or self.code == code, f"exit status {self.code}\nstderr: {self.err}"
        return self.err

    def json(self):
        return json.loads(self.ok())


def run(args, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    return Ran(subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=PATIENCE * 2, **options))


def node(ca):
    """The environment of a program on jujulib that trusts a CA."""
    return {**os.environ, "NODE_PATH": f"{tool('JUJULIB')}/node_modules", "NODE_EXTRA_CA_CERTS": str(ca)}


class Agent:
    """An agent with its embedded controller, and its API behind a wiretap; `embedded` are lines of that section."""

    def __init__(self, root, name, embedded=""):
        self.name, self.dir = name, root / name
        self.dir.mkdir()
        self.api_port, self.tap_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
        self.udp_port = free_port(socket.SOCK_DGRAM)
        self.ca = self.dir / "ca.pem"
        self.process = self.tap = None
        # The clients are told the wiretap's address alone, so that nothing goes past it.
        (self.dir / "agent.toml").write_text(
            f'state-dir = "{self.dir}/state"\n'
            f'socket = "{self.dir}/ferry.sock"\n'
            f'listen = "127.0.0.1:{self.udp_port}"\n\n'
            f'[embedded]\nname = "{name}"\naddresses = ["127.0.0.1:{self.tap_port}"]\n{embedded}\n'
            f'[embedded.api]\nlisten = "127.0.0.1:{self.api_port}"\n'
        )

    def start(self):
        log = open(self.dir / "agent.log", "ab")
        command = [tool("MODELFERRY"), "agent", "--config", self.dir / "agent.toml"]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(f"agent {self.name} answers", lambda: self("status").code == 0)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def is_connected(self):
        return any(peer["connected"] for peer in self("peers", "--format", "json").json())

    def __call__(self, *args, **options):
        """Runs a command of modelferry against this agent."""
        return run([tool("MODELFERRY"), "--socket", self.dir / "ferry.sock", *args], **options)

    def start_tap(self):
        # A tap that clients trust needs the CA's key, which lies beside its certificate in the controller's database.
        database = (self.dir / "state" / "controller.redb").read_bytes()
        for key, path in (("ca_cert", self.ca), ("ca_key", self.dir / "ca.key")):
            found = re.search(rb'"%s":("-----BEGIN [^"]*")' % key.encode(), database)
            assert found, f"no {key} in the controller's database"
            path.write_text(json.loads(found[1]))
        log = open(self.dir / "tap.log", "ab")
        self.tap = subprocess.Popen(
            [
                tool("WIRETAP36"), "-listen", f"127.0.0.1:{self.tap_port}", "-upstream", f"127.0.0.1:{self.api_port}",
                "-ca", self.ca, "-ca-key", self.dir / "ca.key",
            ],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )
        until(f"the wiretap of {self.name} listens", self.report)

    def report(self):
        """What the wiretap found: {"checked": n, "findings": {...}}, or None while it does not listen."""
        context = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{self.tap_port}/_tap/report", context=context, timeout=5) as reply:
                return json.load(reply)
        except OSError:
            return None

    def stop(self):
        for process in (self.tap, self.process):
            if process and process.poll() is None:
                process.terminate()
        for process in (self.tap, self.process):
            if process:
                process.wait(timeout=PATIENCE)


class Link:
    """What lies between two agents: carries their datagrams until it is cut."""

    def __init__(self, port):
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for end in (self.front, self.back):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            end.bind(("127.0.0.1", 0))
        self.port, self.inside, self.outside = self.front.getsockname()[1], ("127.0.0.1", port), None
        self.is_cut = False
        threading.Thread(target=self.carry, daemon=True).start()

    def carry(self):
        while True:
            for end in select.select([self.front, self.back], [], [])[0]:
                try:
                    datagram, sender = end.recvfrom(1 << 16)
                except OSError:
                    # Nobody listens there now.
                    continue
                if end is self.front:
                    self.outside = sender
                to = (self.back, self.inside) if end is self.front else (self.front, self.outside)
                if not self.is_cut and to[1]:
                    to[0].sendto(datagram, to[1])


class Cluster:
    """Agents "src" and "dst", paired, with the sample model on src; `destination` are lines of dst's section `[embedded]`."""

    def __init__(self, root, model=MODEL, destination=""):
        self.root, self.model = root, model
        self.src, self.dst = Agent(root, "src"), Agent(root, "dst", destination)
        self.password = root / "password"
        self.password.write_text(PASSWORD + "\n")
        self.sample = root / "sample"
        self.link = Link(self.dst.udp_port)

    def start(self):
        run([tool("MODELFERRY"), "demo", "--write-model", self.sample, "--size", SIZE]).ok()
        description = self.sample / "model.yaml"
        text = description.read_text().replace(OWNER, OWNER + READER)
        description.write_text(re.sub(rf"(?m)^  name: {MODEL}$", f"  name: {self.model}", text, count=1))
        for agent in (self.src, self.dst):
            agent.start()
            agent("embedded", "user", "set-password", "admin", "--password-file", self.password).ok()
            agent("embedded", "user", "add", "bob", "--password-file", self.password).ok()
            agent.start_tap()
        code = re.search(r"pair accept (\S+)", self.dst("pair", "offer", "--as", "src").ok())[1]
        self.src("pair", "accept", code, f"127.0.0.1:{self.link.port}", "--as", "dst").ok()
        for agent in (self.src, self.dst):
            until("the peers are connected", agent.is_connected)
        self.import_model(self.src)

    def import_model(self, agent):
        agent("embedded", "import", self.sample / "model.yaml", "--blobs", self.sample / "blobs").ok()

    def client(self, name, *agents, **options):
        """A Juju client whose store knows the controllers of these agents."""
        return Juju(self, self.root / name, agents, **options)

    def stop(self):
        self.src.stop()
        self.dst.stop()


class Juju:
    """Juju's own client with a store of its own."""

    def __init__(self, cluster, data, agents, password=True):
        self.data = data
        data.mkdir()
        # A client that finds no list of public clouds asks a host outside for one.
        (data / "public-clouds.yaml").write_text("clouds: {}\n")
        for agent in agents:
            self.knows(agent, cluster.password if password else None)

    def knows(self, agent, password):
        """Adds the controller to the store, with the password where there is one."""
        given = ["--password-file", password] if password else []
        agent("embedded", "client-config", "--juju-data", self.data, "--merge", *given).ok()

    def environment(self):
        # `juju` is the client under test for whatever is typed into a shell.
        programs = self.data / "bin"
        programs.mkdir(exist_ok=True)
        if not (programs / "juju").exists():
            (programs / "juju").symlink_to(tool("JUJU36"))
        return {
            **os.environ, "JUJU_DATA": str(self.data), "HOME": str(self.data), "JUJU_STATUS_ISO_TIME": "true",
            "PATH": f"{programs}:{os.environ['PATH']}",
        }

    def types(self, line):
        """Types a line into a shell."""
        return run(["bash", "-c", line], env=self.environment())

    def __call__(self, *args, **options):
        if "input" in options:
            options["stdin"] = None
        return run([tool("JUJU36"), *args], env=self.environment(), **options)


def log_in_at_the_page(juju, *args):
    """Types `juju login` with a controller's address, trusts what it shows, and completes the login at the page that it names.
    Returns what it printed."""
    login = subprocess.Popen(
        [str(arg) for arg in (tool("JUJU36"), "login", *args)], env=juju.environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    login.stdin.write("y\n")
    login.stdin.flush()
    printed, page = "", None
    for line in login.stdout:
        printed += line
        page = re.search(r"Please visit (\S+) and enter code (\S+) to log in", line)
        if page:
            break
    assert page, printed
    form = urllib.parse.urlencode({"code": page[2], "user": "admin", "password": PASSWORD}).encode()
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(page[1], data=form, context=context, timeout=PATIENCE) as reply:
        assert "You are logged in." in reply.read().decode()
    rest, _ = login.communicate(timeout=PATIENCE)
    assert login.returncode == 0, printed + rest
    return printed + rest


def pytest_configure(config):
    config.addinivalue_line("markers", "cluster(model, destination): what the agents of a test's cluster are made of")


@pytest.fixture
def cluster(tmp_path, request):
    """A cluster for one test, with the arguments that its marker `cluster` has."""
    marker = request.node.get_closest_marker("cluster")
    cluster = Cluster(tmp_path, **(marker.kwargs if marker else {}))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
    for agent in (cluster.src, cluster.dst):
        shutil.rmtree(agent.dir / "state", ignore_errors=True)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cluster for tests that only read."""
    cluster = Cluster(tmp_path_factory.mktemp("shared"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
