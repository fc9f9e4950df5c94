"""What Juju's own client is told and refused as another user than the administrator, and who guesses passwords."""

import re

import yaml

from conftest import MODEL, PASSWORD, node, run
from test_libraries import CLIENTS, ca_of


def of_user(cluster, user, *agents):
    """A client whose accounts at these agents are another user's."""
    juju = cluster.client(f"of-{user}", *agents)
    for agent in agents:
        agent("embedded", "client-config", "--juju-data", juju.data, "--merge", "--user", user, "--password-file", cluster.password).ok()
    return juju


def test_a_reader_sees_the_model_and_of_its_users_himself_and_may_migrate_nothing(shared):
    juju = of_user(shared, "bob", shared.src, shared.dst)
    listed = juju("models", "-c", "src", "--format", "json").json()["models"]
    assert [model["short-name"] for model in listed] == [MODEL]
    shown = juju("show-model", f"src:admin/{MODEL}", "--format", "json").json()[MODEL]
    assert set(shown["users"]) == {"bob"} and shown["users"]["bob"]["access"] == "read"
    assert MODEL in juju("status", "-m", f"src:admin/{MODEL}").ok()
    assert [user["user-name"] for user in juju("users", "-c", "src", "--format", "json").json()] == ["bob"]
    assert "permission denied" in juju("migrate", f"src:admin/{MODEL}", "dst").fails()
    assert "permission denied" in juju("show-user", "-c", "src", "admin").fails()
    assert shared.src("status", "--format", "json").json()["migrations"] == []


def test_another_users_model_cannot_be_told_from_one_that_is_not_there(shared):
    shared.src("embedded", "user", "add", "eve", "--password-file", shared.password).ok()
    owner, juju = shared.client("owner", shared.src), of_user(shared, "eve", shared.src)
    assert juju("models", "-c", "src", "--format", "json").json()["models"] == []
    # The model's UUID is known to eve all the same.
    models = yaml.safe_load((juju.data / "models.yaml").read_text() or "{}") or {"controllers": {}}
    uuid = owner("show-model", f"src:admin/{MODEL}", "--format", "json").json()[MODEL]["model-uuid"]
    nowhere = re.sub("^.", lambda first: "0" if first[0] != "0" else "1", uuid)
    known = {f"admin/{MODEL}": {"uuid": uuid, "type": "iaas"}, "admin/nowhere": {"uuid": nowhere, "type": "iaas"}}
    models["controllers"]["src"] = {"models": known}
    (juju.data / "models.yaml").write_text(yaml.safe_dump(models))
    hidden = juju("show-model", f"src:admin/{MODEL}").fails()
    absent = juju("show-model", "src:admin/nowhere").fails()
    assert hidden.replace(MODEL, "nowhere") == absent, (hidden, absent)
    assert re.search("permission denied|not found", juju("status", "-m", f"src:admin/{MODEL}").fails())


def test_who_guesses_passwords_is_told_to_try_again_later(cluster):
    agent = cluster.src
    guess = ["node", CLIENTS / "guess.cjs", f"localhost:{agent.tap_port}", "admin", "12", PASSWORD]
    told = run(guess, env=node(ca_of(agent))).json()
    assert told[:10] == ["Have you been granted permission to a model on this controller?"] * 10, told
    # The right password is one of those that are not looked at.
    assert set(told[10:]) == {"try again"}, told
    log = (agent.dir / "agent.log").read_text()
    assert log.count("too many wrong passwords") == 1, log
