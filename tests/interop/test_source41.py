"""Juju 4.1's own API server and migration master as the source: by the gateway and the link into another one, version 8 of
`MigrationTarget`, with a macaroon that the gateway has made. To DONE only: the agents are made up, and after DONE Juju itself goes on
taking changes at the source, which `precheck` says."""

import json
import re
import socket

import pytest

from conftest import free_port, until
from destination41 import SETTLED, Beside, Move
from juju41 import Controller41
from models41 import told_by

SAMPLE = "iaas-4machines.doc12.yaml"


class Onwards:
    """A model that has come to the real controller "west", and the real controller "east"."""

    def __init__(self, root, *flags):
        self.first = Move(root, SAMPLE, "-masters", "-minions", *flags)
        self.east = Controller41(root, "east")
        self.name, self.uuid = self.first.name, self.first.uuid

    def start(self, root):
        self.first.start(root)
        self.first.migrate().ok()
        self.west, self.source = self.first.real, self.first.dst
        self.east.start()
        self.target = Beside(root, self.east)
        config = self.source.dir / "agent.toml"
        config.write_text(config.read_text() + f'\n[gateways.east]\nlisten = "127.0.0.1:{free_port(socket.SOCK_STREAM)}"\n')
        self.source.kill()
        self.source.start()
        self.target.start()
        until("the controller is reached", lambda: self.target("doctor").code == 0)
        code = re.search(r"pair accept (\S+)", self.target("pair", "offer", "--as", "west").ok())[1]
        self.source("pair", "accept", code, f"127.0.0.1:{self.target.udp_port}", "--as", "east").ok()
        connected = lambda: all(peer["connected"] for peer in self.source("peers", "--format", "json").json())
        until("the peers are connected", connected)

    def migrate(self):
        """Begins, once the made-up agents look alive to the controller's prechecks."""
        said = until("the migration begins", self.begun, SETTLED)
        assert said is True, said

    def begun(self):
        started = self.source("migrate", self.name, "east")
        return True if started.code == 0 else (None if "not told" in started.err else started.err)

    def is_served_at_west(self):
        """Whether the source takes changes to the model: a call that changes nothing."""
        return self.west("call", self.uuid, "Annotations:2", "Set", '{"annotations":[]}').code == 0

    def stop(self):
        self.first.stop()
        if hasattr(self, "target"):
            self.target.stop()
        self.east.stop()


@pytest.fixture
def onwards(tmp_path):
    """Starts both controllers; stops everything in the end."""
    started = []

    def start(*flags):
        move = Onwards(tmp_path, *flags)
        started.append(move)
        move.start(tmp_path)
        return move

    yield start
    for move in started:
        move.stop()


def test_the_real_master_of_4_1_moves_a_model_into_another_real_controller(onwards):
    move = onwards()
    checked = move.source("precheck", move.name, "east")
    assert checked.code == 0, checked.out + checked.err
    # What is not promised of such a source is said before.
    assert "goes on taking changes" in checked.out and "nothing travels ahead" in checked.out
    move.migrate()
    until("the destination serves the model", lambda: move.east.is_live(move.uuid), SETTLED)
    assert move.east.inside(move.uuid) == told_by(move.first.model)
    until("the source's agent knows", lambda: move.source("wait", move.name, "--timeout", "30s").code == 0, SETTLED)


def test_a_lost_reply_to_activate_of_a_master_of_4_1_leaves_the_source_the_only_owner(onwards):
    move = onwards("-lose", "Activate")
    move.migrate()
    until("the source's agent has heard of the abort", lambda: move.source("wait", move.name, "--timeout", "30s").code not in (0, 124), SETTLED)
    until("the destination has nothing of it", lambda: f"admin/{move.name}" not in move.east.models(), SETTLED)
    assert move.is_served_at_west() and move.west.is_live(move.uuid)
    assert not move.east.is_live(move.uuid)


def test_the_same_master_of_4_1_and_a_plain_target_are_live_on_both_after_the_same_loss(onwards):
    """The control."""
    move = onwards("-lose", "Activate")
    told = move.east.told
    target = {
        "controller-tag": f"controller-{told['controller-uuid']}", "controller-alias": "east", "addrs": [told["addr"]],
        "ca-cert": open(told["ca"]).read(), "auth-tag": "user-admin", "password": told["password"],
    }
    begin = {"specs": [{"model-tag": f"model-{move.uuid}", "target-info": target}]}
    asked = move.west("call", "", "Controller", "InitiateMigration", json.dumps(begin)).json()
    assert not asked["results"][0].get("error"), asked
    until("the destination serves the model", lambda: move.east.is_live(move.uuid), SETTLED)
    until("the source has gone back, and serves it as well", lambda: move.is_served_at_west() and move.west.is_live(move.uuid), SETTLED)
    assert move.east.is_live(move.uuid)
