"""Juju's own client, 4.1-beta2, does what that of 3.6.11 does: the same tests with the other program. Built by `scripts/interop --long`."""

import pytest

from conftest import MODEL, tool
from test_cli36 import *  # noqa: F401, F403
from test_conformance import test_list_show_and_status_are_modelferrys_field_by_field_in_each_form  # noqa: F401
from test_faults import cli, outlives
from test_seeds import *  # noqa: F401, F403


@pytest.fixture(autouse=True)
def client(monkeypatch):
    monkeypatch.setenv("JUJU36", tool("JUJU41"))


def test_a_dry_run_of_the_client_of_juju_4_1_begins_nothing(cluster):
    juju = cluster.client("dry-run", cluster.src, cluster.dst)
    juju("migrate", "--dry-run", f"src:admin/{MODEL}", "dst").ok()
    assert cluster.src("status", "--format", "json").json()["migrations"] == [], "a dry run has begun something"
    cluster.dst("embedded", "user", "remove", "bob").ok()
    assert "bob" in juju("migrate", "--dry-run", f"src:admin/{MODEL}", "dst").fails()


def test_what_the_client_of_juju_4_1_began_outlives_a_link_that_is_cut_and_agents_that_are_killed(cluster):
    outlives(cluster, cli)
