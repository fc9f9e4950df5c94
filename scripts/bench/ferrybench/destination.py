"""A real Juju 4.1 controller on this host, an agent beside it, and an agent that sends it models."""

import base64
import copy
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack

from .link import ROOT

sys.path.insert(0, f"{ROOT}/tests/interop")

import models41  # noqa: E402
import yaml  # noqa: E402

MIB = 1 << 20
SAMPLE = models41.DATA / "iaas-4machines.doc12.yaml"
PATIENCE = 1800
# A description of 48 MiB takes its while in plain Python.
Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, check):
    begun = time.monotonic()
    while not (found := check()):
        if time.monotonic() - begun > PATIENCE:
            raise RuntimeError(f"waited in vain: {what}")
        time.sleep(0.1)
    return found


def shipped_environment():
    """What the systemd unit that is shipped sets for an agent."""
    with open(f"{ROOT}/scripts/modelferry.service") as unit:
        return dict(line.removeprefix("Environment=").strip().split("=", 1) for line in unit if line.startswith("Environment="))


class Server:
    """Juju 4.1's own API server."""

    def __init__(self, programs, scratch):
        self.client = f"{programs}/client41"
        log = open(f"{scratch}/server41.log", "w")
        self.process = subprocess.Popen(
            [f"{programs}/server41", "-dir", f"{scratch}/server41", "-cloud", "openstack-eu:openstack:RegionOne", "-user", "bob:bobpw"],
            stdout=subprocess.PIPE, stderr=log, text=True,
        )
        self.told = json.loads(self.process.stdout.readline())

    def __call__(self, *arguments):
        told = self.told
        asked = [self.client, "-addr", told["addr"], "-ca", told["ca"], "-user", told["user"], "-password", told["password"], *arguments]
        done = subprocess.run(asked, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Agent:
    """An agent; `controller` is its part of the configuration."""

    def __init__(self, binary, scratch, name, controller):
        self.binary, self.dir = binary, f"{scratch}/{name}"
        os.makedirs(self.dir)
        self.port = free_port(socket.SOCK_DGRAM)
        with open(f"{self.dir}/agent.toml", "w") as file:
            file.write(
                f'state-dir = "{self.dir}/state"\nsocket = "{self.dir}/sock"\nlisten = "127.0.0.1:{self.port}"\n'
                f'[log]\nfilter = "info,modelferry::controller::juju=debug"\n{controller}'
            )
        self.name, self.log, self.process = name, f"{self.dir}/log", None

    def start(self):
        log = open(self.log, "w")
        self.process = subprocess.Popen(
            [self.binary, "agent", "--config", f"{self.dir}/agent.toml"], stdout=log, stderr=log, env=os.environ | shipped_environment()
        )
        until(f"{self.name} runs", lambda: self.ask("status", quiet=True))

    def ask(self, *arguments, quiet=False):
        done = subprocess.run([self.binary, "--config", f"{self.dir}/agent.toml", *arguments], capture_output=True, text=True)
        if done.returncode and not quiet:
            raise RuntimeError(f"{' '.join(map(str, arguments))}: {done.stderr or done.stdout}")
        return done.stdout if done.returncode == 0 else ""

    def peak_mib(self):
        """The most memory that it has had since it started."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))

    def logged(self, pattern, since=0):
        """Returns what a pattern finds in the log, and how long the log is."""
        with open(self.log) as file:
            text = file.read()
        return re.findall(pattern, text[since:]), len(text)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


class Rig:
    """A server, and a pair of agents: "src" has the models, "dst" is beside the server."""

    def __init__(self, binary, programs, scratch):
        self.scratch, self.running = scratch, ExitStack()
        try:
            self.start(binary, programs)
        except BaseException:
            self.running.close()
            raise

    def start(self, binary, programs):
        self.server = self.stopped_at_last(Server(programs, self.scratch))
        told = self.server.told
        with open(f"{self.scratch}/password", "w") as file:
            file.write(told["password"])
        west = (
            f'[controller]\nkind = "juju"\nname = "west"\nendpoints = ["{told["addr"]}"]\nca-cert = "{told["ca"]}"\n'
            f'password-file = "{self.scratch}/password"\n'
        )
        here = '[embedded]\nname = "src"\ncloud = "openstack-eu"\ntype = "openstack"\nregion = "RegionOne"\n'
        self.src, self.dst = (self.stopped_at_last(Agent(binary, self.scratch, *told)) for told in (("src", here), ("dst", west)))
        for agent in (self.src, self.dst):
            agent.start()
        until("the controller is reached", lambda: self.dst.ask("doctor", quiet=True))
        code = re.search(r"pair accept (\S+)", self.dst.ask("pair", "offer", "--as", "src"))[1]
        self.src.ask("pair", "accept", code, f"127.0.0.1:{self.dst.port}", "--as", "west")
        until("the peers are connected", lambda: json.loads(self.src.ask("peers", "--format", "json"))[0]["connected"])

    def stopped_at_last(self, process):
        self.running.callback(process.stop)
        return process

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running.close()

    def place(self, model, filling=b""):
        """Writes a model with its binaries, and takes it in at the source."""
        folder = f"{self.scratch}/{model['config']['name']}"
        os.makedirs(folder)
        models41.make_binaries(model, models41.Path(folder), filling)
        with open(f"{folder}/model.yaml", "w") as file:
            yaml.dump(model, file, Dumper=Dumper, sort_keys=False, width=1 << 20)
        self.src.ask("embedded", "import", f"{folder}/model.yaml", "--blobs", folder)
        return folder

    def migrate(self, model):
        """Moves a model; returns its view at the source, and what the agent beside the server logged meanwhile."""
        _, since = self.dst.logged("$")
        name, of = model["config"]["name"], model["config"]["uuid"]
        self.src.ask("migrate", name, "west", "--max-freeze", "30m", "--wait")
        calls, _ = self.dst.logged(r"called (\S+) ms=(\d+)", since)
        uploads, _ = self.dst.logged(r"uploaded (.+?) ms=(\d+) bytes=(\d+)", since)
        view = json.loads(self.src.ask("show-migration", f"{of}:0", "--format", "json"))["migration"]
        calls = [(call, int(ms) / 1000) for call, ms in calls]
        return view, calls, [(what, int(ms) / 1000, int(size)) for what, ms, size in uploads]


def sample(name):
    """A small model that the server's import takes."""
    model = models41.read(SAMPLE)
    models41.as_imported(model)
    models41.of_its_own(model, name)
    model["config"]["name"] = name
    return model


def large(name, machines, bytes_wanted=0):
    """A model of so many machines; `bytes_wanted`: how long its description is, by annotations."""
    model = sample(name)
    known = model["machines"]["machines"]
    pattern = copy.deepcopy(known[-1])
    for number in range(len(known), machines):
        machine = copy.deepcopy(pattern)
        machine.update(id=str(number), nonce=f"nonce-{number}", hostname=f"host-{number}")
        machine["instance"]["instance-id"] = f"instance-{number}"
        known.append(machine)
    model["sequences"]["machine"] = machines
    models41.give_passwords(model)
    if bytes_wanted:
        now = len(yaml.dump(model, Dumper=Dumper, sort_keys=False, width=1 << 20))
        letters = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz ", k=(bytes_wanted - now) // machines - 200))
        for machine in known:
            machine["annotations"] = {"note": letters}
    return model


def noise(size):
    """Bytes that do not compress, MiB by MiB: Python makes no 256 MiB at once."""
    source = random.Random(7)
    return b"".join(source.randbytes(min(MIB, size - begin)) for begin in range(0, size, MIB))


def uploads(rig, mib, runs):
    """Lets the agent and curl upload the same charms in turns. Returns their rates in MiB/s, a run each, and the agent's peak."""
    model = sample("charms-0")
    charms = len(model["applications"]["applications"])
    filling = noise(mib * MIB // charms)
    ours, curls, peak = [], [], 0
    for run in range(runs):
        model = sample(f"charms-{run}")
        folder = rig.place(model, filling)
        _, _, sent = rig.migrate(model)
        sent = [(seconds, size) for what, seconds, size in sent if what.startswith("charm ")]
        assert len(sent) == charms, sent
        ours.append(sum(size for _, size in sent) / MIB / sum(seconds for seconds, _ in sent))
        peak = max(peak, rig.dst.peak_mib())
        curls.append(by_curl(rig, model, folder))
    return ours, curls, peak


def by_curl(rig, model, folder):
    """Uploads the charms of a model into a copy of it by curl; returns the rate in MiB/s. The copy is removed."""
    twin = copy.deepcopy(model)
    twin["config"].update(name=model["config"]["name"] + "-curl", uuid=str(uuid.uuid4()))
    # What is live elsewhere keeps its names.
    for application in twin["applications"]["applications"]:
        application.pop("offers", None)
    text = yaml.dump(twin, Dumper=Dumper, sort_keys=False, width=1 << 20)
    of, told = twin["config"]["uuid"], rig.server.told
    rig.server("call", "", "MigrationTarget:7", "Import", json.dumps({"bytes": base64.b64encode(text.encode()).decode()}))
    total, took = 0, 0.0
    for application in twin["applications"]["applications"]:
        url = application["charm-url"]
        path = f"{folder}/charms/{url.replace('/', '_')}"
        digest = application["charm-origin"]["hash"][:8]
        name = re.sub(r"-\d+$", "", url.rsplit("/", 1)[-1])
        done = subprocess.run(
            [
                "curl", "--silent", "--show-error", "--fail-with-body", "--cacert", told["ca"],
                "--connect-to", f"juju-apiserver:17070:{told['addr']}",
                "--user", f"user-{told['user']}:{told['password']}", "--upload-file", path, "--header", "Content-Type: application/zip",
                "--header", f"Juju-Curl: {url}", "--header", f"X-Juju-Migration-Model-UUID: {of}",
                "--write-out", "\n%{size_upload} %{time_total}", f"https://juju-apiserver:17070/migrate/charms/{name}-{digest}",
            ],
            capture_output=True, text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        size, seconds = done.stdout.rsplit("\n", 1)[1].split()
        total, took = total + int(size), took + float(seconds)
    rig.server("call", "", "MigrationTarget:7", "Abort", json.dumps({"model-tag": f"model-{of}"}))
    return total / MIB / took


def frozen(rig, machines):
    """Moves a model of many machines. Returns for how long it was frozen, what of that the server's calls took, and its bytes."""
    model = large(f"machines-{machines}", machines)
    folder = rig.place(model)
    view, calls, sent = rig.migrate(model)
    names = ("Import", "CheckMachines", "Activate")
    server = {name: sum(seconds for call, seconds in calls if call == f"MigrationTarget.{name}") for name in names}
    server["uploads"] = sum(seconds for _, seconds, _ in sent)
    return view["frozen-ms"] / 1000, server, os.path.getsize(f"{folder}/model.yaml")


def described(rig, mib):
    """Moves a model with a description of so many MiB. Returns its bytes, the time of its import, and the agent's peak."""
    model = large(f"described-{mib}", 1000, mib * MIB - 256 * 1024)
    folder = rig.place(model)
    _, calls, _ = rig.migrate(model)
    took = next(seconds for call, seconds in calls if call == "MigrationTarget.Import")
    return os.path.getsize(f"{folder}/model.yaml"), took, rig.dst.peak_mib()
