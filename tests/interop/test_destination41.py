"""An agent beside Juju 4.1's own API server: models come to a real controller, and nothing of it is lost or doubled."""

import json
import re
import subprocess
import sys
import time

import pytest
import yaml

from conftest import PASSWORD, Agent, until
from destination41 import SETTLED, Beside, moving  # noqa: F401
from juju41 import Controller41
from models41 import agent_password, told_by, write


@pytest.mark.parametrize("sample", ["iaas-4machines.doc12.yaml", "cos-k8s.doc12.yaml"])
def test_a_model_comes_to_a_real_controller_with_everything_in_it(moving, sample):
    move = moving(sample)
    assert move.src("precheck", move.name, "west").code == 0, move.src("precheck", move.name, "west").out
    move.migrate().ok()
    move.has_moved()
    verified = move.dst("verify", move.name)
    assert verified.code == 0, verified.out + verified.err
    if move.model["type"] == "iaas":
        # A unit's agent logs in with the password that it always had.
        unit = move.model["applications"]["applications"][0]["units"]["units"][0]["name"]
        tag = "unit-" + unit.replace("/", "-")
        move.real("agent", move.uuid, tag, password=agent_password(tag)).ok()


def test_a_controller_killed_under_a_migration_comes_back_and_has_one_model_or_none(moving):
    move = moving("iaas-4machines.doc12.yaml")
    move.src("migrate", move.name, "west").ok()
    ended = time.monotonic() + 1.5
    while time.monotonic() < ended:
        move.real.kill()
        move.real.start()
        time.sleep(0.3)
    until("the migration has ended", lambda: move.src("wait", move.name, "--timeout", "60s").code in (0, 3, 7), SETTLED)
    if move.src("show-model", move.name).code == 0:
        move.has_stayed()
    else:
        move.has_moved()


def test_an_import_that_fails_gives_the_model_back_and_is_never_activated(moving):
    move = moving("iaas-4machines.doc12.yaml", "-missing-instance", "none")
    # What the description library takes, and the import does not: two agents with one password.
    machines = move.model["machines"]["machines"]
    machines[1]["password-hash"] = machines[0]["password-hash"]
    write(move.model, move.folder / "model.yaml")
    move.src("embedded", "remove", move.name).ok()
    move.src("embedded", "import", move.folder / "model.yaml", "--blobs", move.folder).ok()
    refused = move.migrate()
    assert refused.code != 0, refused.out
    move.has_stayed()
    assert not move.real.is_live(move.uuid)


def test_an_adoption_that_fails_at_first_is_repeated_and_the_model_is_live_meanwhile(moving):
    move = moving("iaas-4machines.doc12.yaml", "-fail-adopt", "2")
    move.migrate().ok()
    move.has_moved()


def test_an_agent_killed_under_a_migration_goes_on_or_gives_the_model_back(moving):
    move = moving("iaas-4machines.doc12.yaml")
    move.src("migrate", move.name, "west").ok()
    for _ in range(3):
        time.sleep(0.3)
        move.dst.kill()
        move.dst.start()
    until("the migration has ended", lambda: move.src("wait", move.name, "--timeout", "60s").code in (0, 3, 7), SETTLED)
    if move.src("show-model", move.name).code == 0:
        move.has_stayed()
    else:
        move.has_moved()


def test_a_missing_user_and_a_refused_login_are_told_with_the_line_that_mends_them(moving):
    move = moving("iaas-4machines.doc12.yaml")
    move.dst.password.write_text("wrong\n")
    move.dst.kill()
    move.dst.start()
    seen = move.dst("doctor")
    assert seen.code == 7 and "refuses the login" in seen.err, seen.err
    assert move.migrate().code != 0
    move.dst.password.write_text(move.real.told["password"] + "\n")
    until("the new password counts", lambda: move.dst("doctor").code == 0)
    move.migrate().ok()
    move.has_moved()


def test_a_password_that_is_refused_during_a_migration_is_shown_with_what_to_type_and_replaced(moving):
    # The adoption fails for as long as the controller runs, so that the migration is under way meanwhile.
    move = moving("iaas-4machines.doc12.yaml", "-fail-adopt", "1000000")
    move.src("migrate", move.name, "west").ok()
    until("the model is live", lambda: move.real.is_live(move.uuid), SETTLED)
    # Live, and not adopted: a state of its own, with the cloud's reason.
    seen = lambda: move.dst("show-migration", f"{move.uuid}:0", "--format", "json").json()["migration"]
    refused = lambda: seen()["state"] == "Live" and "the cloud refuses to adopt" in (seen()["waiting"] or "")
    until("the failing adoption is shown", refused, SETTLED)
    move.dst.password.write_text("wrong\n")
    move.real.kill()
    move.real.flags = ()
    move.real.start()
    shown = lambda: move.dst("status").out
    told = f"write the password into {move.dst.password}"
    until("the refused login is shown", lambda: "refuses the login" in shown() and told in shown(), SETTLED)
    move.dst.password.write_text(move.real.told["password"] + "\n")
    until("the migration has ended", lambda: move.src("wait", move.name, "--timeout", "60s").code == 0, SETTLED)
    move.has_moved()


def script_in(said):
    """The program that the printed commands run on each machine."""
    lines = said.splitlines()
    begin = lines.index("cat > repoint.py <<'END'") + 1
    return "\n".join(lines[begin:lines.index("END", begin)]) + "\n"


@pytest.mark.parametrize("sample", ["iaas-4machines.doc12.yaml", "cos-k8s.doc12.yaml"])
def test_a_backup_is_restored_into_a_real_controller(moving, tmp_path, sample):
    move = moving(sample)
    archive = tmp_path / "model.tar.zst"
    move.src("backup", "create", move.name, archive).ok()
    assert "add --controller west" in move.dst("backup", "restore", archive).fails()
    assert "it would be on both" in move.dst("backup", "restore", archive, "--controller", "west").fails()
    move.src("embedded", "remove", move.name).ok()
    restored = move.dst("backup", "restore", archive, "--controller", "west")
    assert move.name in restored.ok()
    assert "what was changed since is lost" in restored.err, restored.err
    assert move.real.is_live(move.uuid)
    assert move.real.inside(move.uuid) == told_by(move.model)
    if move.model["type"] == "caas":
        assert "-application-config --type merge" in restored.err, restored.err
        return
    unit = move.model["applications"]["applications"][0]["units"]["units"][0]["name"]
    tag = "unit-" + unit.replace("/", "-")
    move.real("agent", move.uuid, tag, password=agent_password(tag)).ok()
    # What the commands do on a machine, done to an agent's configuration of ours.
    agents = tmp_path / "agents"
    (agents / "machine-0").mkdir(parents=True)
    conf = agents / "machine-0" / "agent.conf"
    before = {"tag": "machine-0", "controller": "controller-lost", "apiaddresses": ["10.9.9.9:17070"], "cacert": "lost", "apipassword": "kept"}
    conf.write_text("# format 2.0\n" + yaml.safe_dump(before))
    script = script_in(restored.err).replace("/var/lib/juju/agents", str(agents))
    subprocess.run([sys.executable, "-"], input=script, text=True, check=True)
    first, after = conf.read_text().split("\n", 1)
    real = move.real.told
    with open(real["ca"]) as ca:
        expected = {**before, "controller": f"controller-{real['controller-uuid']}", "apiaddresses": [real["addr"]], "cacert": ca.read()}
    assert (first, yaml.safe_load(after)) == ("# format 2.0", expected)


class Between(Agent):
    """An agent whose embedded controller takes models from a master of Juju's own."""

    def __init__(self, root):
        super().__init__(root, "mid")
        (self.dir / "agent.toml").write_text(
            f'state-dir = "{self.dir}/state"\n'
            f'socket = "{self.dir}/ferry.sock"\n'
            f'listen = "127.0.0.1:{self.udp_port}"\n\n'
            '[embedded]\nname = "mid"\ncloud = "openstack-eu"\ntype = "openstack"\nregion = "RegionOne"\nversion = "4.1.0"\n'
            f'accept-live-models = true\naddresses = ["127.0.0.1:{self.api_port}"]\n\n'
            f'[embedded.api]\nlisten = "127.0.0.1:{self.api_port}"\n'
        )

    def start(self):
        super().start()
        password = self.dir / "password"
        password.write_text(PASSWORD + "\n")
        self("embedded", "user", "set-password", "admin", "--password-file", password).ok()
        self("embedded", "user", "add", "bob", "--password-file", password).ok()

    def has(self, model):
        """Whether a model is in service here; while its master brings it, it is busy."""
        shown = self("show-model", model, "--format", "json")
        return shown.code == 0 and all(told["status"]["current"] == "available" for told in shown.json().values())

    def target_info(self):
        details = self("show-controller", "--format", "json").json()["mid"]["details"]
        return {
            "controller-tag": f"controller-{details['uuid']}", "controller-alias": "mid",
            "addrs": [f"127.0.0.1:{self.api_port}"], "ca-cert": details["ca-cert"],
            "auth-tag": "user-admin", "password": PASSWORD,
        }


def test_what_a_real_controller_of_4_1_exports_comes_to_another_one_as_it_was_exported(moving, tmp_path):
    move = moving("iaas-4machines.doc12.yaml", "-masters", "-minions")
    move.migrate().ok()
    move.has_moved()
    mid = Between(tmp_path)
    other = Controller41(tmp_path, "other")
    beside = None
    try:
        mid.start()
        other.start()
        beside = Beside(tmp_path, other)
        beside.start()
        until("the other controller is reached", lambda: beside("doctor").code == 0)
        spec = {"specs": [{"model-tag": f"model-{move.uuid}", "target-info": mid.target_info()}]}
        begun = move.real("call", "", "Controller", "InitiateMigration", json.dumps(spec)).json()
        assert not begun["results"][0].get("error"), begun
        until("the master has moved the model", lambda: mid.has(move.name), SETTLED)
        code = re.search(r"pair accept (\S+)", beside("pair", "offer", "--as", "mid").ok())[1]
        mid("pair", "accept", code, f"127.0.0.1:{beside.udp_port}", "--as", "other").ok()
        until("the peers are connected", lambda: mid("peers", "--format", "json").json()[0]["connected"])
        mid("migrate", move.name, "other", "--wait").ok()
        assert other.is_live(move.uuid)
        assert other.inside(move.uuid) == told_by(move.model)
    finally:
        for one in (mid, beside, other):
            if one:
                one.stop()
