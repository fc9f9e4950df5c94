"""What an operator does beside Juju 4.1's own API server: docs/juju.md as it is typed, other logins, and a full disk."""

import json
import os
import re
import socket
import stat
import subprocess
from pathlib import Path

import yaml

from conftest import PATIENCE, free_port, run, tool, until
from destination41 import SETTLED, Move, SmallDisk, moving  # noqa: F401

DOCUMENT = Path(__file__).parents[2] / "docs" / "juju.md"
SAMPLE = "iaas-4machines.doc12.yaml"
PASSWORD = "a long password"


def block(text, kind):
    """The first block of this kind in a text."""
    return re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)[1]


class Shell:
    """A host's shell: the real Juju client and agent, and stand-ins for what only a host with systemd has."""

    def __init__(self, root, real, answers):
        self.etc, self.data, self.answers = root / "etc", root / "juju", answers
        self.port = free_port(socket.SOCK_DGRAM)
        self.process = None
        self.data.mkdir()
        told = real.told
        details = {"uuid": told["controller-uuid"], "api-endpoints": [told["addr"]], "ca-cert": Path(told["ca"]).read_text()}
        write = lambda name, content: (self.data / name).write_text(yaml.safe_dump(content))
        write("controllers.yaml", {"controllers": {"west": details}, "current-controller": "west"})
        write("accounts.yaml", {"controllers": {"west": {"user": told["user"], "password": told["password"]}}})
        # A client that finds no list of public clouds asks a host outside for one.
        write("public-clouds.yaml", {"clouds": {}})
        self.config = root / "modelferry.toml"
        self.log = root / "agent.log"
        self.socket = root / "ferry.sock"
        self.state = root / "state"
        self.home = root

    def configure(self, text, real):
        """What the operator writes into the editor: the document's text, with this controller's address."""
        text = re.sub(r"endpoints = \[.*\]", f'endpoints = ["{real.told["addr"]}"]', self.here(text))
        self.config.write_text(
            f'state-dir = "{self.state}"\nsocket = "{self.socket}"\nlisten = "127.0.0.1:{self.port}"\n\n{text}'
        )

    def here(self, text):
        # Nobody's group but ours is on this host.
        return text.replace("/etc/modelferry", str(self.etc)).replace("--group=modelferry", f"--group={os.getgid()}")

    def type(self, command):
        """Types a command, and what it asks for."""
        if command == "sudo systemctl restart modelferry":
            return self.restart()
        prelude = f"""
            set -euo pipefail
            export JUJU_DATA={self.data} HOME={self.home}
            sudo() {{ "$@"; }}
            sudoedit() {{ cp {self.config} "$1"; }}
            juju() {{ {tool("JUJU36")} "$@"; }}
            modelferry() {{ {tool("MODELFERRY")} --socket {self.socket} "$@"; }}
        """
        asked = next((answer for name, answer in self.answers.items() if name in command), "")
        return run(["bash", "-c", prelude + self.here(command)], input=asked, stdin=None).ok()

    def restart(self):
        self.stop()
        command = [tool("MODELFERRY"), "agent", "--config", self.etc / "modelferry.toml"]
        self.process = subprocess.Popen([str(part) for part in command], stderr=open(self.log, "ab"), stdin=subprocess.DEVNULL)
        until("the agent answers", lambda: run([tool("MODELFERRY"), "--socket", self.socket, "status"]).code == 0)
        return ""

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE)


def test_the_ten_commands_of_the_document_bring_a_model_to_a_real_controller_as_they_are_typed(tmp_path):
    text = DOCUMENT.read_text()
    text = text[text.index("## The destination, in ten commands"):]
    commands = [line[2:] for line in block(text, "console").splitlines()]
    assert len(commands) == 10
    move = Move(tmp_path, SAMPLE)
    answers = {"change-user-password": f"{PASSWORD}\n{PASSWORD}\n", "west-password": f"{PASSWORD}\n"}
    shell = None
    try:
        move.real.start()
        move.src.start()
        move.src("embedded", "import", move.folder / "model.yaml", "--blobs", move.folder).ok()
        shell = Shell(tmp_path, move.real, answers)
        shell.configure(block(text, "toml"), move.real)
        said = [shell.type(command) for command in commands]
        # The agent's user has to get at the files, and nobody else at the password.
        mode = lambda path: stat.S_IMODE(path.stat().st_mode)
        assert mode(shell.etc) & 0o055 == 0o055 and mode(shell.etc / "west-ca.pem") & 0o044 == 0o044
        assert mode(shell.etc / "west-password") == 0o640
        code = re.search(r"pair accept (\S+)", said[9])[1]
        after = re.findall(r"`(modelferry [^`]+)`", text[text.index("Then, at the source's host"):])
        assert [line.split()[1] for line in after[:4]] == ["pair", "precheck", "migrate", "verify"]
        words = {"CODE": code, "ADDRESS": f"127.0.0.1:{shell.port}", "MODEL": move.name}
        typed = [[words.get(word, word) for word in line.split()[1:]] for line in after[:4]]
        move.src(*typed[0]).ok()
        until("the peers are connected", lambda: move.src("peers", "--format", "json").json()[0]["connected"])
        for line in typed[1:3]:
            move.src(*line).ok()
        move.has_moved()
        shell.type("modelferry " + " ".join(typed[3]))
    finally:
        if shell:
            shell.stop()
        move.stop()


def test_a_model_comes_with_macaroons_that_the_controller_has_minted(moving, tmp_path):
    def proof(real):
        minted = real("call", "", "MigrationTarget:8", "CreateMigrationMacaroon", "{}").json()["macaroon"]
        (tmp_path / "macaroons").write_text(json.dumps([[minted]]))
        told = real.told
        return f'endpoints = ["{told["addr"]}"]\nca-cert = "{told["ca"]}"\nmacaroons-file = "{tmp_path}/macaroons"'

    move = moving(SAMPLE, proof=proof)
    move.migrate().ok()
    move.has_moved()
    assert move.dst("verify", move.name).code == 0


def test_a_full_disk_of_the_agent_is_waited_for_and_the_model_has_one_owner(moving):
    move = moving(SAMPLE, disk_mib=96)
    if not move.disk:
        return
    move.src("migrate", move.name, "west", "--hold").ok()
    of = f"{move.uuid}:0"
    seen = lambda: move.src("show-migration", of, "--format", "json").json()["migration"]
    until("the copy is there", lambda: "ready, waiting for cutover" in seen()["note"], SETTLED)
    move.disk.fill()
    move.src("cutover", of).ok()
    shown = lambda: "disk is full" in move.dst("status").out + json.dumps(seen())
    until("the full disk is shown", shown, SETTLED)
    assert not move.real.is_live(move.uuid)
    move.disk.free()
    until("the migration has ended", lambda: move.src("wait", of, "--timeout", "60s").code == 0, SETTLED)
    move.has_moved()
