"""The same through every client: a dry run, a migration, where the model went, a CA that is another's, and faults meanwhile."""

import json
import os
import re
import signal
import time

import pytest
import yaml

from conftest import MODEL, PASSWORD, assert_clean, run, tool, until
from test_cli36 import comparable
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
        self.modules = f"{tool('JUJULIB')}/node_modules"

    def ask(self, asked, *look, ca=None):
        agent = self.cluster.src
        environment = {**os.environ, "NODE_PATH": self.modules, "NODE_EXTRA_CA_CERTS": str(ca or ca_of(agent))}
        address = f"localhost:{agent.tap_port}"
        return run(["node", CLIENTS / "migrate.cjs", address, "admin", PASSWORD, json.dumps(asked), *look], env=environment)

    def redirected(self, asked):
        # This library follows redirects of JAAS alone; of others it shows the text.
        return "redirection to alternative server required" in self.ask(asked, "look").json()["refused"]


LIBRARIES = pytest.mark.parametrize("library", [Libjuju, Libjuju35, Jujulib], ids=["libjuju", "libjuju-3.5", "jujulib"])


def arrived(cluster):
    until("the model arrives", lambda: cluster.dst("show-model", MODEL).code == 0)
    until("src has finished", lambda: "migrated to controller" in cluster.src("status", "-m", MODEL).err)


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


@LIBRARIES
def test_a_migration_that_a_library_began_outlives_a_cut_and_both_agents(cluster, library):
    client, asked = library(cluster), request(cluster)
    cluster.src("limit", "dst", "4mbit").ok()
    assert client.ask(asked).json()["results"][0]["migration-id"]
    # Nothing comes from there for a while: a link that is cut looks no different.
    cluster.dst.process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    cluster.dst.process.send_signal(signal.SIGCONT)
    for agent in (cluster.src, cluster.dst):
        agent.kill()
        agent.start()
    cluster.src("limit", "dst", "none").ok()
    arrived(cluster)
    assert client.redirected(asked)


def test_jubilant_migrates_and_is_told_where_the_model_went(cluster):
    juju = cluster.client("jubilant", cluster.src, cluster.dst)
    script = (
        "import sys, jubilant\n"
        "juju = jubilant.Juju(cli_binary=sys.argv[1])\n"
        "juju.cli('migrate', sys.argv[2], 'dst', include_model=False)\n"
    )
    run([tool("JUBILANT"), "-c", script, tool("JUJU36"), f"src:admin/{MODEL}"], env=juju.environment()).ok()
    for agent in (cluster.src, cluster.dst):
        agent.kill()
        agent.start()
    arrived(cluster)
    told = run([tool("JUBILANT"), CLIENTS / "jubilant_look.py", tool("JUJU36"), f"src:admin/{MODEL}"], env=juju.environment()).fails()
    assert f"juju switch dst:admin/{MODEL}" in told
    looked = run([tool("JUBILANT"), CLIENTS / "jubilant_look.py", tool("JUJU36"), f"dst:admin/{MODEL}"], env=juju.environment())
    assert looked.json()["name"] == MODEL


def looked_by_jubilant(juju):
    return run([tool("JUBILANT"), CLIENTS / "jubilant_look.py", tool("JUJU36"), f"src:admin/{MODEL}"], env=juju.environment())


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
def test_list_show_and_status_agree_with_modelferry_in_each_form(shared, form):
    juju = shared.client(f"forms-{form}", shared.src)
    theirs = parsed(form, juju("status", "-m", f"src:admin/{MODEL}", "--format", form, "--relations").ok())
    ours = parsed(form, shared.src("status", "-m", MODEL, "--format", form, "--relations").ok())
    assert comparable(theirs) == comparable(ours)
    for key in ("name", "type", "controller", "cloud", "region", "version"):
        assert theirs["model"][key] == ours["model"][key], key
    shown = parsed(form, juju("show-model", f"src:admin/{MODEL}", "--format", form).ok())[MODEL]
    our_model = parsed(form, shared.src("show-model", MODEL, "--format", form).ok())[MODEL]
    for key in ("name", "short-name", "model-uuid", "model-type", "controller-uuid", "owner", "cloud", "region", "type", "life", "agent-version"):
        assert shown[key] == our_model[key], key
    assert set(shown["users"]) == set(our_model["users"])
    listed = parsed(form, juju("models", "-c", "src", "--format", form).ok())["models"]
    model = next(model for model in listed if model["short-name"] == MODEL)
    for key in ("name", "model-uuid", "model-type", "owner", "cloud", "region", "type", "life", "agent-version"):
        assert model[key] == shown[key], key
