"""What a migration out of Juju 3.6 needs: a source controller whose migration master is Juju's own, an agent beside it with a gateway,
the link, and the destination: an embedded controller, or Juju 4.1's own API server."""

import json
import re
import socket
import subprocess
import threading
from datetime import datetime

import pytest

from conftest import PASSWORD, Agent, free_port, run, tool, until
from destination41 import Beside
from juju41 import Controller41
from models41 import DATA, as_imported, make_binaries, read, write
from test_master36 import OF_36

SETTLED = 240
SIZE = "4MiB"


class Source36:
    """A source controller whose migrations Juju's own master runs; its clients are Juju's own."""

    def __init__(self, root, folder, *flags):
        self.dir, self.folder, self.flags = root / "source36", folder, flags
        self.dir.mkdir()
        self.port, self.ca = free_port(socket.SOCK_STREAM), self.dir / "ca.pem"
        self.said, self.process, self.due = [], None, {}

    def at(self, phase, act):
        """Acts as soon as the master has set this phase, once."""
        self.due[phase] = act

    def start(self):
        log, before = open(self.dir / "log", "ab"), self.served()
        self.process = subprocess.Popen(
            [
                tool("MASTER36"), "-serve", f"127.0.0.1:{self.port}", "-ca", self.ca, "-password", PASSWORD,
                "-model", self.folder / "model.yaml", "-blobs", self.folder / "blobs", "-state", self.dir / "state.json",
                "-retry", "1s", "-wait", "20s", *self.flags,
            ],
            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
        )
        threading.Thread(target=self.listen, args=(self.process.stdout,), daemon=True).start()
        until("the source controller serves", lambda: self.served() > before)
        return self

    def served(self):
        return sum(event["event"] == "serving" for event in self.said)

    def listen(self, lines):
        for line in lines:
            event = json.loads(line)
            if event["event"] == "phase":
                self.due.pop(event["text"], lambda: None)()
            self.said.append(event)

    def restart(self):
        """Ends it at once, and lets it go on from what it had."""
        self.process.kill()
        self.process.wait()
        self.start()

    def seconds(self):
        """How long the last migration took, from its first phase to its end."""
        stamps = [event["at"] for event in self.said if event["event"] == "phase"]
        return (datetime.fromisoformat(stamps[-1]) - datetime.fromisoformat(stamps[0])).total_seconds()

    def phases(self):
        return [event["text"] for event in self.said if event["event"] == "phase"]

    def ended(self):
        return bool(set(self.phases()[-1:]) & {"DONE", "ABORTDONE", "REAPFAILED"})

    def reached(self, phase):
        return phase in self.phases()

    def statuses(self):
        return " | ".join(event["text"] for event in self.said if event["event"] == "status")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class AtSource(Agent):
    """The agent beside the source controller, with a gateway to the agent dst."""

    def __init__(self, root, source):
        super().__init__(root, "src")
        self.gateway_port = free_port(socket.SOCK_STREAM)
        password = self.dir / "password"
        password.write_text(PASSWORD + "\n")
        (self.dir / "agent.toml").write_text(
            f'state-dir = "{self.dir}/state"\n'
            f'socket = "{self.dir}/ferry.sock"\n'
            f'listen = "127.0.0.1:{self.udp_port}"\n\n'
            f'[controller]\nkind = "juju"\nname = "src"\nendpoints = ["127.0.0.1:{source.port}"]\n'
            f'ca-cert = "{source.ca}"\npassword-file = "{password}"\n\n'
            f'[gateways.dst]\nlisten = "127.0.0.1:{self.gateway_port}"\n'
        )


class Link:
    """Carries the agents' datagrams both ways, until it is cut."""

    def __init__(self, target):
        self.target, self.is_cut, self.caller = ("127.0.0.1", target), False, None
        self.front, self.back = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        for end in (self.front, self.back):
            end.bind(("127.0.0.1", 0))
        self.port = self.front.getsockname()[1]
        for carry in (self.there, self.back_again):
            threading.Thread(target=carry, daemon=True).start()

    def there(self):
        while True:
            datagram, self.caller = self.front.recvfrom(1 << 16)
            if not self.is_cut:
                self.back.sendto(datagram, self.target)

    def back_again(self):
        while True:
            datagram = self.back.recv(1 << 16)
            if self.caller and not self.is_cut:
                self.front.sendto(datagram, self.caller)


class Move:
    """What a migration needs: a source controller with a live model, an agent beside it, the link, the destination."""

    def start(self):
        self.source.start()
        for agent in (self.dst, self.src):
            agent.start()
        code = re.search(r"pair accept (\S+)", self.dst("pair", "offer", "--as", "src").ok())[1]
        self.link = Link(self.dst.udp_port)
        self.src("pair", "accept", code, f"127.0.0.1:{self.link.port}", "--as", "dst").ok()
        until("the peers are connected", lambda: self.src("peers", "--format", "json").json()[0]["connected"])
        until("the source controller is reached", lambda: self.src("doctor").code == 0)
        return self

    def migrate(self, *options):
        """Begins; returns when the master has begun."""
        done = until("the migration begins", lambda: self.begun(*options))
        assert done is True, done

    def begun(self, *options):
        started = self.src("migrate", self.name, "dst", *options)
        # The gateway may not have heard of the destination's controller yet.
        return True if started.code == 0 else (None if "not told" in started.err else started.err)

    def until_phase(self, phase):
        until(f"the master reaches {phase}", lambda: self.source.reached(phase) or self.source.ended(), SETTLED)

    def until_ended(self):
        until("the master has ended", self.source.ended, SETTLED)
        return self.source.phases()[-1]

    def one_owner(self):
        """Waits for both ends, and returns who owns the model: never both, never nobody."""
        end = self.until_ended()
        if end == "DONE":
            until("the destination serves the model", self.is_live, SETTLED)
            until("the source agent knows", lambda: self.src("wait", self.name, "--timeout", "30s").code == 0, SETTLED)
            return "destination"
        assert end == "ABORTDONE", self.source.statuses()
        until("the destination has nothing of it", lambda: not self.is_there(), SETTLED)
        assert not self.is_live()
        return "source"

    def stop(self):
        for agent in (self.src, self.dst):
            agent.stop()
        self.source.stop()


def as_written_by_36(path):
    """Changes a description of a later Juju to what 3.6.11 reads."""
    text = path.read_text()
    for later, ours in OF_36:
        text, count = re.subn(later, ours, text)
        assert count, later
    path.write_text(text)


class ToEmbedded(Move):
    """The destination is an embedded controller, which takes live models for these tests alone."""

    def __init__(self, root, *flags):
        self.name = "shop-eu"
        folder = root / "model"
        run([tool("MODELFERRY"), "demo", "--write-model", folder, "--size", SIZE]).ok()
        as_written_by_36(folder / "model.yaml")
        self.source = Source36(root, folder, *flags)
        self.dst = Agent(root, "dst")
        config = self.dst.dir / "agent.toml"
        # Agents are never sent to loopback addresses; they keep this name of one.
        told = config.read_text().replace(f'"127.0.0.1:{self.dst.tap_port}"', f'"localhost:{self.dst.api_port}"')
        config.write_text(told.replace("[embedded]\n", "[embedded]\naccept-live-models = true\n"))
        self.src = AtSource(root, self.source)

    def start(self):
        super().start()
        for user in ("bob", "carol"):
            self.dst("embedded", "user", "add", user)
        return self

    def row(self):
        return next((row for row in self.dst("models", "--format", "json").json()["models"] if row["short-name"] == self.name), None)

    def is_there(self):
        return self.row() is not None

    def is_live(self):
        """Whether it is in service; while its master brings it, it is busy."""
        shown = self.dst("show-model", self.name, "--format", "json")
        return shown.code == 0 and all(told["status"]["current"] == "available" for told in shown.json().values())

    def compare(self, root):
        """Every byte is there: description, binaries, log."""
        exported = root / "exported"
        self.dst("embedded", "export", self.name, exported).ok()
        assert (exported / "model.yaml").read_bytes() == (self.source.folder / "model.yaml").read_bytes()
        blobs = self.source.folder / "blobs"
        sent = [path for kind in ("charms", "tools", "resources") for path in (blobs / kind).rglob("*") if path.is_file()]
        for path in sent:
            assert (exported / path.relative_to(blobs)).read_bytes() == path.read_bytes(), path
        count = lambda folder: sum(len(path.read_text().splitlines()) for path in (folder / "logs").iterdir())
        assert count(exported) == count(blobs) > 0


class ToReal(Move):
    """The destination is Juju 4.1's own API server."""

    def __init__(self, root, *flags, minions="blind", lose=None):
        self.folder = root / "model"
        self.folder.mkdir()
        self.model = read(DATA / "iaas-4machines.doc12.yaml")
        as_imported(self.model)
        blobs = self.folder / "blobs"
        blobs.mkdir()
        make_binaries(self.model, blobs)
        self.write()
        self.name, self.uuid = self.model["config"]["name"], self.model["config"]["uuid"]
        self.real = Controller41(root, "west", *flags).start()
        # A server that names loopback addresses alone is one to which no agent is sent.
        self.source = Source36(root, self.folder, "-minions", minions, *(["-lose", lose] if lose else []))
        self.dst = Beside(root, self.real)
        self.src = AtSource(root, self.source)

    def write(self):
        write(self.model, self.folder / "model.yaml")
        as_written_by_36(self.folder / "model.yaml")

    def is_there(self):
        return f"admin/{self.name}" in self.real.models()

    def is_live(self):
        return self.real.is_live(self.uuid)

    def stop(self):
        super().stop()
        self.real.stop()


@pytest.fixture
def moving(tmp_path):
    """Starts a move; stops everything in the end."""
    started = []

    def start(kind, *flags, **options):
        move = kind(tmp_path, *flags, **options)
        started.append(move)
        return move.start()

    yield start
    for move in started:
        move.stop()
