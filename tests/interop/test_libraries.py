"""Client libraries that nobody here wrote: python-libjuju, jujulib, jubilant."""

import json
import os
from pathlib import Path

import pytest

from conftest import MODEL, PASSWORD, assert_clean, run, tool

CLIENTS = Path(__file__).parent / "clients"


def interpreters():
    return [path for path in os.environ.get("LIBJUJU", "").split(":") if path] or [None]


def uuid_of(agent):
    return agent("show-model", MODEL, "--format", "json").json()[MODEL]["model-uuid"]


def ours(agent):
    status = agent("status", "-m", MODEL, "--format", "json").json()
    return sorted(status["applications"]), sorted(status["machines"])


def ca_of(agent):
    return agent.dir / "ca.pem"


def address_of(agent):
    return f"127.0.0.1:{agent.tap_port}"


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).parent.parent.name if path else "none")
def test_python_libjuju_sees_what_modelferry_sees(shared, python):
    if python is None:
        pytest.skip("LIBJUJU is not set: see scripts/interop")
    agent = shared.src
    looked = run([python, CLIENTS / "look.py", address_of(agent), ca_of(agent), "admin", PASSWORD, uuid_of(agent)]).json()
    applications, machines = ours(agent)
    assert sorted(looked["models"]) == ["controller", MODEL]
    assert (looked["applications"], looked["machines"]) == (applications, machines)
    assert looked["watched"]["applications"] == applications
    assert set(machines) <= set(looked["watched"]["machines"])
    assert_clean(agent, "reply")


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).parent.parent.name if path else "none")
def test_python_libjuju_is_refused_with_a_wrong_password(shared, python):
    if python is None:
        pytest.skip("LIBJUJU is not set: see scripts/interop")
    agent = shared.src
    refused = run([python, CLIENTS / "look.py", address_of(agent), ca_of(agent), "admin", "wrong", uuid_of(agent)]).fails()
    assert "invalid entity name or password" in refused


def test_jujulib_sees_what_modelferry_sees(shared):
    agent = shared.src
    environment = {**os.environ, "NODE_PATH": f"{tool('JUJULIB')}/node_modules", "NODE_EXTRA_CA_CERTS": str(ca_of(agent))}
    address = f"localhost:{agent.tap_port}"
    looked = run(["node", CLIENTS / "look.cjs", address, "admin", PASSWORD, uuid_of(agent)], env=environment).json()
    applications, machines = ours(agent)
    assert looked == {"models": ["controller", MODEL], "name": MODEL, "applications": applications, "machines": machines}
    assert_clean(agent, "reply")


def test_jubilant_on_jujus_client_sees_what_modelferry_sees(shared):
    juju = shared.client("jubilant", shared.src)
    looked = run([tool("JUBILANT"), CLIENTS / "jubilant_look.py", tool("JUJU36"), f"src:admin/{MODEL}"], env=juju.environment()).json()
    applications, machines = ours(shared.src)
    assert (looked["name"], looked["applications"], looked["machines"]) == (MODEL, applications, machines)
    assert_clean(shared.src, "reply")
