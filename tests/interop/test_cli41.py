"""Juju's own client, 4.1-beta2, on the embedded controller: it looks, it migrates, it is redirected. Built by `scripts/interop --long`."""

import pytest

from conftest import MODEL, tool
from test_cli36 import comparable, migrated


@pytest.fixture(autouse=True)
def client(monkeypatch):
    monkeypatch.setenv("JUJU36", tool("JUJU41"))


def test_the_client_of_juju_4_1_sees_what_modelferry_sees(shared):
    juju = shared.client("looks-41", shared.src)
    listed = juju("models", "-c", "src", "--format", "json").json()
    assert MODEL in {model["short-name"] for model in listed["models"]}
    theirs = juju("status", "-m", f"src:admin/{MODEL}", "--format", "json", "--relations").json()
    ours = shared.src("status", "-m", MODEL, "--format", "json", "--relations").json()
    assert comparable(theirs) == comparable(ours)
    shown = juju("show-model", f"src:admin/{MODEL}", "--format", "json").json()[MODEL]
    assert shown["model-uuid"] == shared.src("show-model", MODEL, "--format", "json").json()[MODEL]["model-uuid"]


def test_the_client_of_juju_4_1_migrates_and_is_redirected(cluster):
    juju = cluster.client("both-41", cluster.src, cluster.dst)
    juju("status", "-m", f"src:admin/{MODEL}").ok()
    migrated(cluster, juju)
    assert "has been migrated to controller" in juju("status", "-m", f"src:admin/{MODEL}").fails(1)
    assert MODEL in juju("status", "-m", f"dst:admin/{MODEL}").ok()
