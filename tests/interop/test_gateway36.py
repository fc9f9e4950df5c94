"""Juju 3.6.11's real migration master moves a live model through the gateway, over the link, into an embedded controller and into
Juju 4.1's own API server, with real minions and under the eyes of Juju's own client."""

import json
import statistics
from datetime import datetime

import yaml

from conftest import PASSWORD, Juju, run, tool, until
from gateway36 import ToEmbedded, ToReal, moving  # noqa: F401
from models41 import agent_password, told_by


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


def minions(source):
    """What each minion has said, with when."""
    said = {}
    for event in source.said:
        if event["event"] == "minion":
            tag, text = event["text"].split(" ", 1)
            said.setdefault(tag, []).append((text, datetime.fromisoformat(event["at"])))
    return said


def test_three_real_minions_follow_their_model_to_the_real_controller(moving):
    move = moving(ToReal, "-address", "localhost", minions="real")
    move.migrate()
    assert move.one_owner() == "destination", move.source.statuses()
    said, cut_off = minions(move.source), []
    assert len(said) == 3 and sum(tag.startswith("unit-") for tag in said) == 1, said
    for tag, lines in said.items():
        texts = [text for text, _ in lines]
        for phase in ("QUIESCE", "VALIDATION", "SUCCESS"):
            assert f"reports {phase}: true" in texts, (tag, texts)
        stopped = next(at for text, at in lines if text == "stops its work")
        knows = next(at for text, at in lines if text.startswith("knows "))
        cut_off.append((knows - stopped).total_seconds())
        # The file that the agent starts from next names the real controller, and its CA.
        conf = move.source.dir / "agents" / "agents" / tag / "agent.conf"
        conf = yaml.safe_load(conf.read_text().split("\n", 1)[1])
        assert conf["apiaddresses"] == [f"localhost:{move.real.port}"]
        assert conf["cacert"].strip() == open(move.real.told["ca"]).read().strip()
        if tag.startswith("unit-"):
            move.real("agent", move.uuid, tag, password=agent_password(tag)).ok()
    # From its last work until the agent.conf with which it begins again.
    print(f"agents without a controller for {min(cut_off):.1f} to {max(cut_off):.1f} s, {statistics.median(cut_off):.1f} s in the middle")


class Client:
    """Juju's own client with a store that knows both controllers."""

    def __init__(self, root, move):
        self.data = root / "juju-data"
        self.data.mkdir()
        (self.data / "public-clouds.yaml").write_text("clouds: {}\n")
        password = root / "dst-password"
        password.write_text(PASSWORD + "\n")
        move.dst("embedded", "user", "set-password", "admin", "--password-file", password).ok()
        move.dst("embedded", "client-config", "--juju-data", self.data, "--merge", "--password-file", password).ok()
        self.add("controllers", "src", {
            "uuid": "0f6e2d3c-52c1-4b0e-8a5e-7d9f1c2b3a4d", "api-endpoints": [f"127.0.0.1:{move.source.port}"],
            "ca-cert": move.source.ca.read_text(), "cloud": "c", "type": "openstack", "agent-version": "3.6.11",
        })
        self.add("accounts", "src", {"user": "admin", "password": PASSWORD})

    def add(self, kind, name, what):
        path = self.data / f"{kind}.yaml"
        known = yaml.safe_load(path.read_text())
        known["controllers"][name] = what
        path.write_text(yaml.safe_dump(known))

    def __call__(self, *args):
        return run([tool("JUJU36"), *args], env=Juju.environment(self))


def test_jujus_own_client_sees_the_model_at_one_controller_before_and_at_the_other_after(moving, tmp_path):
    move = moving(ToEmbedded)
    juju = Client(tmp_path, move)
    named = lambda controller: [model["short-name"] for model in juju("models", "-c", controller, "--format", "json").json()["models"]]
    assert (named("src"), named("dst")) == (["controller", move.name], ["controller"])
    move.migrate()
    assert move.one_owner() == "destination", move.source.statuses()
    gone = juju("status", "-m", f"src:admin/{move.name}")
    # A gateway with a CA of its own has another fingerprint than the controller that the client knows.
    assert f'Model "admin/{move.name}" has been migrated to another controller' in gone.err
    assert f"127.0.0.1:{move.src.gateway_port}" in gone.err
    assert named("dst") == ["controller", move.name]
    status = juju("status", "-m", f"dst:admin/{move.name}", "--format", "json").json()
    assert status["model"]["name"] == move.name and status["applications"]


def test_the_same_master_and_a_plain_target_with_a_lost_reply_to_activate_are_live_on_both(tmp_path):
    """The control: what the gateway is for. Without it Juju's own programs have two owners after the same loss."""
    move = ToReal(tmp_path)
    real = move.real
    try:
        target = tmp_path / "target.json"
        target.write_text(json.dumps({
            "controller-tag": f"controller-{real.told['controller-uuid']}", "controller-alias": "west", "addrs": [real.told["addr"]],
            "ca-cert": open(real.told["ca"]).read(), "auth-tag": "user-admin", "password": real.told["password"],
        }))
        done = run([
            tool("MASTER36"), "-model", move.folder / "model.yaml", "-blobs", move.folder / "blobs", "-target", target,
            "-state", tmp_path / "state.json", "-retry", "1s", "-wait", "5s", "-minions", "blind", "-lose", "Activate",
        ])
        # The source has gone back: it serves the model, and so does the destination.
        assert done.code == 3 and "ABORTDONE" in done.out, done.out + done.err
        assert real.is_live(move.uuid)
    finally:
        real.stop()
