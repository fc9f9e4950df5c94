"""Client libraries that nobody here wrote: python-libjuju, jujulib, jubilant."""

import os
from pathlib import Path

import pytest

from conftest import MODEL, PASSWORD, assert_clean, node, run, tool
from statuses import by_full_status, by_status, with_dashes

CLIENTS = Path(__file__).parent / "clients"


def interpreters():
    return [path for path in os.environ.get("LIBJUJU", "").split(":") if path] or [None]


def uuid_of(agent):
    return agent("show-model", MODEL, "--format", "json").json()[MODEL]["model-uuid"]


def ours(agent):
    """What `modelferry status` shows of the model."""
    return by_status(agent("status", "-m", MODEL, "--format", "json").json())


def shown(agent):
    """What `modelferry show-model` shows of it, as far as a library's ModelInfo has it."""
    told = agent("show-model", MODEL, "--format", "json").json()[MODEL]
    keys = ("model-uuid", "model-type", "controller-uuid", "owner", "cloud", "region", "type", "life", "agent-version")
    users = {name: user["access"] for name, user in told["users"].items()}
    return {"name": told["short-name"], **{key: told[key] for key in keys}, "users": users}


def by_info(info):
    """The same of the reply to ModelManager.ModelInfo."""
    return {
        "name": info["name"], "model-uuid": info["uuid"], "model-type": info["type"], "controller-uuid": info["controller-uuid"],
        "owner": (info.get("owner-tag") or "").removeprefix("user-") or info["qualifier"],
        "cloud": info["cloud-tag"].removeprefix("cloud-"), "region": info["cloud-region"], "type": info["provider-type"],
        "life": info["life"], "agent-version": info["agent-version"],
        "users": {user["user"]: user["access"] for user in info["users"]},
    }


def listed(agent):
    return sorted(model["name"].split("/")[-1] for model in agent("models", "--format", "json").json()["models"])


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
    assert sorted(looked["models"]) == listed(agent) == ["controller", MODEL]
    assert by_full_status(looked["status"]) == ours(agent)
    if looked["info"]:
        assert by_info(looked["info"]) == shown(agent)
    assert looked["watched"]["applications"] == sorted(ours(agent)["applications"])
    assert set(ours(agent)["machines"]) <= set(looked["watched"]["machines"])
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
    address = f"localhost:{agent.tap_port}"
    looked = run(["node", CLIENTS / "look.cjs", address, "admin", PASSWORD, uuid_of(agent)], env=node(ca_of(agent))).json()
    assert looked["models"] == listed(agent) == ["controller", MODEL]
    assert by_info(looked["info"]) == shown(agent)
    assert by_full_status(looked["status"]) == ours(agent)
    assert_clean(agent, "reply")


def test_jujulib_is_refused_with_a_wrong_password(shared):
    agent = shared.src
    look = ["node", CLIENTS / "look.cjs", f"localhost:{agent.tap_port}", "admin", "wrong", uuid_of(agent)]
    # It says so in its own words, and only of this answer.
    assert "Have you been granted permission to a model on this controller?" in run(look, env=node(ca_of(agent))).fails()


def test_jubilant_on_jujus_client_sees_what_modelferry_sees(shared):
    juju = shared.client("jubilant", shared.src)
    looked = run([tool("JUBILANT"), CLIENTS / "jubilant_look.py", tool("JUJU36"), f"src:admin/{MODEL}"], env=juju.environment()).json()
    assert by_status(with_dashes(looked["status"])) == ours(shared.src)
    assert_clean(shared.src, "reply")
