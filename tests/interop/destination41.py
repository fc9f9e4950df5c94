"""A move of a sample model to a real Juju 4.1 controller: an agent beside it, another one that has the model."""

import re
import subprocess

import pytest

from conftest import Agent, until
from juju41 import Controller41
from models41 import DATA, as_imported, make_binaries, read, told_by, write

# An import that was under way is given up after a minute, since nobody can tell what came of it. Calls are tried again at intervals
# that double up to a minute.
SETTLED = 240
LOG = "2026-08-18T10:13:14.5Z INFO machine-0 juju.worker: a line of the log\n"


class Beside(Agent):
    """An agent beside a real controller."""

    def __init__(self, root, controller, proof=None):
        """`proof`: the keys that say who logs in; the user's password without."""
        super().__init__(root, f"{controller.name}-agent")
        told = controller.told
        self.password = self.dir / "password"
        self.password.write_text(told["password"] + "\n")
        proof = proof or f'endpoints = ["{told["addr"]}"]\nca-cert = "{told["ca"]}"\npassword-file = "{self.password}"'
        (self.dir / "agent.toml").write_text(
            f'state-dir = "{self.dir}/state"\n'
            f'socket = "{self.dir}/ferry.sock"\n'
            f'listen = "127.0.0.1:{self.udp_port}"\n\n'
            f'[controller]\nkind = "juju"\nname = "{controller.name}"\n{proof}\n'
        )


class Source(Agent):
    """An agent with an embedded controller whose cloud is a description's."""

    def __init__(self, root, cloud, kind, region):
        super().__init__(root, "src")
        (self.dir / "agent.toml").write_text(
            f'state-dir = "{self.dir}/state"\n'
            f'socket = "{self.dir}/ferry.sock"\n'
            f'listen = "127.0.0.1:{self.udp_port}"\n\n'
            f'[embedded]\nname = "src"\ncloud = "{cloud}"\ntype = "{kind}"\nregion = "{region}"\n'
        )


class SmallDisk:
    """A file system in memory, mounted at an agent's state directory."""

    def __init__(self, path):
        self.filler = path / "filler"
        self.path = path

    @classmethod
    def mount(cls, path, mib):
        """Mounts one of `mib` MiB; nothing where that is not allowed."""
        path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs", path], capture_output=True)
        if done.returncode == 0:
            return cls(path)
        print("not root: no disk is mounted, and this is left to the tests on a faulty disk")
        return None

    def fill(self):
        """Takes all the space that there is."""
        with open(self.filler, "wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(1 << 16))
                except OSError:
                    return

    def free(self):
        self.filler.unlink()

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], capture_output=True)


class Move:
    """A model at an agent's embedded controller, and the real controller that it is to come to."""

    def __init__(self, root, sample, *flags):
        self.folder = root / "model"
        self.folder.mkdir()
        self.model = read(DATA / sample)
        as_imported(self.model)
        make_binaries(self.model, self.folder)
        (self.folder / "logs").mkdir()
        (self.folder / "logs" / "0001.log").write_text(LOG)
        write(self.model, self.folder / "model.yaml")
        self.disk = None
        self.name, self.uuid = self.model["config"]["name"], self.model["config"]["uuid"]
        self.real = Controller41(root, "west", *flags)
        if self.model["type"] == "caas":
            self.real.flags += ("-known", self.folder / "model.yaml")
            self.src = Source(root, "microk8s", "kubernetes", "localhost")
        else:
            self.src = Source(root, "openstack-eu", "openstack", "RegionOne")

    def start(self, root, proof=None, disk_mib=None):
        """`proof`: makes the keys that say who logs in, once the controller runs. `disk_mib`: how large the disk is that the agent
        beside it has for itself, if it has one."""
        self.real.start()
        self.dst = Beside(root, self.real, proof and proof(self.real))
        if disk_mib:
            self.disk = SmallDisk.mount(self.dst.dir / "state", disk_mib)
        for agent in (self.src, self.dst):
            agent.start()
        until("the controller is reached", lambda: self.dst("doctor").code == 0)
        code = re.search(r"pair accept (\S+)", self.dst("pair", "offer", "--as", "src").ok())[1]
        self.src("pair", "accept", code, f"127.0.0.1:{self.dst.udp_port}", "--as", "west").ok()
        until("the peers are connected", lambda: self.src("peers", "--format", "json").json()[0]["connected"])
        self.src("embedded", "import", self.folder / "model.yaml", "--blobs", self.folder).ok()

    def migrate(self, *flags):
        return self.src("migrate", self.name, "west", "--wait", *flags)

    def has_moved(self):
        """The model is in service at the real controller, whole, and its source sends its users there."""
        assert self.real.is_live(self.uuid)
        assert self.real.inside(self.uuid) == told_by(self.model)
        gone = self.src("show-model", self.name)
        assert "has been migrated to" in gone.fails(), gone.err

    def has_stayed(self):
        """The model is in service at its source alone."""
        assert self.src("show-model", self.name).code == 0
        until("the real controller has nothing of it", lambda: f"admin/{self.name}" not in self.real.models())

    def stop(self):
        for agent in (self.src, getattr(self, "dst", None)):
            if agent:
                agent.stop()
        self.real.stop()
        if self.disk:
            self.disk.unmount()


@pytest.fixture
def moving(tmp_path):
    """Starts a move of a sample; stops everything in the end."""
    started = []

    def start(sample, *flags, proof=None, disk_mib=None):
        move = Move(tmp_path, sample, *flags)
        started.append(move)
        move.start(tmp_path, proof, disk_mib)
        return move

    yield start
    for move in started:
        move.stop()
