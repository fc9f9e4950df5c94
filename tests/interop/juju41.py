"""A real Juju 4.1 controller for tests."""

import json
import socket
import subprocess

import pytest

from conftest import PATIENCE, free_port, run, tool

class Controller41:
    """Juju 4.1's own API server over SQLite; `flags` are those of server41."""

    def __init__(self, root, name, *flags):
        self.name, self.dir, self.flags = name, root / name, flags
        self.port = free_port(socket.SOCK_STREAM)
        self.process = None
        self.told = {}

    def start(self):
        """Starts it, or starts it again on what it had."""
        log = open(f"{self.dir}.log", "ab")
        self.process = subprocess.Popen(
            [
                tool("SERVER41"), "-dir", self.dir, "-name", self.name, "-listen", f"127.0.0.1:{self.port}",
                "-cloud", "openstack-eu:openstack:RegionOne", "-cloud", "microk8s:kubernetes:localhost",
                "-user", "bob:bobpw", *self.flags,
            ],
            stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True,
        )
        line = self.process.stdout.readline()
        assert line, f"server41 did not start; see {self.dir}.log"
        self.told = json.loads(line)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()

    def __call__(self, *args, password=None):
        """Asks it with Juju 4.1's own client."""
        told = self.told
        return run([
            tool("CLIENT41"), "-addr", told["addr"], "-ca", told["ca"], "-user", told["user"],
            "-password", password or told["password"], *args,
        ])

    def models(self):
        """The UUIDs of its models by `owner/name`."""
        return {f"{m['Qualifier']}/{m['Name']}": m["UUID"] for m in self("models").json()}

    def is_live(self, model):
        """Whether the model is in service: it can be logged in to, and no migration holds it."""
        info = self("info", model).json()[0]
        result = info.get("result") or {}
        if result.get("migration") or (result.get("status") or {}).get("status") != "available":
            return False
        return self("status", model).code == 0

    def inside(self, model):
        """The names of the model's applications, units and machines, as Juju's own FullStatus has them."""
        status = self("status", model).json()
        machines, pending = set(), dict(status["machines"] or {})
        while pending:
            name, machine = pending.popitem()
            machines.add(name)
            pending.update(machine["containers"] or {})
        units = set()
        for application in (status["applications"] or {}).values():
            for name, unit in (application["units"] or {}).items():
                units |= {name, *(unit["subordinates"] or {})}
        return {"applications": set(status["applications"] or {}), "units": units, "machines": machines}


@pytest.fixture
def real(tmp_path):
    """A real controller called "west"."""
    controller = Controller41(tmp_path, "west")
    try:
        yield controller.start()
    finally:
        controller.stop()
