"""A migration that a client has begun and looks at, while the link is cut and both agents are killed: one owner, and the client learns which."""

import json
import subprocess
import threading

import pytest

from conftest import MODEL, PASSWORD, node, tool, until
from test_cli36 import arrived
from test_conformance import request
from test_libraries import CLIENTS, address_of, ca_of


def libjuju(which):
    """python-libjuju; `which` of the interpreters."""

    def command(cluster):
        python, src = tool("LIBJUJU").split(":")[which], cluster.src
        return [python, CLIENTS / "follow.py", address_of(src), ca_of(src), "admin", PASSWORD, json.dumps(request(cluster))], None

    return command


def jujulib(cluster):
    src = cluster.src
    asked = json.dumps(request(cluster))
    return ["node", CLIENTS / "follow.cjs", f"localhost:{src.tap_port}", "admin", PASSWORD, asked], node(ca_of(src))


def jubilant(cluster):
    juju = cluster.client("jubilant", cluster.src, cluster.dst)
    return [tool("JUBILANT"), CLIENTS / "jubilant_follow.py", tool("JUJU36"), f"src:admin/{MODEL}", "dst"], juju.environment()


def cli(cluster):
    """Juju's own client, in a loop of a shell, as people write it."""
    juju = cluster.client("loop", cluster.src, cluster.dst)
    look = f"juju status -m src:admin/{MODEL} --format json"
    loop = f"""
        juju migrate src:admin/{MODEL} dst >&2 && echo begun
        until {look} 2>&1 >/dev/null | tee last | grep -q 'has been migrated to controller'; do
            grep -q ERROR last && echo "failed $(head -n 1 last)" || echo look
            sleep 0.3
        done
        echo moved
    """
    return ["bash", "-c", loop], juju.environment()


CLIENTS_OF_ALL_KINDS = {
    "libjuju": libjuju(0), "libjuju-3.5": libjuju(-1), "jujulib": jujulib, "jubilant": jubilant, "cli": cli,
}


class Following:
    """A client that migrates the model and looks at it until it has moved."""

    def __init__(self, cluster, command, environment):
        self.lines = []
        self.errors = open(cluster.root / "follow.err", "w+")
        self.process = subprocess.Popen(
            [str(each) for each in command], env=environment, cwd=cluster.root, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.errors, text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def sees(self, word, since=0):
        """Waits until it prints a line that begins with a word, after so many lines."""
        def found():
            return any(line.startswith(word) for line in self.lines[since:]) or self.process.poll() is not None

        until(f"the client prints {word}", found)
        self.errors.seek(0)
        assert any(line.startswith(word) for line in self.lines[since:]), (self.lines, self.errors.read())

    def ends(self):
        until("the client ends", lambda: self.process.poll() is not None)
        assert self.process.poll() == 0, self.lines
        until("its last line is read", lambda: self.lines[-1:] == ["moved"])

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.mark.parametrize("client", CLIENTS_OF_ALL_KINDS)
def test_what_a_client_began_outlives_a_link_that_is_cut_and_agents_that_are_killed(cluster, client):
    outlives(cluster, CLIENTS_OF_ALL_KINDS[client])


def outlives(cluster, client):
    cluster.src("limit", "dst", "1mbit").ok()
    following = Following(cluster, *client(cluster))
    try:
        following.sees("begun")
        following.sees("look")
        # The link is cut: the client goes on looking, and the source says why nothing moves.
        cluster.link.is_cut = True
        until("src has noticed", lambda: not cluster.src.is_connected())
        following.sees("look", len(following.lines))
        cluster.link.is_cut = False
        until("the link is mended", cluster.src.is_connected)
        # The destination's agent dies, then the source's with the client's connection.
        cluster.dst.kill()
        following.sees("look", len(following.lines))
        cluster.dst.start()
        # Some clients fail then, and dial anew; others wait by themselves.
        cluster.src.kill()
        cluster.src.start()
        following.sees("look", len(following.lines))
        cluster.src("limit", "dst", "none").ok()
        arrived(cluster)
        following.ends()
    finally:
        following.stop()
    owners = [agent.name for agent in (cluster.src, cluster.dst) if agent("show-model", MODEL).code == 0]
    assert owners == ["dst"]
