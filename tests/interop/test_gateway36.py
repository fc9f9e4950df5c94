"""Juju 3.6.11's real migration master moves a live model through the gateway, over the link, into an embedded controller and into
Juju 4.1's own API server. Whatever goes wrong, the model has one owner in the end."""

import json
import re
import socket
import subprocess
import threading
import time

import pytest

from conftest import PASSWORD, Agent, free_port, run, tool, until
from destination41 import Beside
from juju41 import Controller41
from models41 import DATA, as_imported, make_binaries, read, told_by, write
from test_master36 import OF_36

SETTLED = 240
SIZE = "4MiB"
# The first of Juju's phases from which there is no way back.
DECIDED = ["SUCCESS", "LOGTRANSFER", "REAP", "DONE"]


class Source36:
    """A source controller whose migrations Juju's own master runs; its clients are Juju's own."""

    def __init__(self, root, folder, *flags):
        self.dir, self.folder, self.flags = root / "source36", folder, flags
        self.dir.mkdir()
        self.port, self.ca = free_port(socket.SOCK_STREAM), self.dir / "ca.pem"
        self.said, self.process = [], None

    def start(self):
        log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(
            [
                tool("MASTER36"), "-serve", f"127.0.0.1:{self.port}", "-ca", self.ca, "-password", PASSWORD,
                "-model", self.folder / "model.yaml", "-blobs", self.folder / "blobs", "-state", self.dir / "state.json",
                "-retry", "1s", "-wait", "20s", *self.flags,
            ],
            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
        )
        threading.Thread(target=self.listen, args=(self.process.stdout,), daemon=True).start()
        until("the source controller serves", lambda: any(event["event"] == "serving" for event in self.said))
        return self

    def listen(self, lines):
        for line in lines:
            self.said.append(json.loads(line))

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

    def migrate(self):
        """Begins; returns when the master has begun."""
        done = until("the migration begins", self.begun)
        assert done is True, done

    def begun(self):
        started = self.src("migrate", self.name, "dst")
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
        return self.dst("status", "-m", self.name).code == 0

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

    def __init__(self, root, *flags):
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
        # The server names loopback addresses alone, to which no agent is sent.
        self.source = Source36(root, self.folder, "-minions", "blind")
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

    def start(kind, *flags):
        move = kind(tmp_path, *flags)
        started.append(move)
        return move.start()

    yield start
    for move in started:
        move.stop()


def test_the_real_master_moves_a_live_model_over_the_link(moving, tmp_path):
    move = moving(ToEmbedded)
    move.migrate()
    assert move.one_owner() == "destination", move.source.statuses()
    seen = move.source.phases()
    assert seen[:7] == ["IMPORT", "PROCESSRELATIONS", "VALIDATION", "SUCCESS", "LOGTRANSFER", "REAP", "DONE"]
    redirects = [event["text"] for event in move.source.said if event["event"] == "redirect"]
    assert redirects and all(f"localhost:{move.dst.api_port}" in text for text in redirects)
    until("the log has followed", lambda: move.src("show-migration", move.name).code == 0)
    move.compare(tmp_path)


def test_the_real_master_moves_a_live_model_into_a_real_controller(moving):
    move = moving(ToReal)
    move.migrate()
    assert move.one_owner() == "destination", move.source.statuses()
    assert move.real.inside(move.uuid) == told_by(move.model)


# What is looked at in a pair of Juju controllers, beside what is looked at for any model.
OF_A_PAIR = {
    "controller-model": "pass", "source-access": "pass", "gateway": "pass", "gateway-certificate": "warn", "agent-redirects": "pass",
    "agent-rate": "pass", "agent-wait": "pass", "agent-route": "pass", "image-registry": "pass", "offers-again": "pass",
    "storage-references": "pass", "credential-lifetime": "pass", "secret-backends": "pass", "storage-pools": "pass", "bindings": "pass",
    "consumed-offers": "pass",
}


def test_a_pair_is_checked_before_anything_begins(moving):
    move = moving(ToEmbedded)
    planned = lambda: move.src("precheck", move.name, "dst", "--format", "json").json()
    # The gateway learns the destination's addresses as soon as the agents are connected.
    until("the destination is known", lambda: "localhost" in str([one for one in planned()["findings"] if one["check"] == "agent-route"]))
    found = {one["check"]: one for one in planned()["findings"]}
    assert {check: found[check]["level"] for check in OF_A_PAIR} == OF_A_PAIR
    assert f"juju exec --all -m {move.name} -- timeout 5 bash -c '</dev/tcp/localhost/{move.dst.api_port}'" in found["agent-route"]["text"]
    assert "sudo modelferry gateway sign" in found["gateway-certificate"]["fix"]
    assert move.source.phases() == [], "nothing has begun"


@pytest.mark.parametrize("phase", ["IMPORT", "VALIDATION", "SUCCESS"])
def test_a_source_agent_killed_in_any_phase_leaves_one_owner(moving, phase):
    move = moving(ToEmbedded)
    move.migrate()
    move.until_phase(phase)
    move.src.kill()
    move.src.start()
    owner = move.one_owner()
    if phase == "SUCCESS":
        assert owner == "destination", move.source.statuses()


@pytest.mark.parametrize("phase", ["IMPORT", "VALIDATION"])
def test_a_target_agent_killed_in_any_phase_leaves_one_owner(moving, phase):
    move = moving(ToEmbedded)
    move.migrate()
    move.until_phase(phase)
    move.dst.kill()
    time.sleep(5)
    move.dst.start()
    move.one_owner()


@pytest.mark.parametrize("phase", ["IMPORT", "VALIDATION", "SUCCESS"])
def test_a_link_that_is_cut_for_five_seconds_in_any_phase_only_takes_time(moving, phase):
    move = moving(ToEmbedded)
    move.migrate()
    move.until_phase(phase)
    move.link.is_cut = True
    time.sleep(5)
    move.link.is_cut = False
    assert move.one_owner() == "destination", move.source.statuses()


def test_a_source_controller_killed_in_a_migration_goes_on(moving):
    move = moving(ToEmbedded)
    move.migrate()
    move.until_phase("VALIDATION")
    move.source.process.kill()
    move.source.process.wait()
    move.source.start()
    move.one_owner()


def test_agents_that_fail_abort_and_a_second_try_succeeds(moving):
    move = moving(ToEmbedded, "-minions", "fail-VALIDATION")
    move.migrate()
    assert move.one_owner() == "source"
    move.source.process.kill()
    move.source.process.wait()
    move.source.flags = ()
    move.source.said.clear()
    move.source.start()
    move.migrate()
    assert move.one_owner() == "destination", move.source.statuses()


def test_an_import_that_fails_at_the_destination_is_told_in_its_words(moving):
    move = moving(ToReal)
    # What is known to fail is refused before; an operator may know better, or think so.
    config = move.dst.dir / "agent.toml"
    passes = '[embedded]\nrefusals = [{ hurdle = "unknown-settings", level = "pass" }]\n'
    config.write_text(config.read_text() + passes)
    move.dst.kill()
    move.dst.start()
    until("the peers are connected", lambda: move.src("peers", "--format", "json").json()[0]["connected"])
    application = move.model["applications"]["applications"][0]
    # What the description library takes, and the import does not: a setting that the charm does not have.
    application["settings"] = {**(application.get("settings") or {}), "no-such-setting": "x"}
    move.write()
    move.source.process.kill()
    move.source.process.wait()
    move.source.start()
    move.migrate()
    assert move.one_owner() == "source"
    assert "model data transfer failed" in move.source.statuses()


def test_an_instance_that_is_missing_aborts(moving):
    instance = read(DATA / "iaas-4machines.doc12.yaml")["machines"]["machines"][0]["instance"]["instance-id"]
    move = moving(ToReal, "-missing-instance", instance)
    move.migrate()
    assert move.one_owner() == "source"
    assert "machine sanity check failed" in move.source.statuses()


def test_an_adoption_that_fails_is_repeated_until_it_succeeds(moving):
    move = moving(ToReal, "-fail-adopt", "2")
    move.migrate()
    assert move.one_owner() == "destination", move.source.statuses()
