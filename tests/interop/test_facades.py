"""Each facade, version and method that the embedded controller offers, asked by clients that nobody here wrote."""

import base64
import json
import ssl
import subprocess
import threading
import urllib.request

import pytest

from conftest import MODEL, PASSWORD, assert_clean, node, run, tool, until
from test_cli36 import migrated
from test_libraries import CLIENTS, address_of, ca_of, listed, uuid_of

CONTROLLER, INSIDE = "/api", "/model/{uuid}/api"
ENTITIES = {"entities": [{"tag": "model-{uuid}"}]}
FILTERS = {"Filters": [{"model-name": MODEL, "owner-name": "admin", "model-qualifier": "admin"}]}
# Folder and class of jujulib, its versions, the connection, and the methods with their parameters.
FACADES = [
    ("model-manager", "ModelManager", [9, 10, 11], CONTROLLER, {
        "listModels": {"tag": "user-admin"}, "listModelSummaries": {"user-tag": "user-admin", "all": True},
        "modelInfo": ENTITIES, "modelStatus": ENTITIES,
    }),
    ("controller", "Controller", [11, 12, 13, 14], CONTROLLER, {
        "allModels": None, "modelStatus": ENTITIES, "controllerConfig": None, "controllerVersion": None,
        "identityProviderURL": None, "mongoVersion": None, "listBlockedModels": None, "controllerAPIInfoForModels": ENTITIES,
        "getControllerAccess": {"entities": [{"tag": "user-admin"}]},
    }),
    ("user-manager", "UserManager", [3], CONTROLLER, {"userInfo": {"entities": [{"tag": "user-bob"}], "include-disabled": False}}),
    ("application-offers", "ApplicationOffers", [4, 5], CONTROLLER, {
        "listApplicationOffers": FILTERS, "findApplicationOffers": FILTERS,
    }),
    ("cloud", "Cloud", [7], CONTROLLER, {
        "clouds": None, "cloud": {"entities": [{"tag": "cloud-localhost"}]}, "cloudInfo": {"entities": [{"tag": "cloud-localhost"}]},
        "userCredentials": {"user-clouds": [{"user-tag": "user-admin", "cloud-tag": "cloud-localhost"}]},
    }),
    ("migration-target", "MigrationTarget", [1, 2, 3], CONTROLLER, {"cACert": None}),
    ("pinger", "Pinger", [1], CONTROLLER, {"ping": None}),
    ("client", "Client", [6, 7, 8], INSIDE, {"fullStatus": {"patterns": []}}),
    ("model-config", "ModelConfig", [3], INSIDE, {"modelGet": None, "getModelConstraints": None}),
    ("storage", "Storage", [6], INSIDE, {
        "listStorageDetails": {"filters": [{}]}, "listVolumes": {"filters": [{}]}, "listFilesystems": {"filters": [{}]},
    }),
    ("pinger", "Pinger", [1], INSIDE, {"ping": None}),
]
EACH = [(folder, f"{name}V{version}", path, methods) for folder, name, versions, path, methods in FACADES for version in versions]


def asked(agent, path, calls, user="admin", uuid=None):
    """What jujulib's own classes are answered: a list of {"reply"} and {"error"}."""
    uuid = uuid or uuid_of(agent)
    text = json.dumps(calls).replace("{uuid}", uuid)
    address, path = f"localhost:{agent.tap_port}", path.replace("{uuid}", uuid)
    return run(["node", CLIENTS / "facades.cjs", address, path, user, PASSWORD, text], env=node(ca_of(agent))).json()


@pytest.mark.parametrize("folder, name, path, methods", EACH, ids=[f"{name}{path.split('/')[1]}" for _, name, path, _ in EACH])
def test_a_facade_answers_every_method_in_the_version_that_a_library_was_generated_for(shared, folder, name, path, methods):
    calls = [[folder, name, method, params] for method, params in methods.items()]
    for method, answer in zip(methods, asked(shared.src, path, calls)):
        assert "error" not in answer, (method, answer)
        results = (answer["reply"] or {}).get("results") or []
        assert not any(result.get("error") for result in results), (method, answer)
        if method.startswith("list") and folder == "model-manager" or method in ("allModels", "modelInfo", "fullStatus"):
            assert MODEL in json.dumps(answer["reply"]), (method, answer)
    assert_clean(shared.src, "reply")


def client41(agent, *args, user="admin", password=PASSWORD):
    """Juju 4.1's own API client."""
    return run([tool("CLIENT41"), "-addr", address_of(agent), "-ca", ca_of(agent), "-user", user, "-password", password, *args])


@pytest.mark.parametrize("version", range(1, 9))
def test_migration_target_refuses_a_live_model_of_a_real_controller_in_each_version(shared, version):
    call = lambda method, params: client41(shared.dst, "call", "", f"MigrationTarget:{version}", method, json.dumps(params))
    assert base64.b64decode(call("CACert", {}).json()["result"]).decode() == ca_of(shared.dst).read_text()
    text = (shared.sample / "model.yaml").read_bytes()
    info = {
        "uuid": uuid_of(shared.src), "name": MODEL, "owner-tag": "user-admin", "qualifier": "admin", "agent-version": "3.6.11",
        "controller-agent-version": "3.6.11", "facade-versions": {}, "model-description": base64.b64encode(text).decode(),
    }
    refused = call("Prechecks", info).fails()
    # From 8 on a model comes as tables, and this is none.
    assert ("it runs no machines" if version < 8 else "empty ") in refused, refused
    assert shared.dst("show-model", MODEL).code != 0


def test_nobody_in_particular_may_ping_and_is_redirected_as_users_are(cluster):
    juju = cluster.client("both", cluster.src, cluster.dst)
    uuid = uuid_of(cluster.src)
    anonymous = lambda facade, method: client41(cluster.src, "call", uuid, facade, method, "{}", user="jujuanonymous", password="")
    anonymous("Pinger:1", "Ping").ok()
    assert "FullStatus" not in anonymous("Client:8", "FullStatus").fails()
    migrated(cluster, juju)
    assert "redirection" in anonymous("Pinger:1", "Ping").fails()
    # What libraries ask that are sent on without being told where: before any login.
    told = asked(cluster.src, INSIDE, [["admin", "AdminV3", "redirectInfo", None]], user="", uuid=uuid)[0]["reply"]
    assert told["ca-cert"] == ca_of(cluster.dst).read_text()
    assert told["servers"][0][0]["port"] == cluster.dst.tap_port


class Watched:
    """What Juju 3.6.11's own client of AllModelWatcher has been sent: models by UUID, and the UUIDs of those that are gone."""

    def __init__(self, agent, user="admin"):
        command = [tool("WATCH36"), "-addr", address_of(agent), "-ca", ca_of(agent), "-user", user, "-password", PASSWORD]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.models, self.gone, self.last = {}, set(), None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.last = json.loads(line)
            for change in self.last if isinstance(self.last, list) else []:
                assert change["kind"] == "model", change
                if change["removed"]:
                    self.gone.add(change["id"])
                else:
                    self.models[change["id"]] = change["entity"]

    def ended(self):
        """Waits for the program, and returns its exit status and what it has said of a failure."""
        code = self.process.wait(timeout=30)
        self.reader.join()
        return code, self.process.stderr.read()


def test_jujus_own_client_of_all_model_watcher_follows_models_that_come_change_and_go(cluster):
    agent, uuid = cluster.dst, uuid_of(cluster.src)
    watched = Watched(agent)
    until("what there is comes first", lambda: len(watched.models) == len(listed(agent)))
    assert sorted(model["name"] for model in watched.models.values()) == listed(agent) == ["controller"]
    cluster.import_model(agent)
    until("a model comes", lambda: uuid in watched.models)
    told, shown = watched.models[uuid], agent("show-model", MODEL, "--format", "json").json()[MODEL]
    seen = (told["model-uuid"], told["owner"], told["controller-uuid"], told["cloud"], told["cloud-region"], told["version"], told["life"])
    keys = ("model-uuid", "owner", "controller-uuid", "cloud", "region", "agent-version", "life")
    assert seen == tuple(shown[key] for key in keys)
    agent("embedded", "remove", MODEL).ok()
    until("it goes", lambda: uuid in watched.gone)
    watched.process.stdin.close()
    assert watched.ended() == (0, "")
    assert watched.last == {"stopped": True}
    assert_clean(agent, "reply")


def test_jujus_own_client_of_all_model_watcher_is_refused_without_a_superusers_rights(shared):
    code, refused = Watched(shared.src, user="bob").ended()
    assert code != 0 and "permission denied" in refused


def test_the_clients_commands_that_look_agree_with_modelferry(shared):
    juju = shared.client("commands", shared.src)
    juju("switch", f"src:admin/{MODEL}").ok()
    ours = shared.src("show-controller", "--format", "json").json()["src"]
    shown = juju("show-controller", "src", "--format", "json").json()["src"]["details"]
    for key in ("uuid", "ca-cert", "agent-version", "cloud"):
        assert shown.get(key, shown.get(f"controller-{key}")) == ours["details"].get(key, ours["details"].get(f"controller-{key}")), key
    config = juju("controller-config", "-c", "src", "--format", "json").json()
    assert (config["controller-uuid"], config["ca-cert"]) == (ours["details"]["uuid"], ours["details"]["ca-cert"])
    listed = juju("controllers", "--refresh", "--format", "json").json()["controllers"]["src"]
    models = shared.src("models", "--format", "json").json()["models"]
    assert listed["model-count"] == len(models)
    settings = juju("model-config", "--format", "json").json()
    assert settings["agent-version"]["Value"] == "3.6.23", settings
    juju("model-constraints").ok()
    assert juju("show-user", "-c", "src", "admin", "--format", "json").json()["access"] == "superuser"
    described = (shared.sample / "model.yaml").read_text()
    offers = juju("offers", "--format", "json").json()
    assert offers and all(f"offer-name: {name}" in described or f"offer-name: '{name}'" in described for name in offers)
    found = juju("find-offers", "src:admin/" + MODEL, "--format", "json").json()
    assert {url.rsplit(".", 1)[1] for url in found} == set(offers)
    lines = [path.read_text() for path in sorted((shared.sample / "blobs" / "logs").iterdir())]
    log = juju("debug-log", "--replay", "--no-tail", "--utc").ok()
    assert len(log.splitlines()) == sum(len(text.splitlines()) for text in lines) > 0
    assert_clean(shared.src, "reply")


def test_health_is_for_whoever_trusts_the_controllers_ca(shared):
    trusting = ssl.create_default_context(cafile=str(ca_of(shared.src)))
    with urllib.request.urlopen(f"https://localhost:{shared.src.api_port}/health", context=trusting) as reply:
        assert (reply.status, reply.read()) == (200, b"running\n")
