"""Sentences of Juju's page "Migrate models" that hold with Juju's own client and that no other test has; `docs/juju-parity.md` has them all."""

import re
import uuid

import pytest

from conftest import MODEL, until
from statuses import differences, tables
from test_cli36 import arrived, migrated


def status_of(juju, controller):
    """The client's status of the model, without what says where it is."""
    status = juju("status", "-m", f"{controller}:admin/{MODEL}", "--relations", "--storage", "--format", "json").json()
    assert status["model"].pop("controller") == controller
    return status


def test_machines_units_and_relations_are_to_the_client_what_they_were(cluster):
    juju = cluster.client("both", cluster.src, cluster.dst)
    before = status_of(juju, "src")
    assert all(before[table] for table in ("machines", "applications", "storage")), before
    migrated(cluster, juju)
    assert differences(status_of(juju, "dst"), before) == []


@pytest.mark.cluster(destination='version = "4.0.6"\n')
def test_the_client_moves_a_model_to_a_controller_of_a_newer_juju(cluster):
    juju = cluster.client("both", cluster.src, cluster.dst)
    migrated(cluster, juju)
    shown = juju("show-model", f"dst:admin/{MODEL}", "--format", "json").json()[MODEL]
    assert shown["agent-version"] == "3.6.23", "the model is as it was; it is upgraded there"
    assert juju("show-controller", "dst", "--format", "json").json()["dst"]["details"]["agent-version"] == "4.0.6"


def test_one_of_several_models_moves_and_the_client_uses_the_other_meanwhile(cluster):
    description = (cluster.sample / "model.yaml").read_text()
    other = cluster.sample / "other.yaml"
    own = cluster.src("show-model", MODEL, "--format", "json").json()[MODEL]["model-uuid"]
    text = description.replace(own, str(uuid.uuid4()))
    other.write_text(re.sub(rf"(?m)^  name: {MODEL}$", "  name: quiet", text, count=1))
    cluster.src("embedded", "import", other, "--blobs", cluster.sample / "blobs").ok()
    juju = cluster.client("both", cluster.src, cluster.dst)
    # Who balances load sees what each model has.
    [rows] = [rows for heading, rows in tables(juju("models", "-c", "src").ok()).items() if heading.startswith("Model")]
    counts = {row.split()[0].rstrip("*"): re.split(" {2,}", row)[4] for row in rows}
    assert counts[MODEL] == counts["quiet"] == "4", rows
    cluster.src("limit", "dst", "1mbit").ok()
    juju("migrate", f"src:{MODEL}", "dst").ok()
    assert juju("status", "-m", "src:admin/quiet").code == 0
    cluster.src("limit", "dst", "none").ok()
    arrived(cluster)
    assert juju("status", "-m", "src:admin/quiet").code == 0
    assert juju("status", "-m", "dst:admin/quiet").code != 0


REFUSED = {
    "another cloud": ('cloud = "elsewhere"\n', "not found on target controller"),
    "another substrate": ('type = "openstack"\n', "openstack"),
    "an older Juju": ('version = "3.6.1"\n', "3.6.1"),
}


@pytest.mark.parametrize(
    "text", [pytest.param(text, marks=pytest.mark.cluster(destination=lines), id=case) for case, (lines, text) in REFUSED.items()]
)
def test_a_destination_that_does_not_fit_is_refused_to_the_client_and_the_model_stays(cluster, text):
    juju = cluster.client("both", cluster.src, cluster.dst)
    assert text in juju("migrate", f"src:{MODEL}", "dst").fails(1)
    assert MODEL in juju("status", "-m", f"src:admin/{MODEL}").ok()
    assert cluster.src("status", "--format", "json").json()["migrations"] == []


@pytest.mark.cluster(destination='region = "south-9"\n')
def test_a_destination_in_another_region_is_reached_by_its_agent_alone(cluster):
    migrated(cluster, cluster.client("both", cluster.src, cluster.dst))


# In Juju's words and in Juju's order; what comes before them is ours, while the model is live.
PHASES = [
    "starting", "performing", "quiescing", "exporting", "importing", "uploading", "validating", "checking", "activating", "successful",
]


def test_the_client_sees_the_migration_step_through_its_states(cluster):
    juju = cluster.client("both", cluster.src, cluster.dst)
    cluster.src("limit", "dst", "8mbit").ok()
    juju("migrate", f"src:{MODEL}", "dst").ok()
    notes = []

    def has_moved():
        shown = juju("show-model", f"src:admin/{MODEL}", "--format", "json")
        if shown.code:
            return True
        note = shown.json()[MODEL]["status"].get("migration")
        if note and note not in notes[-1:]:
            notes.append(note)
        return False

    until("the model has moved", has_moved)
    arrived(cluster)
    seen = [next((phase for phase in PHASES if note.startswith(phase)), note) for note in notes]
    places = [PHASES.index(phase) for phase in seen if phase in PHASES]
    assert len(set(notes)) > 1 and places == sorted(places), notes
    assert juju("status", "-m", f"src:admin/{MODEL}").code == 1
