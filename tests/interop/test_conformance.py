"""The same through every client: a dry run, a migration, where the model went, a CA and a password that are wrong."""

import json
import re

import pytest
import yaml

from conftest import MODEL, PASSWORD, assert_clean, node, run, tool
from statuses import differences
from test_cli36 import arrived
from test_libraries import CLIENTS, address_of, ca_of, uuid_of


def request(cluster, dry_run=False):
    """What Controller.InitiateMigration takes, to move the sample from src to dst."""
    details = cluster.dst("show-controller", "--format", "json").json()["dst"]["details"]
    target = {
        "controller-tag": f"controller-{details['uuid']}", "controller-alias": "dst", "addrs": [address_of(cluster.dst)],
        "ca-cert": details["ca-cert"], "auth-tag": "user-admin", "password": PASSWORD,
    }
    asked = {"specs": [{"model-tag": f"model-{uuid_of(cluster.src)}", "target-info": target}]}
    return {**asked, "dry-run": True} if dry_run else asked


class Libjuju:
    """python-libjuju 3.6."""

    which = 0

    def __init__(self, cluster):
        self.python = tool("LIBJUJU").split(":")[self.which]
        self.cluster = cluster

    def ask(self, asked, *look, ca=None):
        agent = self.cluster.src
        return run([
            self.python, CLIENTS / "migrate.py", address_of(agent), ca or ca_of(agent), "admin", PASSWORD, json.dumps(asked), *look,
        ])

    def redirected(self, asked):
        """Whether the client is told where the model went, as far as the library shows it."""
        told = self.ask(asked, "look").json()
        return told == {"endpoints": [address_of(self.cluster.dst)], "ca": ca_of(self.cluster.dst).read_text(), "follow": False}


class Libjuju35(Libjuju):
    """python-libjuju 3.5."""

    which = -1


class Jujulib:
    def __init__(self, cluster):
        self.cluster = cluster

    def ask(self, asked, *look, ca=None):
        agent = self.cluster.src
        command = ["node", CLIENTS / "migrate.cjs", f"localhost:{agent.tap_port}", "admin", PASSWORD, json.dumps(asked), *look]
        return run(command, env=node(ca or ca_of(agent)))

    def redirected(self, asked):
        # This library follows redirects of JAAS alone; of others it shows the text.
        return "redirection to alternative server required" in self.ask(asked, "look").json()["refused"]


LIBRARIES = pytest.mark.parametrize("library", [Libjuju, Libjuju35, Jujulib], ids=["libjuju", "libjuju-3.5", "jujulib"])


@LIBRARIES
def test_a_library_dry_runs_migrates_and_is_redirected(cluster, library):
    client = library(cluster)
    asked, dry = request(cluster), request(cluster, dry_run=True)
    checked = client.ask(dry).json()["results"][0]
    assert not checked.get("error") and not checked.get("migration-id"), checked
    assert cluster.src("status", "--format", "json").json()["migrations"] == [], "a dry run has begun something"
    cluster.dst("embedded", "user", "remove", "bob").ok()
    # libjuju raises what a result's error says, jujulib hands it on.
    refused = client.ask(dry)
    assert "users granted access to the model do not exist" in refused.out + refused.err
    cluster.dst("embedded", "user", "add", "bob", "--password-file", cluster.password).ok()
    begun = client.ask(asked).json()["results"][0]
    assert begun["migration-id"].startswith(asked["specs"][0]["model-tag"].removeprefix("model-")), begun
    arrived(cluster)
    assert client.redirected(asked)
    assert_clean(cluster.src, "reply")


@LIBRARIES
def test_a_library_does_not_trust_a_controller_of_another_ca(shared, library):
    asked = {"specs": []}
    library(shared).ask(asked).ok()
    refused = library(shared).ask(asked, ca=ca_of(shared.dst)).fails()
    # jujulib names no cause; with the right CA it has just connected.
    assert re.search(r"CERTIFICATE_VERIFY_FAILED|cannot connect WebSocket", refused), refused


def migrated_by_jubilant(cluster, juju):
    script = (
        "import sys, jubilant\n"
        "juju = jubilant.Juju(cli_binary=sys.argv[1])\n"
        "juju.cli('migrate', sys.argv[2], 'dst', include_model=False)\n"
    )
    run([tool("JUBILANT"), "-c", script, tool("JUJU36"), f"src:admin/{MODEL}"], env=juju.environment()).ok()
    arrived(cluster)


def test_jubilant_migrates_and_is_told_where_the_model_went(cluster):
    juju = cluster.client("jubilant", cluster.src, cluster.dst)
    migrated_by_jubilant(cluster, juju)
    assert f"juju switch dst:admin/{MODEL}" in looked_by_jubilant(juju).fails()
    assert looked_by_jubilant(juju, "dst").json()["name"] == MODEL


def test_jubilant_that_does_not_know_the_destination_is_told_its_fingerprint(cluster):
    both, stranger = cluster.client("jubilant", cluster.src, cluster.dst), cluster.client("stranger", cluster.src)
    assert looked_by_jubilant(stranger).json()["name"] == MODEL
    migrated_by_jubilant(cluster, both)
    told = looked_by_jubilant(stranger).fails()
    shown = cluster.dst("show-controller", "--format", "json").json()["dst"]["details"]["ca-fingerprint"]
    assert f"'juju login {address_of(cluster.dst)} -c dst'" in told
    assert f"New controller fingerprint [{shown}]" in told


def looked_by_jubilant(juju, controller="src"):
    look = [tool("JUBILANT"), CLIENTS / "jubilant_look.py", tool("JUJU36"), f"{controller}:admin/{MODEL}"]
    return run(look, env=juju.environment())


def test_jubilant_is_refused_with_a_wrong_password(shared):
    juju = shared.client("jubilant-password", shared.src)
    assert looked_by_jubilant(juju).json()["name"] == MODEL
    accounts = juju.data / "accounts.yaml"
    known = yaml.safe_load(accounts.read_text())
    known["controllers"]["src"]["password"] = "wrong"
    accounts.write_text(yaml.safe_dump(known))
    # Juju's client asks for another password then, and jubilant has none.
    assert "invalid entity name or password" in looked_by_jubilant(juju).fails()


def test_jubilant_does_not_trust_a_controller_of_another_ca(shared):
    juju = shared.client("jubilant-ca", shared.src)
    assert looked_by_jubilant(juju).json()["name"] == MODEL
    controllers = juju.data / "controllers.yaml"
    known = yaml.safe_load(controllers.read_text())
    known["controllers"]["src"]["ca-cert"] = ca_of(shared.dst).read_text()
    controllers.write_text(yaml.safe_dump(known))
    assert "certificate signed by unknown authority" in looked_by_jubilant(juju).fails()


def parsed(form, text):
    return yaml.safe_load(text) if form == "yaml" else json.loads(text)


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_list_show_and_status_are_modelferrys_field_by_field_in_each_form(shared, form):
    juju = shared.client(f"forms-{form}", shared.src)

    def both(theirs, ours):
        told = juju(*theirs, "--format", form).ok(), shared.src(*ours, "--format", form).ok()
        return [parsed(form, text) for text in told]

    theirs, ours = both(["status", "-m", f"src:admin/{MODEL}", "--relations"], ["status", "-m", MODEL, "--relations"])
    assert differences(theirs, ours) == []
    theirs, ours = both(["show-model", f"src:admin/{MODEL}"], ["show-model", MODEL])
    assert differences(theirs, ours) == []
    theirs, ours = both(["models", "-c", "src"], ["models"])
    # Beside these Juju's list has what its show-model has, and ours has counts.
    keys = ["name", "model-uuid", "model-type", "cloud", "region", "type", "life", "access"]
    # The client of Juju 4.1 lists no owner: the name has the qualifier, which is all that it shows of whose a model is.
    if not juju("version").ok().startswith("4."):
        keys.append("owner")
    listed = lambda told: [{key: model.get(key) for key in keys} for model in told["models"]]
    assert listed(theirs) == listed(ours)
