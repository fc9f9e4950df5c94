"""Juju 3.6.11's real migration master, with its uploads and its log transfer, moves a model into the embedded controller."""

import json
import re
import subprocess

from conftest import MODEL, PASSWORD, PATIENCE, tool, until

# What Juju 3.6.11 writes in the place of what the sample, of a later Juju, has.
OF_36 = [
    (r"(?m)^machines:\n  version: 4$", "machines:\n  version: 3"),
    (r"(?m)^applications:\n  version: 14$", "applications:\n  version: 13"),
    (r"(?m)^( +)instance:\n( +)version: 6$", r"\1instance:\n\2version: 5"),
]


class Master:
    """The real master with the sample model; its target is the agent dst, which takes live models."""

    def __init__(self, cluster, name):
        self.cluster, self.place = cluster, cluster.root / name
        self.place.mkdir()
        self.model, self.blobs = self.place / "model.yaml", cluster.sample / "blobs"
        text = (cluster.sample / "model.yaml").read_text()
        for later, ours in OF_36:
            text, count = re.subn(later, ours, text)
            assert count, later
        self.model.write_text(text)
        (self.place / "target.json").write_text(json.dumps(target_info(cluster.dst)))

    def command(self, *flags):
        state = self.place / "state.json"
        return [
            tool("MASTER36"), "-model", self.model, "-blobs", self.blobs, "-target", self.place / "target.json",
            "-state", state, "-retry", "1s", "-wait", "5s", *flags,
        ]

    def run(self, *flags):
        """Runs it to its end; returns its exit status, its phases, and everything that it said."""
        done = subprocess.run(self.command(*flags), capture_output=True, text=True, timeout=PATIENCE * 2)
        return done.returncode, phases(done.stdout.splitlines()), done.stdout + done.stderr


def phases(lines):
    events = [json.loads(line) for line in lines]
    return [event["text"] for event in events if event["event"] == "phase"]


def accept_live_models(agent):
    """Starts an agent again that takes live models of real controllers."""
    config = agent.dir / "agent.toml"
    config.write_text(config.read_text().replace("[embedded]\n", "[embedded]\naccept-live-models = true\n"))
    agent.kill()
    agent.start()


def target_info(agent):
    details = agent("show-controller", "--format", "json").json()[agent.name]["details"]
    return {
        "controller-tag": f"controller-{details['uuid']}", "controller-alias": agent.name,
        "addrs": [f"127.0.0.1:{agent.tap_port}"], "ca-cert": details["ca-cert"],
        "auth-tag": "user-admin", "password": PASSWORD,
    }


def lives(agent):
    return agent("show-model", MODEL).code == 0


def test_the_real_master_moves_a_model_with_its_binaries_and_its_log(cluster):
    accept_live_models(cluster.dst)
    master = Master(cluster, "master")
    code, seen, said = master.run()
    assert code == 0, said
    assert seen[:6] == ["IMPORT", "PROCESSRELATIONS", "VALIDATION", "SUCCESS", "LOGTRANSFER", "REAP"], said
    exported = cluster.root / "exported"
    cluster.dst("embedded", "export", MODEL, exported).ok()
    assert (exported / "model.yaml").read_bytes() == master.model.read_bytes()
    sent = [path for kind in ("charms", "tools", "resources") for path in (master.blobs / kind).rglob("*") if path.is_file()]
    for path in sent:
        assert (exported / path.relative_to(master.blobs)).read_bytes() == path.read_bytes(), path
    lines = [len(path.read_text().splitlines()) for path in (master.blobs / "logs").iterdir()]
    kept = [len(path.read_text().splitlines()) for path in (exported / "logs").iterdir()]
    assert sum(kept) == sum(lines) > 0
    report = cluster.dst.report()
    assert report["checked"] > 0 and not report["findings"], report["findings"]


def test_agents_that_report_failure_abort_the_migration_and_a_second_try_succeeds(cluster):
    accept_live_models(cluster.dst)
    code, seen, said = Master(cluster, "fails").run("-minions", "fail-VALIDATION")
    assert code == 3 and seen[-2:] == ["ABORT", "ABORTDONE"], said
    assert not lives(cluster.dst)
    code, _, said = Master(cluster, "again").run()
    assert code == 0, said
    assert lives(cluster.dst)


def test_a_live_model_and_missing_users_are_refused_at_the_prechecks(cluster):
    code, _, said = Master(cluster, "live").run()
    assert code == 3 and "target prechecks failed" in said and "it runs no machines" in said, said
    accept_live_models(cluster.dst)
    cluster.dst("embedded", "user", "remove", "bob").ok()
    code, _, said = Master(cluster, "users").run()
    assert code == 3 and "the users granted access to the model do not exist" in said, said


def test_an_agent_killed_under_the_master_leaves_one_owner(cluster):
    accept_live_models(cluster.dst)
    process = subprocess.Popen(Master(cluster, "killed").command(), stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if phases([line]) in (["IMPORT"], ["VALIDATION"]):
            cluster.dst.kill()
            cluster.dst.start()
    code = process.wait(timeout=PATIENCE * 2)
    assert (code, lives(cluster.dst)) in ((0, True), (3, False)), lines


def test_a_model_that_the_real_master_brings_is_shown_as_such_and_an_operator_can_end_it(cluster):
    accept_live_models(cluster.dst)
    # The model's agents never report, so the master waits in VALIDATION.
    command = Master(cluster, "brought").command("-minions", "silent-VALIDATION", "-wait", "20s")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        arrival = until("status has it", lambda: cluster.dst("status", "--format", "json").json().get("arrivals"))[0]
        assert arrival["by"] == "admin from 127.0.0.1" and arrival["model"] == f"admin/{MODEL}", arrival
        assert "by a Juju controller" in cluster.dst("abort", MODEL).fails(1)
        assert cluster.dst("status", "--format", "json").json()["alarms"] == []
        cluster.dst("resolve", arrival["uuid"], "--discard-frozen", arrival["uuid"]).ok()
        said = process.communicate(timeout=PATIENCE * 2)[0]
        assert process.returncode == 3 and phases(said.splitlines())[-2:] == ["ABORT", "ABORTDONE"], said
        assert not lives(cluster.dst)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
